// A RoCEv2 datagram (BTH to ICRC) as a plain object, for tools and tests; the hot path uses the headers' own functions.
import { type Aeth, emitAeth, formatAeth, parseAeth } from './aeth.ts';
import { type AtomicAckEth, emitAtomicAckEth, formatAtomicAckEth, parseAtomicAckEth } from './atomicacketh.ts';
import { type AtomicEth, emitAtomicEth, formatAtomicEth, parseAtomicEth } from './atomiceth.ts';
import { BTH_LEN, type Bth, emitBth, formatBth, parseBth } from './bth.ts';
import { putU32LE } from './bytes.ts';
import { type Cnp, emitCnp, parseCnp } from './cnp.ts';
import { type Deth, emitDeth, formatDeth, parseDeth } from './deth.ts';
import { checkRoom, WireError } from './error.ts';
import { emitFeth, type Feth, formatFeth, parseFeth } from './feth.ts';
import { ICRC_LEN, icrcRead } from './icrc.ts';
import { emitIeth, formatIeth, type Ieth, parseIeth } from './ieth.ts';
import { emitImmDt, formatImmDt, type ImmDt, parseImmDt } from './immdt.ts';
import * as op from './opcodes.ts';
import { emitProbe, formatProbe, type Probe, parseProbe } from './probe.ts';
import { emitRdEth, formatRdEth, parseRdEth, type RdEth } from './rdeth.ts';
import { emitReth, formatReth, parseReth, type Reth } from './reth.ts';
import { emitXrcEth, formatXrcEth, parseXrcEth, type XrcEth } from './xrceth.ts';

/** Which extension headers are there follows from the opcode. */
export interface ExtensionHeaders {
  rdeth?: RdEth;
  xrceth?: XrcEth;
  deth?: Deth;
  feth?: Feth;
  reth?: Reth;
  atomicEth?: AtomicEth;
  aeth?: Aeth;
  atomicAckEth?: AtomicAckEth;
  immDt?: ImmDt;
  ieth?: Ieth;
  cnp?: Cnp;
  probe?: Probe;
}

export interface RocePacket extends ExtensionHeaders {
  /** "RC SEND Only with Immediate". */
  name: string;
  bth: Bth;
  /** Bytes of BTH and extension headers. */
  headerLength: number;
  /** View of the decoded bytes, without the pad. */
  payload: Uint8Array;
  /** The last four bytes as they are, little-endian and signed as in icrc.ts. */
  icrc: number;
}

type Key = keyof ExtensionHeaders;

interface HeaderCodec {
  key: Key;
  offsets: Uint8Array;
  parse(buf: Uint8Array, off: number, end: number): object;
  emit(buf: Uint8Array, off: number, header: never): void;
  format(header: never): string;
}

const CNP_OFFSETS = new Uint8Array(256);
CNP_OFFSETS[op.CNP] = BTH_LEN;
const PROBE_OFFSETS = new Uint8Array(256);
PROBE_OFFSETS[op.PROBE] = BTH_LEN;
PROBE_OFFSETS[op.ECHO] = BTH_LEN;

const CODECS: readonly HeaderCodec[] = [
  { key: 'rdeth', offsets: op.opcodeRdEthOff, parse: parseRdEth, emit: emitRdEth, format: formatRdEth },
  { key: 'xrceth', offsets: op.opcodeXrcEthOff, parse: parseXrcEth, emit: emitXrcEth, format: formatXrcEth },
  { key: 'deth', offsets: op.opcodeDethOff, parse: parseDeth, emit: emitDeth, format: formatDeth },
  { key: 'feth', offsets: op.opcodeFethOff, parse: parseFeth, emit: emitFeth, format: formatFeth },
  { key: 'reth', offsets: op.opcodeRethOff, parse: parseReth, emit: emitReth, format: formatReth },
  {
    key: 'atomicEth',
    offsets: op.opcodeAtomicEthOff,
    parse: parseAtomicEth,
    emit: emitAtomicEth,
    format: formatAtomicEth,
  },
  { key: 'aeth', offsets: op.opcodeAethOff, parse: parseAeth, emit: emitAeth, format: formatAeth },
  {
    key: 'atomicAckEth',
    offsets: op.opcodeAtomicAckEthOff,
    parse: parseAtomicAckEth,
    emit: emitAtomicAckEth,
    format: formatAtomicAckEth,
  },
  { key: 'immDt', offsets: op.opcodeImmOff, parse: parseImmDt, emit: emitImmDt, format: formatImmDt },
  { key: 'ieth', offsets: op.opcodeIethOff, parse: parseIeth, emit: emitIeth, format: formatIeth },
  { key: 'cnp', offsets: CNP_OFFSETS, parse: parseCnp, emit: emitCnp, format: () => '' },
  { key: 'probe', offsets: PROBE_OFFSETS, parse: parseProbe, emit: emitProbe, format: formatProbe },
];

