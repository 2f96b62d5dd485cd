// pcap files (draft-ietf-opsawg-pcap): both byte orders, microsecond and nanosecond time stamps.
import { type Capture, type CaptureWriter, emptyCapture } from './capture.ts';
import { checkRoom, WireError } from './error.ts';
import { LINKTYPE_ETHERNET } from './linktype.ts';
import { ByteSink } from './sink.ts';

const MAGIC_US = 0xa1b2c3d4;
const MAGIC_NS = 0xa1b23c4d;
const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const MAX_SNAP = 262144;

interface Magic {
  little: boolean;
  nano: boolean;
}

function view(file: Uint8Array): DataView {
  return new DataView(file.buffer, file.byteOffset, file.byteLength);
}

function readMagic(file: Uint8Array): Magic | null {
  if (file.length < 4) return null;
  for (const little of [true, false]) {
    const magic = view(file).getUint32(0, little);
    if (magic === MAGIC_US || magic === MAGIC_NS) return { little, nano: magic === MAGIC_NS };
  }
  return null;
}

export function isPcap(file: Uint8Array): boolean {
  return readMagic(file) !== null;
}

/** Reads a whole pcap file. Never throws: trouble is in `error`, behind the packets that were good. */
export function readPcap(file: Uint8Array): Capture {
  const capture = emptyCapture('pcap');
  const magic = readMagic(file);
  if (magic === null) {
    capture.error = new WireError('unsupported', 0, 'not a pcap file');
    return capture;
  }
  capture.error = checkRoom(0, file.length, FILE_HEADER, 'pcap header');
  if (capture.error) return capture;
  const v = view(file);
  const { little, nano } = magic;
  const major = v.getUint16(4, little);
  if (major !== 2) {
    capture.error = new WireError('unsupported', 4, `pcap version ${major}`);
    return capture;
  }
  // The upper bits of the link type's word tell whether frames end in an FCS.
  const linkType = v.getUint32(20, little) & 0xffff;
  capture.interfaces.push({ linkType, snapLength: v.getUint32(16, little), name: '' });
  for (let at = FILE_HEADER; at < file.length; ) {
    capture.error = checkRoom(at, file.length, RECORD_HEADER, 'pcap record header');
    if (capture.error) break;
    const captured = v.getUint32(at + 8, little);
    const start = at + RECORD_HEADER;
    capture.error = checkRoom(start, file.length, captured, 'pcap record');
    if (capture.error) break;
    const fraction = BigInt(v.getUint32(at + 4, little));
    capture.packets.push({
      timestampNs: BigInt(v.getUint32(at, little)) * 1_000_000_000n + (nano ? fraction : fraction * 1000n),
      interfaceId: 0,
      linkType,
      data: file.subarray(start, start + captured),
      originalLength: v.getUint32(at + 12, little),
      comment: '',
    });
    at = start + captured;
  }
  return capture;
}

/** Produces a little-endian pcap file with nanosecond time stamps. Comments have no place in it and are dropped. */
export class PcapWriter implements CaptureWriter {
  readonly #sink: ByteSink;

  constructor(linkType: number = LINKTYPE_ETHERNET) {
    this.#sink = new ByteSink();
    const at = this.#sink.reserve(FILE_HEADER);
    const { buf } = this.#sink;
    buf.writeUInt32LE(MAGIC_NS, at);
    buf.writeUInt16LE(2, at + 4);
    buf.writeUInt16LE(4, at + 6);
    buf.fill(0, at + 8, at + 16);
    buf.writeUInt32LE(MAX_SNAP, at + 16);
    buf.writeUInt32LE(linkType, at + 20);
  }

  get pending(): number {
    return this.#sink.pending;
  }

  writePacket(seconds: number, nanoseconds: number, frame: Buffer, off: number, len: number): void {
    const at = this.#sink.reserve(RECORD_HEADER + len);
    const { buf } = this.#sink;
    buf.writeUInt32LE(seconds, at);
    buf.writeUInt32LE(nanoseconds, at + 4);
    buf.writeUInt32LE(len, at + 8);
    buf.writeUInt32LE(len, at + 12);
    frame.copy(buf, at + RECORD_HEADER, off, off + len);
  }

  take(): Buffer[] {
    return this.#sink.take();
  }
}
