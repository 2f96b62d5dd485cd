// Writes pcapng files, one section with one interface, little-endian, nanosecond time stamps.
import type { CaptureWriter } from './capture.ts';
import { LINKTYPE_ETHERNET } from './linktype.ts';
import {
  BLOCK_EPB,
  BLOCK_IDB,
  BLOCK_SHB,
  BYTE_ORDER_MAGIC,
  OPT_COMMENT,
  OPT_IF_NAME,
  OPT_IF_TSRESOL,
  OPT_SHB_HARDWARE,
  OPT_SHB_OS,
  OPT_SHB_USERAPPL,
} from './pcapng.ts';
import { ByteSink } from './sink.ts';

export interface PcapngOptions {
  linkType?: number;
  interfaceName?: string;
  hardware?: string;
  os?: string;
  application?: string;
  comment?: string;
}

/** An option's length field has 16 bits. */
const MAX_OPTION = 65535;

type Option = [code: number, value: Buffer];

/** Options that have a value, and then the end-of-options mark; nothing at all when none has. */
function encodeOptions(options: Option[]): Buffer {
  const parts: Buffer[] = [];
  for (const [code, whole] of options) {
    const value = whole.subarray(0, MAX_OPTION);
    if (value.length === 0) continue;
    const part = Buffer.alloc(4 + ((value.length + 3) & ~3));
    part.writeUInt16LE(code, 0);
    part.writeUInt16LE(value.length, 2);
    value.copy(part, 4);
    parts.push(part);
  }
  if (parts.length > 0) parts.push(Buffer.alloc(4));
  return Buffer.concat(parts);
}

const NO_OPTIONS = Buffer.alloc(0);

/** Streams a pcapng file; the first {@link take} holds its headers. */
export class PcapngWriter implements CaptureWriter {
  readonly #sink: ByteSink;

  constructor(options: PcapngOptions = {}) {
    this.#sink = new ByteSink();
    const section = Buffer.alloc(16);
    section.writeUInt32LE(BYTE_ORDER_MAGIC, 0);
    section.writeUInt16LE(1, 4);
    // Section length unknown: all ones.
    section.fill(0xff, 8);
    const about = encodeOptions([
      [OPT_COMMENT, Buffer.from(options.comment ?? '')],
      [OPT_SHB_HARDWARE, Buffer.from(options.hardware ?? '')],
      [OPT_SHB_OS, Buffer.from(options.os ?? '')],
      [OPT_SHB_USERAPPL, Buffer.from(options.application ?? '')],
    ]);
    this.#block(BLOCK_SHB, section, about);
    const description = Buffer.alloc(8);
    description.writeUInt16LE(options.linkType ?? LINKTYPE_ETHERNET, 0);
    const detail = encodeOptions([
      [OPT_IF_NAME, Buffer.from(options.interfaceName ?? '')],
      [OPT_IF_TSRESOL, Buffer.of(9)],
    ]);
    this.#block(BLOCK_IDB, description, detail);
  }

  get pending(): number {
    return this.#sink.pending;
  }

  #block(type: number, body: Buffer, options: Buffer): void {
    const length = 12 + body.length + options.length;
    const at = this.#sink.reserve(length);
    const { buf } = this.#sink;
    buf.writeUInt32LE(type, at);
    buf.writeUInt32LE(length, at + 4);
    body.copy(buf, at + 8);
    options.copy(buf, at + 8 + body.length);
    buf.writeUInt32LE(length, at + length - 4);
  }

  writePacket(seconds: number, nanoseconds: number, frame: Buffer, off: number, len: number, comment = ''): void {
    const options = comment === '' ? NO_OPTIONS : encodeOptions([[OPT_COMMENT, Buffer.from(comment)]]);
    const padded = (len + 3) & ~3;
    const length = 32 + padded + options.length;
    const at = this.#sink.reserve(length);
    const { buf } = this.#sink;
    // seconds * 1e9 needs 61 bits: multiplied in two halves, each exact in a double.
    const high = Math.floor(seconds / 65536) * 1e9;
    const low = (high % 65536) * 65536 + (seconds % 65536) * 1e9 + nanoseconds;
    buf.writeUInt32LE(BLOCK_EPB, at);
    buf.writeUInt32LE(length, at + 4);
    buf.writeUInt32LE(0, at + 8);
    buf.writeUInt32LE(Math.floor(high / 65536) + Math.floor(low / 4294967296), at + 12);
    buf.writeUInt32LE(low % 4294967296, at + 16);
    buf.writeUInt32LE(len, at + 20);
    buf.writeUInt32LE(len, at + 24);
    buf.fill(0, at + 28 + len, at + 28 + padded);
    frame.copy(buf, at + 28, off, off + len);
    options.copy(buf, at + 28 + padded);
    buf.writeUInt32LE(length, at + length - 4);
  }

  take(): Buffer[] {
    return this.#sink.take();
  }
}
