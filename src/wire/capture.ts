// Capture files of either format: what is in them, and what writes them.
import type { WireError } from './error.ts';

export interface CaptureInterface {
  linkType: number;
  /** 0: no limit. */
  snapLength: number;
  name: string;
}

export interface CapturedPacket {
  /** Since 1970. */
  timestampNs: bigint;
  /** Index into {@link Capture.interfaces}. */
  interfaceId: number;
  linkType: number;
  /** View of the file's bytes; shorter than `originalLength` when the capture cut it. */
  data: Uint8Array;
  originalLength: number;
  /** The packet's comments, joined by newlines (pcapng only). */
  comment: string;
}

export interface Capture {
  format: 'pcap' | 'pcapng';
  interfaces: CaptureInterface[];
  packets: CapturedPacket[];
  /** From pcapng's section headers. */
  hardware: string;
  os: string;
  application: string;
  comment: string;
  /** What ended reading early; the packets before it are good. A capture whose writer was killed often ends so. */
  error: WireError | null;
}

/** What both writers can do; the caller moves the buffers of `take` into a file. */
export interface CaptureWriter {
  /** Appends `len` bytes of `frame` from `off`, seen at `seconds` + `nanoseconds` since 1970. */
  writePacket(seconds: number, nanoseconds: number, frame: Buffer, off: number, len: number, comment?: string): void;
  /** What has been produced since the last call; the buffers are the caller's from now on. */
  take(): Buffer[];
  /** Bytes that {@link take} would give. */
  readonly pending: number;
}

export function emptyCapture(format: Capture['format']): Capture {
  return { format, interfaces: [], packets: [], hardware: '', os: '', application: '', comment: '', error: null };
}
