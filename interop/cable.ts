// What goes over the first guest's cable: a tcpdump that runs all the time, and of which each cell takes its own part.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { WireError } from '../src/wire/error.ts';
import { decodeFrame, type RoceFrame } from '../src/wire/frame.ts';
import { PcapngWriter } from '../src/wire/pcapng-writer.ts';
import { readCapture } from '../src/wire/read-capture.ts';

const HEADER = 24;
/** Of each cell no more than this is kept. */
const LIMIT = 64 << 20;
/** What has passed is here after this many milliseconds. */
const SETTLE_MS = 30;

export class Cable {
  private readonly process: ChildProcess;
  private header = Buffer.alloc(0);
  private parts: Buffer[] = [];
  private bytes = 0;

  private constructor(process: ChildProcess) {
    this.process = process;
    process.stdout!.on('data', (chunk: Buffer) => this.take(chunk));
  }

  static async open(device: string): Promise<Cable> {
    const options = ['-B', '65536', '--immediate-mode', '-U', '-Z', 'root', '-i', device, '-w', '-', 'udp port 4791'];
    const tcpdump = spawn('tcpdump', options, { stdio: ['ignore', 'pipe', 'pipe'] });
    const cable = new Cable(tcpdump);
    let said = '';
    tcpdump.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const end = performance.now() + 10_000;
    while (!said.includes('listening') || cable.header.length < HEADER) {
      if (tcpdump.exitCode !== null || performance.now() > end) throw new Error(`tcpdump: ${said}`);
      await sleep(5);
    }
    return cable;
  }

  private take(chunk: Buffer): void {
    let rest = chunk;
    if (this.header.length < HEADER) {
      const missing = HEADER - this.header.length;
      this.header = Buffer.concat([this.header, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
    }
    if (rest.length === 0) return;
    this.bytes += rest.length;
    if (this.bytes <= LIMIT) this.parts.push(rest);
  }

  /** Forgets what has passed. A packet that is just passing may be cut in two by that: nothing should be under way. */
  async clear(): Promise<void> {
    await sleep(SETTLE_MS);
    this.parts = [];
    this.bytes = 0;
  }

  /** What has passed since it was cleared, as a pcap file. */
  async pcap(): Promise<Buffer> {
    await sleep(SETTLE_MS);
    return Buffer.concat([this.header, ...this.parts]);
  }

  async close(): Promise<void> {
    const ended = once(this.process, 'exit');
    this.process.kill('SIGINT');
    await ended;
  }
}

export function frames(pcap: Buffer): RoceFrame[] {
  return readCapture(pcap)
    .packets.map(({ data }) => decodeFrame(data))
    .filter((frame): frame is RoceFrame => !(frame instanceof WireError));
}

export function toPcapng(pcap: Buffer, comment: string): Buffer {
  const writer = new PcapngWriter({ application: 'infinitive interop', interfaceName: 'data-1', comment });
  for (const { timestampNs, data } of readCapture(pcap).packets) {
    const seconds = Number(timestampNs / 1_000_000_000n);
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.length);
    writer.writePacket(seconds, Number(timestampNs % 1_000_000_000n), bytes, 0, bytes.length);
  }
  return Buffer.concat(writer.take());
}