/** Decodes the `len` bytes at `off`, BTH to ICRC inclusive. Never throws; the ICRC is not checked here. */
export function decodeRoce(buf: Uint8Array, off = 0, len: number = buf.length - off): RocePacket | WireError {
  const end = Math.min(off + len, buf.length);
  const bth = parseBth(buf, off, end);
  if (bth instanceof WireError) return bth;
  if (!op.isKnownOpcode(bth.opcode)) return new WireError('bad-opcode', off, op.opcodeName(bth.opcode));
  const headerLength = op.opcodeHeaderLen[bth.opcode];
  const short = checkRoom(off, end, headerLength + ICRC_LEN, `${op.opcodeName(bth.opcode)} with its ICRC`);
  if (short) return short;
  const payloadEnd = end - ICRC_LEN - bth.pad;
  if (payloadEnd < off + headerLength)
    return new WireError('bad-length', off + 1, `${bth.pad} pad bytes, but no payload`);
  const packet: RocePacket = {
    name: op.opcodeName(bth.opcode),
    bth,
    headerLength,
    payload: buf.subarray(off + headerLength, payloadEnd),
    icrc: icrcRead(buf, end - ICRC_LEN),
  };
  for (const codec of CODECS) {
    const at = codec.offsets[bth.opcode];
    if (at !== 0) Object.assign(packet, { [codec.key]: codec.parse(buf, off + at, end) });
  }
  return packet;
}

/** What {@link encodeRoce} needs: a missing extension header is sent as zeros, a missing ICRC as 0. */
export type RoceContent = ExtensionHeaders & { bth: Bth; payload?: Uint8Array; icrc?: number };

/** Bytes of the encoded packet, ICRC included. */
export function roceLength(content: RoceContent): number {
  const { bth, payload } = content;
  return op.opcodeHeaderLen[bth.opcode] + (payload?.length ?? 0) + bth.pad + ICRC_LEN;
}

/**
 * Encodes a packet, BTH to ICRC, with zeros for pad bytes. `bth.pad` is taken as it is, so that wrong packets can be made.
 * Returns an error for a reserved opcode.
 */
export function encodeRoce(content: RoceContent): Buffer | WireError {
  const { opcode } = content.bth;
  if (!op.isKnownOpcode(opcode)) return new WireError('bad-opcode', 0, op.opcodeName(opcode));
  const out = Buffer.alloc(roceLength(content));
  emitBth(out, 0, content.bth);
  for (const { key, offsets, emit } of CODECS) {
    const header = content[key];
    if (offsets[opcode] !== 0 && header !== undefined) emit(out, offsets[opcode], header as never);
  }
  if (content.payload) out.set(content.payload, op.opcodeHeaderLen[opcode]);
  putU32LE(out, out.length - ICRC_LEN, content.icrc ?? 0);
  return out;
}

/** One line: "RC SEND Only QPN 0x11 PSN 1234 AckReq, 64 bytes". */
export function describe(packet: RocePacket): string {
  const parts = [formatBth(packet.bth)];
  for (const { key, format } of CODECS) {
    const header = packet[key];
    const text = header === undefined ? '' : format(header as never);
    if (text !== '') parts.push(text);
  }
  if (packet.payload.length > 0) parts.push(`${packet.payload.length} bytes`);
  return parts.join(', ');
}
