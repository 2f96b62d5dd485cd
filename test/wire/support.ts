import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import zlib from 'node:zlib';
import fc from 'fast-check';
import type { CapturedPacket } from '../../src/wire/capture.ts';
import { WireError } from '../../src/wire/error.ts';
import {
  isKnownOpcode,
  knownOpcodes,
  OPF_CNP,
  OPF_PAYLOAD,
  opcodeAethOff,
  opcodeAtomicAckEthOff,
  opcodeAtomicEthOff,
  opcodeDethOff,
  opcodeFethOff,
  opcodeFlags,
  opcodeIethOff,
  opcodeImmOff,
  opcodeRdEthOff,
  opcodeRethOff,
  opcodeXrcEthOff,
} from '../../src/wire/opcodes.ts';
import type { RoceContent } from '../../src/wire/packet.ts';
import { readCapture } from '../../src/wire/read-capture.ts';

const DIR = new URL('../data/captures/', import.meta.url);

export const CAPTURES: string[] = readdirSync(DIR)
  .filter((name) => /\.pcap(ng)?$/.test(name))
  .sort();

export function capturePath(name: string): string {
  return new URL(name, DIR).pathname;
}

export function loadCapture(name: string): CapturedPacket[] {
  const capture = readCapture(readFileSync(capturePath(name)));
  if (capture.error) throw capture.error;
  return capture.packets;
}

/** The value that should not be an error; throws when it is. */
export function ok<T>(value: T | WireError): T {
  if (value instanceof Error) throw value;
  return value;
}

/**
 * `bytes` (hexadecimal) parse to `header` at any offset and `header` is written as them, touching nothing beside; fewer bytes
 * are an error.
 */
export function assertHeader<T>(
  bytes: string,
  header: T,
  parse: (buf: Uint8Array, off: number, end?: number) => T | WireError,
  emit: (buf: Uint8Array, off: number, header: T) => void,
): void {
  const length = bytes.length / 2;
  for (const off of [0, 1, 7]) {
    const buf = Buffer.from('ee'.repeat(off) + bytes + 'ee'.repeat(3), 'hex');
    assert.deepEqual(parse(buf, off), header);
    assert.deepEqual(parse(buf, off, off + length), header);
    for (let short = 0; short < length; short++) {
      const error = parse(buf, off, off + short);
      assert.ok(error instanceof WireError);
      assert.equal(error.code, 'truncated');
      assert.equal(error.offset, off);
    }
    const out = Buffer.alloc(buf.length, 0xee);
    emit(out, off, header);
    assert.equal(out.toString('hex'), buf.toString('hex'));
  }
}

/** ICRC of a RoCEv2 frame worked out from annex A17 alone: nothing of the code under test, zlib for the sum. */
export function plainIcrc(frame: Uint8Array): number {
  const v6 = frame[12] === 0x86;
  const udp = v6 ? 54 : 34;
  const masked = Buffer.from(frame);
  const ip = 14;
  if (v6) {
    masked[ip] |= 0x0f;
    masked.fill(0xff, ip + 1, ip + 4);
    masked[ip + 7] = 0xff;
  } else {
    masked[ip + 1] = 0xff;
    masked[ip + 8] = 0xff;
    masked.fill(0xff, ip + 10, ip + 12);
  }
  masked.fill(0xff, udp + 6, udp + 8);
  masked[udp + 12] = 0xff;
  const end = udp + masked.readUInt16BE(udp + 4) - 4;
  return zlib.crc32(masked.subarray(ip, end), zlib.crc32(Buffer.alloc(8, 0xff))) | 0;
}

const u8 = fc.nat(0xff);
const u24 = fc.nat(0xffffff);
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u64 = fc.bigInt({ min: 0n, max: 0xffffffffffffffffn });

function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

/** Random packets of one opcode, the pad right for the payload. */
export function contentOf(opcode: number, maxPayload = 64): fc.Arbitrary<RoceContent> {
  const flags = opcodeFlags[opcode];
  const when = <T>(present: boolean | number, value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
    present ? value : fc.constant(undefined);
  const payload = flags & OPF_PAYLOAD ? fc.uint8Array({ maxLength: maxPayload }) : fc.constant(new Uint8Array(0));
  return payload.chain((bytes) =>
    record({
      bth: record({
        opcode: fc.constant(opcode),
        se: fc.boolean(),
        mig: fc.boolean(),
        pad: fc.constant(-bytes.length & 3),
        tver: fc.nat(15),
        pkey: fc.nat(0xffff),
        fecn: fc.boolean(),
        becn: fc.boolean(),
        resv6: fc.nat(63),
        // QPNs 0 and 1 would make tshark look for a MAD.
        qpn: fc.integer({ min: 2, max: 0xffffff }),
        ackReq: fc.boolean(),
        resv7: fc.nat(127),
        psn: u24,
      }),
      rdeth: when(opcodeRdEthOff[opcode], record({ resv8: u8, eecn: u24 })),
      xrceth: when(opcodeXrcEthOff[opcode], record({ resv8: u8, srq: u24 })),
      deth: when(opcodeDethOff[opcode], record({ qkey: u32, resv8: u8, sqpn: u24 })),
      feth: when(opcodeFethOff[opcode], record({ plt: fc.nat(15), sel: fc.nat(3), resv26: fc.nat(0x3ffffff) })),
      reth: when(opcodeRethOff[opcode], record({ va: u64, rkey: u32, dmaLen: u32 })),
      atomicEth: when(opcodeAtomicEthOff[opcode], record({ va: u64, rkey: u32, swap: u64, compare: u64 })),
      aeth: when(opcodeAethOff[opcode], record({ syndrome: u8, msn: u24 })),
      atomicAckEth: when(opcodeAtomicAckEthOff[opcode], record({ orig: u64 })),
      immDt: when(opcodeImmOff[opcode], record({ imm: u32 })),
      ieth: when(opcodeIethOff[opcode], record({ rkey: u32 })),
      cnp: when(
        flags & OPF_CNP,
        record({ reserved: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((r) => Buffer.from(r)) }),
      ),
      payload: fc.constant(Buffer.from(bytes)),
      icrc: fc.integer(),
    }).map((content) => {
      for (const key of Object.keys(content) as (keyof typeof content)[])
        if (content[key] === undefined) delete content[key];
      return content as RoceContent;
    }),
  );
}

export const anyContent: fc.Arbitrary<RoceContent> = fc.constantFrom(...knownOpcodes()).chain((op) => contentOf(op));

export const RESERVED_OPCODES: number[] = Array.from({ length: 256 }, (_, op) => op).filter((op) => !isKnownOpcode(op));
