// pcapng files (draft-ietf-opsawg-pcapng): section header, interface description, enhanced and simple packet blocks are read;
// other blocks are skipped.
import { type Capture, type CaptureInterface, emptyCapture } from './capture.ts';
import { checkRoom, WireError } from './error.ts';

export const BLOCK_SHB = 0x0a0d0d0a;
export const BLOCK_IDB = 1;
export const BLOCK_SPB = 3;
export const BLOCK_EPB = 6;
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

export const OPT_END = 0;
export const OPT_COMMENT = 1;
export const OPT_SHB_HARDWARE = 2;
export const OPT_SHB_OS = 3;
export const OPT_SHB_USERAPPL = 4;
export const OPT_IF_NAME = 2;
export const OPT_IF_TSRESOL = 9;
export const OPT_IF_TSOFFSET = 14;

interface Interface extends CaptureInterface {
  /** Time stamp units in a second, and seconds to add. */
  unitsPerSecond: bigint;
  offsetSeconds: bigint;
}

/** Where the reader is: the byte order and the interfaces are those of the current section. */
interface Section {
  little: boolean;
  firstInterface: number;
  interfaces: Interface[];
}

const text = new TextDecoder();

export function isPcapng(file: Uint8Array): boolean {
  return file.length >= 4 && file[0] === 0x0a && file[1] === 0x0d && file[2] === 0x0d && file[3] === 0x0a;
}

/** Reads a whole pcapng file. Never throws: trouble is in `error`, behind the packets that were good. */
export function readPcapng(file: Uint8Array): Capture {
  const capture = emptyCapture('pcapng');
  const v = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const section: Section = { little: true, firstInterface: 0, interfaces: [] };
  if (!isPcapng(file)) capture.error = new WireError('unsupported', 0, 'not a pcapng file');
  for (let at = 0; at < file.length && capture.error === null; ) {
    const length = blockLength(v, at, section);
    if (length instanceof WireError) capture.error = length;
    else {
      capture.error = readBlock(capture, section, file, v, at, at + length - 4);
      at += length;
    }
  }
  return capture;
}

/** The checked length of the block at `at`; a section header sets the byte order first. */
function blockLength(v: DataView, at: number, section: Section): number | WireError {
  const short = checkRoom(at, v.byteLength, 12, 'pcapng block');
  if (short) return short;
  if (v.getUint32(at, true) === BLOCK_SHB) {
    if (v.getUint32(at + 8, true) === BYTE_ORDER_MAGIC) section.little = true;
    else if (v.getUint32(at + 8, false) === BYTE_ORDER_MAGIC) section.little = false;
    else return new WireError('bad-value', at + 8, 'pcapng byte-order magic');
  }
  const length = v.getUint32(at + 4, section.little);
  if (length < 12 || length % 4 !== 0) return new WireError('bad-length', at + 4, `pcapng block length ${length}`);
  const cut = checkRoom(at, v.byteLength, length, 'pcapng block');
  if (cut) return cut;
  const trailer = v.getUint32(at + length - 4, section.little);
  if (trailer === length) return length;
  return new WireError('bad-length', at + length - 4, `pcapng block length ${length} is repeated as ${trailer}`);
}

function readBlock(
  capture: Capture,
  section: Section,
  file: Uint8Array,
  v: DataView,
  at: number,
  end: number,
): WireError | null {
  switch (v.getUint32(at, section.little)) {
    case BLOCK_SHB:
      return readSectionHeader(capture, section, file, v, at, end);
    case BLOCK_IDB:
      return readInterface(capture, section, file, v, at, end);
    case BLOCK_EPB:
      return readEnhancedPacket(capture, section, file, v, at, end);
    case BLOCK_SPB:
      return readSimplePacket(capture, section, file, v, at, end);
    default:
      return null;
  }
}

type OnOption = (code: number, off: number, length: number) => void;

/** Calls `each` for the options from `at` to `end`. */
function readOptions(v: DataView, at: number, end: number, little: boolean, each: OnOption): WireError | null {
  for (let o = at; o < end; ) {
    const short = checkRoom(o, end, 4, 'pcapng option');
    if (short) return short;
    const code = v.getUint16(o, little);
    const length = v.getUint16(o + 2, little);
    if (code === OPT_END) return null;
    const cut = checkRoom(o + 4, end, length, 'pcapng option');
    if (cut) return cut;
    each(code, o + 4, length);
    o += 4 + ((length + 3) & ~3);
  }
  return null;
}

function join(a: string, b: string): string {
  return a === '' ? b : `${a}\n${b}`;
}

