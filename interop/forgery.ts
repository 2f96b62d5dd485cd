// Packets that no peer should send, made here and sent by interop/guest/forge.c from the peer's address.
import { text } from 'node:stream/consumers';
import { BTH_LEN } from '../src/wire/bth.ts';
import { WireError } from '../src/wire/error.ts';
import { ICRC_LEN, icrcLen4, icrcSeed4, icrcWrite } from '../src/wire/icrc.ts';
import { encodeRoce, type RoceContent } from '../src/wire/packet.ts';
import { UDP_LEN } from '../src/wire/udp.ts';
import type { Guest } from './guest.ts';
import { address4, HOST4 } from './namespace.ts';

const SOURCE_PORT = 50_000;
const ROCE_PORT = 4791;
const PKEY = 0xffff;

const ipBytes = (address: string): Uint8Array => Uint8Array.from(address.split('.').map(Number));

/** Gives the bytes, BTH to the room for the ICRC, the ICRC that fits a datagram from guest `n` to us. */
export function sign(bytes: Buffer, n: number): Buffer {
  const seed = icrcSeed4(ipBytes(address4(n)), ipBytes(HOST4), SOURCE_PORT, ROCE_PORT, true);
  icrcWrite(seed ^ icrcLen4(UDP_LEN + bytes.length), bytes, 0, bytes.length - ICRC_LEN);
  return bytes;
}

/** A packet with what is given and sensible values for the rest; signed. */
export function packet(
  n: number,
  bth: { opcode: number; qpn: number; psn: number; pkey?: number; ackReq?: boolean; pad?: number; tver?: number },
  rest: Omit<RoceContent, 'bth'> = {},
): Buffer {
  const bytes = encodeRoce({
    bth: {
      se: false,
      mig: true,
      pad: 0,
      tver: 0,
      pkey: PKEY,
      fecn: false,
      becn: false,
      resv6: 0,
      ackReq: true,
      resv7: 0,
      ...bth,
    },
    ...rest,
  } as RoceContent);
  if (bytes instanceof WireError) throw bytes;
  return sign(bytes, n);
}

/** A header alone with any opcode, reserved ones too; signed. */
export function bare(n: number, opcode: number, qpn: number, psn: number, length = BTH_LEN + ICRC_LEN): Buffer {
  const bytes = Buffer.alloc(length);
  bytes[0] = opcode;
  bytes.writeUInt16BE(PKEY, 2);
  bytes.writeUIntBE(qpn, 5, 3);
  bytes.writeUIntBE(psn, 9, 3);
  return sign(bytes, n);
}

/** Has the guest send these datagrams to our device. */
export async function send(guest: Guest, datagrams: readonly Buffer[]): Promise<void> {
  const socket = await guest.spawn(`exec forge ${SOURCE_PORT} ${HOST4} ${ROCE_PORT}`);
  socket.write(`${datagrams.map((bytes) => `${bytes.toString('hex')}\n`).join('')}.\n`);
  const said = await text(socket);
  if (Number(said) !== datagrams.length) throw new Error(`forge sent ${said.trim()} of ${datagrams.length} datagrams`);
}
