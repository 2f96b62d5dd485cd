// Wireshark's dissector reads the same fields from the same packets.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { AETH_ACK, AETH_NAK, AETH_RNR_NAK, rnrTimerUs, syndromeName } from '../../src/wire/aeth.ts';
import { WireError } from '../../src/wire/error.ts';
import { buildFrame, decodeFrame } from '../../src/wire/frame.ts';
import {
  knownOpcodes,
  opcodeName,
  opcodeTransport,
  TRANSPORT_RC,
  TRANSPORT_UC,
  TRANSPORT_UD,
} from '../../src/wire/opcodes.ts';
import { encodeRoce, type RoceContent, type RocePacket } from '../../src/wire/packet.ts';
import { PcapngWriter } from '../../src/wire/pcapng-writer.ts';
import { requireProgram } from '../helpers/debian.ts';
import { CAPTURES, capturePath, contentOf, loadCapture, ok } from './support.ts';

const BTH_FIELDS = ['opcode', 'se', 'm', 'padcnt', 'tver', 'p_key', 'destqp', 'a', 'reserved7', 'psn'].map(
  (f) => `bth.${f}`,
);
const EXT_FIELDS = [
  'reth.va',
  'reth.r_key',
  'reth.dmalen',
  'aeth.syndrome',
  'aeth.msn',
  'deth.q_key',
  'deth.srcqp',
  'atomiceth.swapdt',
  'atomiceth.cmpdt',
  'atomicacketh.origremdt',
];
const FIELDS = [...BTH_FIELDS, ...EXT_FIELDS, 'immdt', 'ieth', 'invariant.crc'];

/** What tshark prints as hexadecimal digits without 0x. */
const BARE_HEX = ['immdt', 'ieth'];

/** One row of values for each packet of the files. One tshark reads them all, because starting it takes longest. */
function tshark(files: string[]): string[][] {
  const fields = FIELDS.map((f) => `-e infiniband.${f}`).join(' ');
  const command = `mergecap -a -w - "$@" | tshark -r - -n -T fields -E separator='|' -E occurrence=f ${fields}`;
  return execFileSync('sh', ['-c', command, 'sh', ...files], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 1 << 26,
  })
    .trimEnd()
    .split('\n')
    .map((line) => line.split('|'));
}

/** The same row from our decoder. */
function expected(p: RocePacket): (number | bigint | undefined)[] {
  const { bth } = p;
  const crc = Buffer.alloc(4);
  crc.writeInt32LE(p.icrc);
  return [
    ...[
      bth.opcode,
      Number(bth.se),
      Number(bth.mig),
      bth.pad,
      bth.tver,
      bth.pkey,
      bth.qpn,
      Number(bth.ackReq),
      bth.resv7,
      bth.psn,
    ],
    ...[p.reth?.va ?? p.atomicEth?.va, p.reth?.rkey ?? p.atomicEth?.rkey, p.reth?.dmaLen],
    ...[p.aeth?.syndrome, p.aeth?.msn, p.deth?.qkey, p.deth?.sqpn],
    ...[p.atomicEth?.swap, p.atomicEth?.compare, p.atomicAckEth?.orig],
    ...[p.immDt?.imm, p.ieth?.rkey, crc.readUInt32BE()],
  ];
}

/** Compares all fields, or the BTH's only. The ICRC is missing where tshark takes the payload for a protocol of its own. */
function compare(row: string[], packet: RocePacket, bthOnly = false): void {
  const ours = expected(packet);
  for (const [i, field] of FIELDS.entries()) {
    if (bthOnly && !field.startsWith('bth.')) continue;
    if (field === 'invariant.crc' && row[i] === '') continue;
    const theirs = row[i] === '' ? undefined : BigInt(BARE_HEX.includes(field) ? `0x${row[i]}` : row[i]);
    const value = ours[i];
    assert.equal(theirs, value === undefined ? undefined : BigInt(value), `${packet.name}: ${field}`);
  }
}

test('tshark sees the same fields in every capture', (t) => {
  if (!requireProgram(t, 'tshark', 'tshark')) return;
  const names = CAPTURES.filter((name) => name.startsWith('rxe-'));
  const rows = tshark(names.map(capturePath));
  const packets = names.flatMap(loadCapture);
  assert.equal(rows.length, packets.length);
  for (const [i, { data }] of packets.entries()) compare(rows[i], ok(decodeFrame(data)).packet);
});

