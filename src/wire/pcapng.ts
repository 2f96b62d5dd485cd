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

/** Where the reader is. The byte order and the interfaces are those of the current section. */
interface Reader {
  readonly capture: Capture;
  readonly file: Uint8Array;
  readonly view: DataView;
  little: boolean;
  interfaces: Interface[];
  /** Index of the section's first interface among all of the file's. */
  firstInterface: number;
}

const text = new TextDecoder();

export function isPcapng(file: Uint8Array): boolean {
  return file.length >= 4 && file[0] === 0x0a && file[1] === 0x0d && file[2] === 0x0d && file[3] === 0x0a;
}

/** Reads a whole pcapng file. Never throws: trouble is in `error`, behind the packets that were good. */
export function readPcapng(file: Uint8Array): Capture {
  const capture = emptyCapture('pcapng');
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const r: Reader = { capture, file, view, little: true, interfaces: [], firstInterface: 0 };
  if (!isPcapng(file)) capture.error = new WireError('unsupported', 0, 'not a pcapng file');
  for (let at = 0; at < file.length && capture.error === null; ) {
    const length = blockLength(r, at);
    if (length instanceof WireError) capture.error = length;
    else {
      capture.error = readBlock(r, at, at + length - 4);
      at += length;
    }
  }
  return capture;
}

/** The checked length of the block at `at`; a section header sets the byte order first. */
function blockLength(r: Reader, at: number): number | WireError {
  const { view } = r;
  const short = checkRoom(at, view.byteLength, 12, 'pcapng block');
  if (short) return short;
  if (view.getUint32(at, true) === BLOCK_SHB) {
    if (view.getUint32(at + 8, true) === BYTE_ORDER_MAGIC) r.little = true;
    else if (view.getUint32(at + 8, false) === BYTE_ORDER_MAGIC) r.little = false;
    else return new WireError('bad-value', at + 8, 'pcapng byte-order magic');
  }
  const length = view.getUint32(at + 4, r.little);
  if (length < 12 || length % 4 !== 0) return new WireError('bad-length', at + 4, `pcapng block length ${length}`);
  const cut = checkRoom(at, view.byteLength, length, 'pcapng block');
  if (cut) return cut;
  const trailer = view.getUint32(at + length - 4, r.little);
  if (trailer === length) return length;
  return new WireError('bad-length', at + length - 4, `pcapng block length ${length} is repeated as ${trailer}`);
}

/** Reads the block from `at` to `end`, where its second length stands. */
function readBlock(r: Reader, at: number, end: number): WireError | null {
  switch (r.view.getUint32(at, r.little)) {
    case BLOCK_SHB:
      return readSectionHeader(r, at, end);
    case BLOCK_IDB:
      return readInterface(r, at, end);
    case BLOCK_EPB:
      return readEnhancedPacket(r, at, end);
    case BLOCK_SPB:
      return readSimplePacket(r, at, end);
    default:
      return null;
  }
}

type OnOption = (code: number, off: number, length: number) => void;

/** Calls `each` for the options from `at` to `end`. */
function readOptions(r: Reader, at: number, end: number, each: OnOption): WireError | null {
  for (let o = at; o < end; ) {
    const short = checkRoom(o, end, 4, 'pcapng option');
    if (short) return short;
    const code = r.view.getUint16(o, r.little);
    const length = r.view.getUint16(o + 2, r.little);
    if (code === OPT_END) return null;
    const cut = checkRoom(o + 4, end, length, 'pcapng option');
    if (cut) return cut;
    each(code, o + 4, length);
    o += 4 + align4(length);
  }
  return null;
}

/** Bitwise arithmetic would fail from 2 GiB on. */
function align4(length: number): number {
  return Math.ceil(length / 4) * 4;
}

function valueText(r: Reader, off: number, length: number): string {
  return text.decode(r.file.subarray(off, off + length));
}

function join(a: string, b: string): string {
  return a === '' ? b : `${a}\n${b}`;
}

