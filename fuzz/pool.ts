// Packets kept to be delivered, changed and sent again: the device's own latest, and those of captures.
import { readdirSync, readFileSync } from 'node:fs';
import { WireError } from '../src/wire/error.ts';
import { decodeFrame } from '../src/wire/frame.ts';
import { readCapture } from '../src/wire/read-capture.ts';

const SLOTS = 256;
const BYTES = 4400;

/** A ring of the packets sent last, and a queue of those among them that are on their way back to the device. */
export class PacketPool {
  readonly bufs: Buffer[] = Array.from({ length: SLOTS }, () => Buffer.from(new ArrayBuffer(BYTES)));
  readonly lengths = new Int32Array(SLOTS);
  /** Index of the own address that each was sent from. */
  readonly locals = new Int32Array(SLOTS);
  readonly toSelf = new Uint8Array(SLOTS);
  count = 0;
  /** Numbers (as `count` was) of packets under way; those whose slot was taken over are lost. */
  readonly underWay: number[] = [];

  add(buf: Buffer, at: number, length: number, local: number, toSelf: boolean): void {
    const slot = this.count % SLOTS;
    buf.copy(this.bufs[slot], 0, at, at + length);
    this.lengths[slot] = length;
    this.locals[slot] = local;
    this.toSelf[slot] = toSelf ? 1 : 0;
    if (toSelf && this.underWay.length < SLOTS) this.underWay.push(this.count);
    this.count++;
  }

  /** The slot of packet `number`; -1 when it is gone. */
  slotOf(number: number): number {
    return this.count - number > SLOTS ? -1 : number % SLOTS;
  }

  get filled(): number {
    return Math.min(this.count, SLOTS);
  }
}

/** The RoCE datagrams (BTH to ICRC) of the captures, at most `most`. */
export function captureCorpus(most = 400): Buffer[] {
  const folder = new URL('../test/data/captures/', import.meta.url);
  const out: Buffer[] = [];
  for (const name of readdirSync(folder).sort()) {
    if (!name.endsWith('.pcap')) continue;
    let taken = 0;
    for (const { data, linkType } of readCapture(readFileSync(new URL(name, folder))).packets) {
      const frame = decodeFrame(data, 0, data.length, linkType);
      if (frame instanceof WireError || frame.roceLength > BYTES) continue;
      out.push(Buffer.from(data.subarray(frame.roceOffset, frame.roceOffset + frame.roceLength)));
      if (++taken >= most / 16 || out.length >= most) break;
    }
  }
  return out;
}
