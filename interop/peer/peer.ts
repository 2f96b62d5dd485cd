// A scripted peer as the harness holds it: see commands.md.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { OpenOptions } from '../../src/api/index.ts';
import { nameOf, WcOpcode, WcStatus } from '../../src/core/constants.ts';
import type { Guest } from '../guest.ts';

export interface Wc {
  readonly wr: number;
  readonly status: string;
  readonly qpn: number;
  readonly opcode?: string;
  readonly len?: number;
  readonly imm?: number;
  /** The rkey that was invalidated. */
  readonly inv?: number;
  readonly srcQp?: number;
}

export type Args = Readonly<Record<string, string | number | bigint | undefined>>;

export class PeerError extends Error {}

export class Peer {
  /** For messages: `linux`, `ours`. */
  readonly name: string;
  /** Takes down everything that is said; several peers may share it. */
  log: string[] = [];
  private readonly input: Writable;
  private readonly lines: AsyncIterator<string>;
  private readonly end: () => void;
  private errors = '';

  constructor(name: string, input: Writable, output: Readable, errors: Readable | null, end: () => void) {
    this.name = name;
    this.input = input;
    this.lines = createInterface({ input: output })[Symbol.asyncIterator]();
    this.end = end;
    errors?.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
    // A peer that dies is noticed by the answer that does not come.
    input.on('error', () => {});
  }

  /** A program of the TypeScript API in this network namespace. */
  static async ours(options: OpenOptions): Promise<Peer> {
    const session = new URL('session.ts', import.meta.url).pathname;
    return Peer.process('ours', process.execPath, [session, JSON.stringify(options)]);
  }

  static async process(name: string, command: string, args: readonly string[]): Promise<Peer> {
    const child = spawn(command, args, { stdio: 'pipe' });
    const peer = new Peer(name, child.stdin, child.stdout, child.stderr, () => {
      child.stdin.end();
      const late = setTimeout(() => child.kill('SIGKILL'), 2000);
      child.once('exit', () => clearTimeout(late));
    });
    await peer.answer();
    return peer;
  }

  /** The C program in a guest. */
  static async linux(guest: Guest, name = 'linux'): Promise<Peer> {
    const socket = await guest.spawn('exec peer rxe0');
    const peer = new Peer(name, socket, socket, null, () => socket.destroy());
    await peer.answer();
    return peer;
  }

  async do<T = unknown>(command: string, args: Args = {}): Promise<T> {
    const words = Object.entries(args).filter(([, value]) => value !== undefined);
    const line = [command, ...words.map(([key, value]) => `${key}=${value}`)].join(' ');
    this.log.push(`${this.name} < ${line}`);
    this.input.write(`${line}\n`);
    return this.answer<T>();
  }

  private async answer<T>(): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new PeerError(`${this.name} does not answer`)), 60_000);
    });
    try {
      const { value, done } = await Promise.race([this.lines.next(), late]);
      if (done) throw new PeerError(`${this.name} has ended: ${this.errors}`);
      this.log.push(`${this.name} > ${value}`);
      const answer = JSON.parse(value);
      if (answer.error !== undefined) throw new PeerError(`${this.name}: ${answer.error}: ${answer.text}`);
      return answer as T;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Up to `n` completions, in the order they came; fewer when `ms` have passed. */
  async poll(n: number, ms = 8000, idle?: number): Promise<Wc[]> {
    const { wc } = await this.do<{ wc: (Omit<Wc, 'status' | 'opcode'> & { status: number; opcode?: number })[] }>(
      'poll',
      { n, ms, idle },
    );
    return wc.map((c) => ({
      ...c,
      status: nameOf(WcStatus, c.status),
      opcode: c.opcode === undefined ? undefined : nameOf(WcOpcode, c.opcode),
    }));
  }

  /** Exactly `n` completions, all successful. */
  async done(n = 1, ms?: number): Promise<Wc[]> {
    const wcs = await this.poll(n, ms);
    const bad = wcs.find(({ status }) => status !== 'SUCCESS');
    if (bad !== undefined) throw new PeerError(`${this.name}: work request ${bad.wr} ended with ${bad.status}`);
    if (wcs.length !== n) throw new PeerError(`${this.name}: ${wcs.length} of ${n} completions came`);
    return wcs;
  }

  fill(mr: string, off: number, len: number, seed: number): Promise<unknown> {
    return this.do('fill', { mr, off, len, seed });
  }

  /** The bytes are those of `seed`. */
  async check(mr: string, off: number, len: number, seed: number): Promise<void> {
    const { bad } = await this.do<{ bad: number }>('check', { mr, off, len, seed });
    if (bad !== -1) throw new PeerError(`${this.name}: byte ${bad} of ${len} at ${mr}+${off} is not as it was sent`);
  }

  /** The bytes have not been touched since they were filled with 0xee. */
  async untouched(mr: string, off: number, len: number): Promise<void> {
    if (len <= 0) return;
    const { bad } = await this.do<{ bad: number }>('check', { mr, off, len, byte: 0xee });
    if (bad !== -1)
      throw new PeerError(`${this.name}: byte ${bad} of ${len} at ${mr}+${off} was written, and should not be`);
  }

  async word(mr: string, off: number, set?: bigint): Promise<bigint> {
    return BigInt((await this.do<{ value: string }>('word', { mr, off, set })).value);
  }

  close(): void {
    this.end();
  }
}