function readSectionHeader(r: Reader, at: number, end: number): WireError | null {
  const short = checkRoom(at, end, 24, 'section header block');
  if (short) return short;
  const major = r.view.getUint16(at + 12, r.little);
  if (major !== 1) return new WireError('unsupported', at + 12, `pcapng version ${major}`);
  r.firstInterface = r.capture.interfaces.length;
  r.interfaces = [];
  return readOptions(r, at + 24, end, (code, off, length) => {
    const value = valueText(r, off, length);
    if (code === OPT_COMMENT) r.capture.comment = join(r.capture.comment, value);
    else if (code === OPT_SHB_HARDWARE) r.capture.hardware = value;
    else if (code === OPT_SHB_OS) r.capture.os = value;
    else if (code === OPT_SHB_USERAPPL) r.capture.application = value;
  });
}

function readInterface(r: Reader, at: number, end: number): WireError | null {
  const short = checkRoom(at, end, 16, 'interface description block');
  if (short) return short;
  const entry: Interface = {
    linkType: r.view.getUint16(at + 8, r.little),
    snapLength: r.view.getUint32(at + 12, r.little),
    name: '',
    unitsPerSecond: 1_000_000n,
    offsetSeconds: 0n,
  };
  const error = readOptions(r, at + 16, end, (code, off, length) => {
    if (code === OPT_IF_NAME) entry.name = valueText(r, off, length);
    else if (code === OPT_IF_TSRESOL && length >= 1) entry.unitsPerSecond = resolution(r.file[off]);
    else if (code === OPT_IF_TSOFFSET && length >= 8) entry.offsetSeconds = r.view.getBigInt64(off, r.little);
  });
  r.interfaces.push(entry);
  r.capture.interfaces.push({ linkType: entry.linkType, snapLength: entry.snapLength, name: entry.name });
  return error;
}

/** if_tsresol: a negative power of ten, or of two when the top bit is set. */
function resolution(value: number): bigint {
  return (value & 0x80 ? 2n : 10n) ** BigInt(value & 0x7f);
}

function readEnhancedPacket(r: Reader, at: number, end: number): WireError | null {
  const { view, little } = r;
  const short = checkRoom(at, end, 28, 'enhanced packet block');
  if (short) return short;
  const id = view.getUint32(at + 8, little);
  const entry = r.interfaces[id];
  if (entry === undefined) return new WireError('bad-value', at + 8, `pcapng interface ${id} is not described`);
  const captured = view.getUint32(at + 20, little);
  const start = at + 28;
  const cut = checkRoom(start, end, captured, 'captured packet');
  if (cut) return cut;
  const units = (BigInt(view.getUint32(at + 12, little)) << 32n) | BigInt(view.getUint32(at + 16, little));
  let comment = '';
  const error = readOptions(r, start + align4(captured), end, (code, off, length) => {
    if (code === OPT_COMMENT) comment = join(comment, valueText(r, off, length));
  });
  r.capture.packets.push({
    timestampNs: entry.offsetSeconds * 1_000_000_000n + (units * 1_000_000_000n) / entry.unitsPerSecond,
    interfaceId: r.firstInterface + id,
    linkType: entry.linkType,
    data: r.file.subarray(start, start + captured),
    originalLength: view.getUint32(at + 24, little),
    comment,
  });
  return error;
}

function readSimplePacket(r: Reader, at: number, end: number): WireError | null {
  const short = checkRoom(at, end, 12, 'simple packet block');
  if (short) return short;
  const entry = r.interfaces[0];
  if (entry === undefined) return new WireError('bad-value', at, 'pcapng interface 0 is not described');
  const originalLength = r.view.getUint32(at + 8, r.little);
  const limit = entry.snapLength === 0 ? originalLength : Math.min(entry.snapLength, originalLength);
  const start = at + 12;
  const cut = checkRoom(start, end, limit, 'captured packet');
  if (cut) return cut;
  r.capture.packets.push({
    timestampNs: 0n,
    interfaceId: r.firstInterface,
    linkType: entry.linkType,
    data: r.file.subarray(start, start + limit),
    originalLength,
    comment: '',
  });
  return null;
}
