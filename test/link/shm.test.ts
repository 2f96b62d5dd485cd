// Devices of one host that send to each other through memory.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonic } from '../../src/link/clock.ts';
import type { Flow, Link, Receive } from '../../src/link/link.ts';
import { withShm } from '../../src/link/shm.ts';
import { Post, Say } from '../../src/link/shm-post.ts';
import { RING_BYTES, RingReader, RingWriter } from '../../src/link/shm-ring.ts';
import { UdpLink } from '../../src/link/udp.ts';
import { addressBytes } from '../../src/os/addresses.ts';
import { Epoll } from '../../src/os/epoll.ts';
import { addressee, Letterbox } from '../../src/os/letterbox.ts';
import { mapSealed, SharedFile } from '../../src/os/memfd.ts';
import { uniqueAddresses } from '../helpers/address.ts';
import { flowTo, linkConformance, pattern, put } from './conformance.ts';

const PORT = 24_793;

function open(address: string, port = PORT, clock = monotonic): Link & { udp: UdpLink } {
  const udp = new UdpLink({ addresses: [address], port });
  return Object.assign(withShm(udp, clock), { udp });
}

/** Does the next datagram go through memory? */
function throughMemory(flow: Flow, udp: UdpLink): boolean {
  assert.ok(flow.link.reserve(flow, 16) >= 0);
  const ring = flow.link.tx !== udp.tx;
  flow.link.abort();
  return ring;
}

function drain(link: Link): Buffer[] {
  const got: Buffer[] = [];
  const look = (): number => link.poll((a) => got.push(Buffer.from(a.buf.subarray(a.off, a.off + a.len))), 64);
  for (let empty = 0; empty < 100; empty++) if (look() > 0) empty = 0;
  return got;
}

/** Until both send to the other through memory. */
function acquaint(a: Link & { udp: UdpLink }, b: Link & { udp: UdpLink }): void {
  const [there, back] = [flowTo(a, b), flowTo(b, a)];
  for (let i = 0; i < 1000; i++) {
    const done = [throughMemory(there, a.udp), throughMemory(back, b.udp)];
    drain(a);
    drain(b);
    if (done.every(Boolean)) return;
  }
  assert.fail('they did not get acquainted');
}

function pair(port = PORT): { a: ReturnType<typeof open>; b: ReturnType<typeof open> } {
  const [from, to] = uniqueAddresses(2);
  const [a, b] = [open(from, port), open(to, port)];
  acquaint(a, b);
  return { a, b };
}

linkConformance('memory of one host', () => {
  const { a, b } = pair();
  return { a, b, group: addressBytes('239.255.41.8') };
});

test('what is sent before and after the other is known arrives in order, and then without system calls', () => {
  const [from, to] = uniqueAddresses(2);
  using links = closing(open(from), open(to));
  const [a, b] = links.all;
  const flow = flowTo(a, b);
  const sent: Buffer[] = [];
  const got: Buffer[] = [];
  let memory = 0;
  for (let i = 0; i < 3000; i++) {
    const data = pattern(100 + (i % 50), i);
    if (throughMemory(flow, a.udp)) memory++;
    put(flow, data);
    sent.push(data);
    if (i % 7 === 0) a.flush();
    if (i % 50 === 49) got.push(...drain(b));
    drain(a);
  }
  a.flush();
  got.push(...drain(b));
  assert.deepEqual(got, sent);
  assert.ok(memory > 2000, `${memory} of 3000 through memory`);
  const calls = a.stats.txSyscalls;
  for (let i = 0; i < 100; i++) {
    put(flow, pattern(64, i));
    a.flush();
  }
  assert.equal(a.stats.txSyscalls, calls);
  assert.equal(drain(b).length, 100);
});

