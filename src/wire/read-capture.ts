import { type Capture, emptyCapture } from './capture.ts';
import { WireError } from './error.ts';
import { isPcap, readPcap } from './pcap.ts';
import { isPcapng, readPcapng } from './pcapng.ts';

/** Reads a pcap or pcapng file. Never throws, and allocates no more than the file's size calls for. */
export function readCapture(file: Uint8Array): Capture {
  if (isPcapng(file)) return readPcapng(file);
  if (isPcap(file)) return readPcap(file);
  const capture = emptyCapture('pcap');
  capture.error = new WireError('unsupported', 0, 'neither a pcap nor a pcapng file');
  return capture;
}