function readSectionHeader(
  capture: Capture,
  section: Section,
  file: Uint8Array,
  v: DataView,
  at: number,
  end: number,
): WireError | null {
  const short = checkRoom(at, end, 24, 'section header block');
  if (short) return short;
  const major = v.getUint16(at + 12, section.little);
  if (major !== 1) return new WireError('unsupported', at + 12, `pcapng version ${major}`);
  section.firstInterface = capture.interfaces.length;
  section.interfaces = [];
  return readOptions(v, at + 24, end, section.little, (code, off, length) => {
    const value = text.decode(file.subarray(off, off + length));
    if (code === OPT_COMMENT) capture.comment = join(capture.comment, value);
    else if (code === OPT_SHB_HARDWARE) capture.hardware = value;
    else if (code === OPT_SHB_OS) capture.os = value;
    else if (code === OPT_SHB_USERAPPL) capture.application = value;
  });
}

function readInterface(
  capture: Capture,
  section: Section,
  file: Uint8Array,
  v: DataView,
  at: number,
  end: number,
): WireError | null {
  const short = checkRoom(at, end, 16, 'interface description block');
  if (short) return short;
  const entry: Interface = {
    linkType: v.getUint16(at + 8, section.little),
    snapLength: v.getUint32(at + 12, section.little),
    name: '',
    unitsPerSecond: 1_000_000n,
    offsetSeconds: 0n,
  };
  const error = readOptions(v, at + 16, end, section.little, (code, off, length) => {
    if (code === OPT_IF_NAME) entry.name = text.decode(file.subarray(off, off + length));
    else if (code === OPT_IF_TSRESOL && length >= 1) entry.unitsPerSecond = resolution(file[off]);
    else if (code === OPT_IF_TSOFFSET && length >= 8) entry.offsetSeconds = v.getBigInt64(off, section.little);
  });
  section.interfaces.push(entry);
  capture.interfaces.push({ linkType: entry.linkType, snapLength: entry.snapLength, name: entry.name });
  return error;
}

/** if_tsresol: a negative power of ten, or of two when the top bit is set. */
function resolution(value: number): bigint {
  return (value & 0x80 ? 2n : 10n) ** BigInt(value & 0x7f);
}

function readEnhancedPacket(
  capture: Capture,
  section: Section,
  file: Uint8Array,
  v: DataView,
  at: number,
  end: number,
): WireError | null {
  const { little } = section;
  const short = checkRoom(at, end, 28, 'enhanced packet block');
  if (short) return short;
  const id = v.getUint32(at + 8, little);
  const entry = section.interfaces[id];
  if (entry === undefined) return new WireError('bad-value', at + 8, `pcapng interface ${id} is not described`);
  const captured = v.getUint32(at + 20, little);
  const start = at + 28;
  const cut = checkRoom(start, end, captured, 'captured packet');
  if (cut) return cut;
  const units = (BigInt(v.getUint32(at + 12, little)) << 32n) | BigInt(v.getUint32(at + 16, little));
  let comment = '';
  const error = readOptions(v, start + ((captured + 3) & ~3), end, little, (code, off, length) => {
    if (code === OPT_COMMENT) comment = join(comment, text.decode(file.subarray(off, off + length)));
  });
  capture.packets.push({
    timestampNs: entry.offsetSeconds * 1_000_000_000n + (units * 1_000_000_000n) / entry.unitsPerSecond,
    interfaceId: section.firstInterface + id,
    linkType: entry.linkType,
    data: file.subarray(start, start + captured),
    originalLength: v.getUint32(at + 24, little),
    comment,
  });
  return error;
}

function readSimplePacket(
  capture: Capture,
  section: Section,
  file: Uint8Array,
  v: DataView,
  at: number,
  end: number,
): WireError | null {
  const short = checkRoom(at, end, 12, 'simple packet block');
  if (short) return short;
  const entry = section.interfaces[0];
  if (entry === undefined) return new WireError('bad-value', at, 'pcapng interface 0 is not described');
  const originalLength = v.getUint32(at + 8, section.little);
  const limit = entry.snapLength === 0 ? originalLength : Math.min(entry.snapLength, originalLength);
  const start = at + 12;
  const cut = checkRoom(start, end, limit, 'captured packet');
  if (cut) return cut;
  capture.packets.push({
    timestampNs: 0n,
    interfaceId: section.firstInterface,
    linkType: entry.linkType,
    data: file.subarray(start, start + limit),
    originalLength,
    comment: '',
  });
  return null;
}