for (const jumbo of [false, true]) {
  test(`a long datagram is handed over ${jumbo ? 'in two parts by a link of jumbos' : 'whole'}`, () => {
    const [from, to] = uniqueAddresses(2);
    const [a, b] = [from, to].map((address) => {
      const udp = new UdpLink({ addresses: [address], port: PORT });
      return Object.assign(withShm(udp, monotonic, { jumbo }), { udp });
    });
    acquaint(a, b);
    for (const length of [4352, 4353, 20_000]) {
      const sent = pattern(length, length);
      put(flowTo(a, b), sent);
      a.flush();
      let got = Buffer.alloc(0);
      const look: Receive = ({ buf, off, len, body, bodyOff }) => {
        assert.equal(body !== null, jumbo && length > 4352);
        if (body === null) got = Buffer.from(buf.subarray(off, off + len));
        else got = Buffer.concat([buf.subarray(off, off + 128), body.subarray(bodyOff + 128, bodyOff + len)]);
      };
      for (let i = 0; i < 1000 && got.length === 0; i++) b.poll(look, 8);
      assert.ok(got.equals(sent), `${length} bytes`);
    }
    a.close();
    b.close();
  });
}

test('several rings with more in them than is taken at once: all of it arrives, and none is kept waiting by the others', () => {
  const [to, ...from] = uniqueAddresses(4);
  using links = closing(open(to), ...from.map((address) => open(address)));
  const [b, ...senders] = links.all;
  for (const a of senders) acquaint(a, b);
  const flows = senders.map((a) => flowTo(a, b));
  for (let i = 0; i < 300; i++) for (const flow of flows) assert.ok(put(flow, pattern(64 + (i % 9), i)));
  for (const a of senders) a.flush();
  const got = new Map<string, number>();
  const firsts: number[] = [];
  let total = 0;
  for (let empty = 0; empty < 100; empty++) {
    const n = b.poll((a) => {
      const src = a.src.join('.');
      const i = got.get(src) ?? 0;
      if (i === 0) firsts.push(total);
      assert.ok(Buffer.from(a.buf.subarray(a.off, a.off + a.len)).equals(pattern(64 + (i % 9), i)));
      got.set(src, i + 1);
      total++;
    }, 50);
    if (n > 0) empty = 0;
  }
  assert.deepEqual([...got.values()], [300, 300, 300]);
  assert.ok(Math.max(...firsts) <= 200, `the first of each came after ${firsts}`);
});

test('who sleeps is woken by what comes, and does not sleep when something is there', () => {
  const { a, b } = pair();
  using _ = closing(a, b);
  const flow = flowTo(a, b);
  const epoll = new Epoll();
  for (const fd of b.fds) epoll.add(fd, 1);
  for (let round = 0; round < 3; round++) {
    assert.equal(b.arm!(), true);
    assert.equal(epoll.wait(0), 0);
    put(flow, pattern(20, round));
    a.flush();
    assert.ok(epoll.wait(1000) > 0, 'nobody woke it');
    assert.deepEqual(drain(b), [pattern(20, round)]);
    assert.equal(epoll.wait(0), 0, 'it would not sleep again');
  }
  put(flow, pattern(20, 9));
  a.flush();
  assert.equal(b.arm!(), false);
  assert.equal(drain(b).length, 1);
  epoll.close();
});

test('one that closes has said its last; who sends to it sends to its successor', () => {
  const { a, b } = pair();
  const text = b.addresses[0].text;
  const flow = flowTo(a, b);
  put(flowTo(b, a), pattern(30, 1));
  b.flush();
  b.close();
  assert.deepEqual(drain(a), [pattern(30, 1)]);
  using links = closing(a, open(text));
  const [, next] = links.all;
  assert.equal(throughMemory(flow, a.udp), false);
  put(flow, pattern(30, 2));
  a.flush();
  assert.deepEqual(drain(next), [pattern(30, 2)]);
  acquaint(a, next);
});

