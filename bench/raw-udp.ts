// What UDP itself allows: two processes and two UdpLinks, no RDMA. The figures are the limit that the engine is measured
// against. `node bench/raw-udp.ts [--json] [--seconds 2] [--size 4096]`
import { type ChildProcess, fork } from 'node:child_process';
import { parseArgs } from 'node:util';
import type { Arrival } from '../src/link/link.ts';
import { UdpLink } from '../src/link/udp.ts';
import { DATAGRAM_OVERHEAD } from '../src/link/udp-window.ts';
import { addressBytes } from '../src/os/addresses.ts';
import { nativeCrc32 } from '../src/os/crc.ts';
import { crc32Update, setCrc32Native } from '../src/wire/crc32.ts';

const PORT = 14791;
const HERE = '127.0.0.1';
const THERE = '127.0.0.2';
const BUDGET = 256;

/** What is done to each byte besides sending it. */
type Work = 'none' | 'copy' | 'copy+crc';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '2' },
    size: { type: 'string', default: '4096' },
    role: { type: 'string', default: '' },
  },
});
const seconds = Number(values.seconds);
const size = Number(values.size);

const native = nativeCrc32();
if (native) setCrc32Native(native.update, native.minLength);

const [role, work] = values.role.split(':');
if (role === 'echo') echo();
else if (role === 'sink') sink(work as Work);
else await main();

async function main(): Promise<void> {
  const result = {
    cpus: (await import('node:os')).availableParallelism(),
    crc: native ? 'isal' : 'zlib',
    pingpong: await withPeer('echo', () => pingpong(64)),
    bandwidth: [] as object[],
  };
  for (const w of ['none', 'copy', 'copy+crc'] as Work[])
    result.bandwidth.push(await withPeer(`sink:${w}`, () => blast(w)));
  if (values.json) console.log(JSON.stringify(result, null, 2));
  else print(result);
}

function print(result: { crc: string; pingpong: object; bandwidth: object[] }): void {
  console.log('UDP ping-pong, 64 B, half round trip in µs:');
  console.table([result.pingpong]);
  console.log(`UDP one way, datagrams of ${size} B (CRC by ${result.crc}):`);
  console.table(result.bandwidth);
}

async function withPeer<T>(peer: string, run: () => T): Promise<T> {
  const child = fork(import.meta.filename, ['--role', peer, '--size', values.size], { stdio: 'inherit' });
  await new Promise((resolve) => child.once('message', resolve));
  try {
    return run();
  } finally {
    await stop(child);
  }
}

async function stop(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill();
  await gone;
}

function open(own: string, other: string) {
  const link = new UdpLink({ addresses: [own], port: PORT });
  const flow = link.flow({ local: 0, dst: addressBytes(other), dport: PORT });
  return { link, flow };
}

function pingpong(bytes: number) {
  const { link, flow } = open(HERE, THERE);
  let got = 0;
  const receive = () => {
    got++;
  };
  const samples: number[] = [];
  const end = performance.now() + seconds * 1000;
  for (let i = 1; ; i++) {
    const start = performance.now();
    link.reserve(flow, bytes);
    link.commit();
    link.flush();
    while (got < i) link.poll(receive, BUDGET);
    const stop = performance.now();
    if (i > 20_000) samples.push((stop - start) * 500);
    if (stop > end && i > 30_000) break;
  }
  link.close();
  samples.sort((a, b) => a - b);
  const at = (q: number) => Number(samples[Math.floor(samples.length * q)].toFixed(2));
  return { bytes, p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), samples: samples.length };
}

function blast(what: Work) {
  const { link, flow } = open(HERE, THERE);
  const data = Buffer.alloc(1 << 20, 0x5a);
  const cost = size + DATAGRAM_OVERHEAD;
  // A quarter of the window suffices, and stays in the processor's cache.
  const limit = Math.max(1, Math.floor(Math.min(link.window, 1 << 20) / cost));
  let acked = 0;
  const receive = (a: Arrival) => {
    acked = a.buf.readUInt32LE(a.off);
  };
  let sent = 0;
  let begin = 0;
  let turns = 0;
  let base = 0;
  let baseCalls = 0;
  const warm = performance.now() + 500;
  const end = warm + seconds * 1000;
  for (;;) {
    const room = Math.min(limit - (sent - acked), 15);
    for (let i = 0; i < room; i++) {
      const at = link.reserve(flow, size);
      if (at < 0) break;
      const from = ((sent & 63) * size) % (data.length - size);
      if (what !== 'none') data.copy(link.tx, at, from, from + size);
      if (what === 'copy+crc') link.tx.writeInt32LE(crc32Update(-1, link.tx, at, size - 4), at + size - 4);
      link.commit();
      sent++;
    }
    link.flush();
    link.poll(receive, BUDGET);
    if ((++turns & 15) !== 0) continue;
    const now = performance.now();
    // Nothing is lost within the window, so this is a bug or a receiver that died.
    if (now > end + 5000) throw new Error(`stuck: ${sent} sent, ${acked} received`);
    if (begin === 0 && now > warm) {
      begin = now;
      base = acked;
      baseCalls = link.stats.txSyscalls;
    }
    if (now < end || acked === base) continue;
    const count = acked - base;
    const ms = now - begin;
    const calls = link.stats.txSyscalls - baseCalls;
    link.close();
    return {
      work: what,
      GBps: Number(((count * size) / ms / 1e6).toFixed(2)),
      Mpps: Number((count / ms / 1e3).toFixed(3)),
      perCall: Number((count / calls).toFixed(1)),
    };
  }
}

function echo(): void {
  const { link, flow } = open(THERE, HERE);
  const receive = (a: Arrival) => {
    link.reserve(flow, a.len);
    link.commit();
  };
  process.send?.('ready');
  spin(() => {
    if (link.poll(receive, BUDGET) > 0) link.flush();
  });
}

function sink(what: Work): void {
  const { link, flow } = open(THERE, HERE);
  const data = Buffer.alloc(1 << 20);
  let got = 0;
  let bad = 0;
  const receive = (a: Arrival) => {
    got++;
    if (what === 'copy+crc') {
      if (crc32Update(-1, a.buf, a.off, a.len - 4) !== a.buf.readInt32LE(a.off + a.len - 4)) bad++;
    }
    if (what !== 'none') a.buf.copy(data, ((got & 63) * size) % (data.length - size), a.off, a.off + a.len);
  };
  process.send?.('ready');
  spin(() => {
    if (link.poll(receive, BUDGET) === 0) return;
    const at = link.reserve(flow, 64);
    link.tx.writeUInt32LE(got, at);
    link.commit();
    link.flush();
    if (bad > 0) throw new Error(`${bad} damaged`);
  });
}

/** Calls `step` for ever; lets the event loop breathe now and then so that the parent's signal comes through. */
function spin(step: () => void): void {
  for (let i = 0; i < 100_000; i++) step();
  setImmediate(spin, step);
}