test('tshark finds no InfiniBand in the siw captures, nor do we', (t) => {
  if (!requireProgram(t, 'tshark', 'tshark')) return;
  const names = CAPTURES.filter((name) => name.startsWith('siw-'));
  for (const row of tshark(names.map(capturePath))) assert.ok(row.every((value) => value === ''));
  for (const { data } of names.flatMap(loadCapture)) assert.ok(decodeFrame(data) instanceof WireError);
});

const ADDRESSES = {
  srcMac: Buffer.from('020000000001', 'hex'),
  dstMac: Buffer.from('020000000002', 'hex'),
  srcIp: Buffer.from([10, 0, 0, 1]),
  dstIp: Buffer.from([10, 0, 0, 2]),
  sport: 50000,
  dport: 4791,
  tos: 0,
  ttl: 64,
};

/**
 * Unknown to tshark 4.0: FLUSH and ATOMIC WRITE (of release 1.5), CNP's 0x81 and the XRCETH; of RD it reads all extension
 * headers eight bytes too far on. Only the BTH of those is compared.
 */
function tsharkKnowsExtensions(opcode: number): boolean {
  const transport = opcodeTransport[opcode];
  return (transport === TRANSPORT_RC && opcode < 0x18) || transport === TRANSPORT_UC || transport === TRANSPORT_UD;
}

test('tshark sees the same fields in random packets of every opcode that we make', (t) => {
  if (!requireProgram(t, 'tshark', 'tshark')) return;
  const writer = new PcapngWriter();
  const contents: RoceContent[] = knownOpcodes().flatMap((op) =>
    fc.sample(contentOf(op), { seed: op + 1, numRuns: 8 }),
  );
  for (const content of contents) {
    const body = ok(encodeRoce(content));
    const frame = Buffer.alloc(42 + body.length);
    buildFrame(frame, 0, ADDRESSES, 0, true, body, 0, body.length);
    writer.writePacket(0, 0, frame, 0, frame.length);
  }
  const dir = mkdtempSync(join(tmpdir(), 'wire-'));
  try {
    const file = join(dir, 'all.pcapng');
    writeFileSync(file, Buffer.concat(writer.take()));
    const rows = tshark([file]);
    assert.equal(rows.length, contents.length);
    for (const [i, content] of contents.entries()) {
      const packet = { ...content, name: opcodeName(content.bth.opcode), icrc: content.icrc ?? 0 } as RocePacket;
      compare(rows[i], packet, !tsharkKnowsExtensions(content.bth.opcode));
    }
    const withIcrc = rows.filter((row) => row[FIELDS.length - 1] !== '').length;
    assert.ok(withIcrc > rows.length / 2, `tshark showed only ${withIcrc} ICRCs of ${rows.length}`);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

/** All value strings of tshark's fields: the output of tshark -G values, split. */
function tsharkValues(): string[][] {
  const output = execFileSync('sh', ['-c', 'tshark -G values | grep infiniband'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 1 << 28,
  });
  return output.split('\n').map((line) => line.split('\t'));
}

test('opcode names, RNR timer codes and syndrome kinds are tshark’s', (t) => {
  if (!requireProgram(t, 'tshark', 'tshark')) return;
  const all = tsharkValues();
  const values = (field: string): Map<number, string> =>
    new Map(all.filter(([kind, name]) => kind === 'V' && name === field).map((row) => [Number(row[2]), row[3]]));
  const names = values('infiniband.bth.opcode');
  for (const opcode of knownOpcodes()) {
    const theirs = names.get(opcode)?.replace(/^.*\((\w+)\) - /, '$1 ');
    if (theirs !== undefined) assert.equal(opcodeName(opcode), theirs);
    else assert.ok([0x1c, 0x1d, 0x81].includes(opcode), `tshark does not know ${opcodeName(opcode)}`);
  }
  const timers = values('infiniband.aeth.syndrome.timer');
  assert.equal(timers.size, 32);
  for (const [code, text] of timers) assert.equal(rnrTimerUs[code], Math.round(Number.parseFloat(text) * 1000));
  const kinds = values('infiniband.aeth.syndrome.opcode');
  assert.equal(kinds.get(AETH_ACK >> 5), 'Ack');
  assert.equal(kinds.get(AETH_RNR_NAK >> 5), 'RNR Nak');
  assert.equal(kinds.get(AETH_NAK >> 5), 'Nak');
  const codes = values('infiniband.aeth.syndrome.error_code');
  for (const [code, text] of codes) assert.equal(syndromeName(AETH_NAK | code), `NAK ${text}`);
});