const PROGRAM = (address: string, port: number) => `
  const { UdpLink } = await import('${new URL('../../src/link/udp.ts', import.meta.url)}');
  const { withShm } = await import('${new URL('../../src/link/shm.ts', import.meta.url)}');
  const { monotonic } = await import('${new URL('../../src/link/clock.ts', import.meta.url)}');
  const link = withShm(new UdpLink({ addresses: ['${address}'], port: ${port} }), monotonic);
  process.stdout.write('open');
  for (;;) link.poll(() => {}, 64);`;

test('one that is killed while it polls is missed within milliseconds, and found again when it is back', async () => {
  const [own, other] = uniqueAddresses(2);
  const a = open(own);
  using _ = closing(a);
  const flow = a.flow({ local: 0, dst: addressBytes(other), dport: PORT });
  const start = async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM(other, PORT)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    return child;
  };
  const until = async (wanted: boolean): Promise<void> => {
    for (const end = Date.now() + 5000; ; await sleep(2)) {
      if (throughMemory(flow, a.udp) === wanted) return;
      assert.ok(Date.now() < end, wanted ? 'it was not found' : 'it was not missed');
      put(flow, pattern(100, 1));
      a.flush();
      drain(a);
    }
  };
  for (let life = 0; life < 2; life++) {
    const child = await start();
    await until(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const killed = Date.now();
    await until(false);
    assert.ok(Date.now() - killed < 1000);
  }
});

test('one that does not read, but is there, stops nobody for long: what does not fit is lost', async () => {
  const { a, b } = pair();
  using _ = closing(a, b);
  const flow = flowTo(a, b);
  const end = Date.now() + 5000;
  let full = 0;
  while (a.stats.txErrors === 0 && Date.now() < end) {
    if (!put(flow, pattern(4000, 1))) full++;
    a.flush();
  }
  assert.ok(full > 0, 'it was never told to wait');
  assert.ok(a.stats.txErrors > 0, 'it waits for ever');
  assert.ok(drain(b).length > 200, 'what did fit is there');
  put(flow, pattern(50, 2));
  a.flush();
  drain(b);
  assert.ok(put(flow, pattern(50, 3)));
  a.flush();
  assert.deepEqual(drain(b).at(-1), pattern(50, 3));
});

test('addresses of other hosts, multicast and other ports are left to the sockets', () => {
  const [own] = uniqueAddresses(1);
  using links = closing(open(own));
  const [a] = links.all;
  for (const [dst, dport] of [
    ['192.0.2.1', PORT],
    ['239.1.2.3', PORT],
    [own, PORT],
    ['127.0.0.1', 4791],
  ] as const) {
    assert.equal(a.flow({ local: 0, dst: addressBytes(dst), dport }).link, a.udp, `${dst}:${dport}`);
  }
  assert.notEqual(a.flow({ local: 0, dst: addressBytes('127.0.0.1'), dport: PORT }).link, a.udp);
});

test('a device of another user is not sent to through memory, nor listened to', {
  skip: process.geteuid!() !== 0 && 'needs root, to be two users',
}, async () => {
  const [own, other] = uniqueAddresses(2);
  const a = open(own);
  using _ = closing(a);
  const child = spawn(
    process.execPath,
    ['--input-type=module', '-e', `process.setuid(65534);${PROGRAM(other, PORT)}`],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(child.stdout, 'data');
  const flow = a.flow({ local: 0, dst: addressBytes(other), dport: PORT });
  for (let i = 0; i < 50; i++) {
    assert.equal(throughMemory(flow, a.udp), false);
    put(flow, pattern(50, i));
    a.flush();
    drain(a);
    await sleep(2);
  }
  child.kill('SIGKILL');
  await once(child, 'exit');
});

test('letters that make no sense, and files that could be cut off, do no harm', () => {
  const [own, other] = uniqueAddresses(2);
  const a = open(own);
  using _ = closing(a);
  const box = new Letterbox(`infinitive/1/${other}:${PORT}`);
  const to = addressee(`infinitive/1/${own}:${PORT}`);
  const file = new SharedFile('test', RING_BYTES);
  const small = new SharedFile('test', 4096);
  const nameless = new Letterbox('no device');
  // Another spelling of a name that might be another's.
  const alias = new Letterbox(`infinitive/1/${other}:0${PORT}`);
  for (let say = 0; say < 256; say++) {
    for (const data of [Buffer.from([say]), Buffer.from([say, 1, 2, 3, 4, say & 1]), Buffer.alloc(64, say)]) {
      for (const fd of [-1, small.fd, 1]) {
        for (const from of [box, nameless, alias]) while (from.send(to, data, fd) !== 0) drain(a);
      }
    }
  }
  drain(a);
  // A ring all the same, in proper memory: it is read.
  while (box.send(to, Buffer.from([Say.OPEN, 1, 2, 3, 4, 0]), file.fd) !== 0) drain(a);
  const writer = new RingWriter(file.map(0, RING_BYTES));
  drain(a);
  pattern(40, 1).copy(writer.buf, writer.reserve(40, 0));
  writer.commit();
  writer.publish();
  assert.deepEqual(drain(a), [pattern(40, 1)]);
  // One in its place that cannot be used is not taken, and the first is read on.
  while (box.send(to, Buffer.from([Say.OPEN, 1, 2, 3, 4, 0]), small.fd) !== 0) drain(a);
  a.arm!();
  drain(a);
  pattern(40, 2).copy(writer.buf, writer.reserve(40, 0));
  writer.commit();
  writer.publish();
  assert.deepEqual(drain(a), [pattern(40, 2)]);
  while (alias.send(to, Buffer.from([Say.OPEN, 1, 2, 3, 4, 0]), file.fd) !== 0) drain(a);
  drain(a);
  // And then it is broken: read no more.
  new Int32Array(writer.buf.buffer)[0] = 0x7fffffff;
  assert.deepEqual(drain(a), []);
  for (const closed of [box, nameless, alias, file, small]) closed.close();
});

test('only files of the right size that nobody can make shorter are mapped', () => {
  const box = new Letterbox('infinitive test of mapSealed');
  const self = addressee('infinitive test of mapSealed');
  const sent = (fd: number): number => {
    assert.equal(box.send(self, Buffer.from('x'), fd), 0);
    return box.receive()!.fd;
  };
  const file = new SharedFile('test', RING_BYTES);
  assert.equal(mapSealed(sent(file.fd), RING_BYTES)?.length, RING_BYTES);
  assert.equal(mapSealed(sent(file.fd), RING_BYTES * 2), null);
  assert.equal(mapSealed(sent(box.fd), RING_BYTES), null);
  assert.equal(mapSealed(-1, RING_BYTES), null);
  assert.equal(box.send(self, Buffer.from('hello')), 0);
  const { uid, from, data } = box.receive()!;
  assert.deepEqual([uid, from, data.toString()], [process.geteuid!(), self.name, 'hello']);
  assert.throws(() => new Letterbox('infinitive test of mapSealed'), { code: 'EADDRINUSE' });
  file.close();
  box.close();
});

test('each address of a device has a letterbox of its own, which is free again when it is closed', () => {
  const [one] = uniqueAddresses(1);
  const own = { family: 4, bytes: addressBytes(one), text: one, scope: 0 } as const;
  for (let i = 0; i < 2; i++) {
    const post = new Post(own, PORT, false);
    assert.throws(() => new Post(own, PORT, false), { code: 'EADDRINUSE' });
    new Post(own, PORT + 1, false).close();
    post.close();
  }
  assert.equal(new RingReader(Buffer.alloc(RING_BYTES)).empty, true);
});

function closing<L extends (Link & { udp: UdpLink })[]>(...links: L): Disposable & { all: L } {
  return { all: links, [Symbol.dispose]: () => links.forEach((link) => void link.close()) };
}
