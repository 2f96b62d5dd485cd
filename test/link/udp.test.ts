import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Arrival, Flow, LinkStats } from '../../src/link/link.ts';
import { UdpLink, type UdpLinkOptions } from '../../src/link/udp.ts';
import { addressBytes } from '../../src/os/addresses.ts';
import { Epoll } from '../../src/os/epoll.ts';
import type { SysError } from '../../src/os/errors.ts';
import { linkConformance } from './conformance.ts';

const PORT = 24791;
const A = '127.0.41.1';
const B = '127.0.41.2';

const conforming = (options: Partial<UdpLinkOptions>) => () => {
  const a = new UdpLink({ addresses: ['127.0.41.6'], port: 0, ...options });
  const b = new UdpLink({ addresses: ['127.0.41.7'], port: a.port, ...options });
  return { a, b, group: addressBytes('239.255.41.7') };
};
linkConformance('UDP sockets', conforming({}));
linkConformance('UDP sockets without GSO and GRO', conforming({ gso: false, gro: false }));
linkConformance('UDP sockets, IPv6', () => {
  const [a, b] = [0, 0].map((port) => new UdpLink({ addresses: ['::1'], port }));
  return { a, b };
});

interface Seen {
  text: string;
  from: string;
  sport: number;
  dport: number;
  local: number;
  tos: number;
  id: number;
}

function pair(
  options: Partial<UdpLinkOptions> = {},
  a = A,
  b = B,
): Disposable & { a: UdpLink; b: UdpLink; flow: Flow } {
  const links = [a, b].map((address) => new UdpLink({ addresses: [address], port: PORT, ...options }));
  const flow = links[0].flow({ local: 0, dst: addressBytes(b), dport: PORT });
  return { a: links[0], b: links[1], flow, [Symbol.dispose]: () => links.forEach((l) => void l.close()) };
}

function send(link: UdpLink, flow: Flow, text: string): number {
  const at = link.reserve(flow, text.length);
  assert.ok(at >= 0);
  link.tx.write(text, at, 'latin1');
  link.commit();
  return link.txId;
}

function drain(link: UdpLink): Seen[] {
  const seen: Seen[] = [];
  const receive = (a: Arrival) => {
    seen.push({
      text: a.buf.toString('latin1', a.off, a.off + a.len),
      from: a.src.join('.'),
      sport: a.sport,
      dport: a.dport,
      local: a.local,
      tos: a.tos,
      id: a.idGuess,
    });
    assert.equal(a.group, null);
    assert.equal(a.trusted, false);
  };
  for (let empty = 0; empty < 40; empty++) if (link.poll(receive, 64) > 0) empty = 0;
  return seen;
}

const texts = (seen: Seen[]) => seen.map((s) => s.text);
const counts = ({ txPackets, txBytes, txErrors, txSyscalls }: LinkStats) => [txPackets, txBytes, txErrors, txSyscalls];

test('a batch is cut where it was joined, numbered from 0, and ends with a shorter datagram', () => {
  using p = pair();
  const ids = ['aaaa', 'bbbb', 'cccc', 'dd', 'eeee', 'ffff', 'ggggg'].map((text) => send(p.a, p.flow, text));
  assert.deepEqual(ids, [0, 1, 2, 3, 0, 1, 0]);
  assert.deepEqual(drain(p.b), [], 'nothing leaves before flush');
  assert.equal(p.a.flush(), true);
  const seen = drain(p.b);
  assert.deepEqual(texts(seen), ['aaaa', 'bbbb', 'cccc', 'dd', 'eeee', 'ffff', 'ggggg']);
  assert.deepEqual(
    seen.map((s) => s.id),
    ids,
  );
  for (const s of seen) {
    assert.deepEqual([s.from, s.sport, s.dport, s.local, s.tos], [A, PORT, PORT, 0, 0]);
  }
  assert.deepEqual(counts(p.a.stats), [7, 27, 0, 1]);
  assert.deepEqual([p.b.stats.rxPackets, p.b.stats.rxBytes], [7, 27]);
});

test('a batch has at most 64 datagrams and 65,507 bytes', () => {
  using p = pair();
  const ids = Array.from({ length: 130 }, () => send(p.a, p.flow, 'x'));
  assert.deepEqual(
    ids,
    Array.from({ length: 130 }, (_, i) => i % 64),
  );
  const large = Array.from({ length: 16 }, () => send(p.a, p.flow, 'y'.repeat(4116)));
  assert.deepEqual(large, [...Array(15).keys(), 0]);
  p.a.flush();
  assert.equal(drain(p.b).length, 146);
  assert.equal(p.a.stats.txErrors, 0);
});

test('other flows interrupt a batch, TOS and TTL too', () => {
  using p = pair();
  const marked = p.a.flow({ local: 0, dst: addressBytes(B), dport: PORT, tos: 0xb9, ttl: 7 });
  const toSelf = p.a.flow({ local: 0, dst: addressBytes(A), dport: PORT });
  assert.deepEqual(
    [p.flow, p.flow, marked, marked, toSelf, p.flow].map((flow, i) => send(p.a, flow, `d${i}`)),
    [0, 1, 0, 1, 0, 0],
  );
  p.a.flush();
  const seen = drain(p.b);
  assert.deepEqual(texts(seen), ['d0', 'd1', 'd2', 'd3', 'd5']);
  assert.deepEqual(
    seen.map((s) => s.tos),
    [0, 0, 0xb9, 0xb9, 0],
  );
  assert.deepEqual(texts(drain(p.a)), ['d4']);
});

test('the same way is the same flow', () => {
  using p = pair();
  assert.equal(p.a.flow({ local: 0, dst: addressBytes(B), dport: PORT, tos: 0, ttl: 64 }), p.flow);
  assert.notEqual(p.a.flow({ local: 0, dst: addressBytes(B), dport: PORT, tos: 4 }), p.flow);
  assert.throws(() => p.a.flow({ local: 0, dst: addressBytes('::1'), dport: PORT }), /IPv/);
  assert.throws(() => p.a.flow({ local: 1, dst: addressBytes(B), dport: PORT }), RangeError);
});

test('an aborted datagram is not sent, and its place is used again', () => {
  using p = pair();
  send(p.a, p.flow, 'one');
  p.a.reserve(p.flow, 3);
  p.a.abort();
  assert.equal(send(p.a, p.flow, 'two'), 1);
  assert.throws(() => p.a.commit(), /nothing is reserved/);
  p.a.flush();
  assert.deepEqual(texts(drain(p.b)), ['one', 'two']);
});

test('without room reserve says so, until a flush', () => {
  using p = pair();
  let count = 0;
  while (p.a.reserve(p.flow, 4000) >= 0) {
    p.a.commit();
    count++;
  }
  assert.ok(count >= 64);
  assert.equal(p.a.flush(), true);
  assert.ok(p.a.reserve(p.flow, 4000) >= 0);
  assert.equal(drain(p.b).length, count);
});

test('a datagram may be empty', () => {
  for (const gso of [true, false]) {
    using p = pair({ gso });
    for (const text of ['', 'x', '']) send(p.a, p.flow, text);
    p.a.flush();
    assert.deepEqual(texts(drain(p.b)), ['', 'x', '']);
  }
});

test('a second user of an address is told who has it and what to do', () => {
  using _ = pair();
  for (const [address, other] of [
    [A, '127.0.0.2'],
    [B, '127.0.0.2'],
  ]) {
    assert.throws(
      () => new UdpLink({ addresses: [address], port: PORT }),
      (error: SysError) => {
        assert.equal(error.code, 'EADDRINUSE');
        for (const word of [address, String(PORT), other]) assert.ok(error.message.includes(word), error.message);
        return true;
      },
    );
  }
  assert.throws(() => new UdpLink({ addresses: ['203.0.113.9'] }), /not an address of this host/);
  assert.throws(() => new UdpLink({ addresses: [] }), /needs an address/);
});

test('closing frees the address, twice is once, and nothing happens after', () => {
  const p = pair();
  send(p.a, p.flow, 'x');
  p.a.close();
  p.a.close();
  assert.equal(p.a.flush(), true);
  assert.equal(
    p.a.poll(() => {}, 1),
    0,
  );
  assert.throws(() => p.a.join(0, addressBytes('239.1.2.3')), /closed/);
  p.b.close();
  pair()[Symbol.dispose]();
});

test('a link may be closed by who receives', () => {
  using p = pair();
  for (let i = 0; i < 3; i++) send(p.a, p.flow, `${i}`.repeat(i + 1));
  p.a.flush();
  let got = 0;
  for (let i = 0; i < 10; i++) {
    p.b.poll(() => {
      got++;
      p.b.close();
    }, 64);
  }
  assert.equal(got, 1);
});

test('a descriptor becomes readable when something has arrived', () => {
  using p = pair();
  const epoll = new Epoll();
  for (const fd of p.b.fds) epoll.add(fd, 1);
  assert.equal(epoll.wait(0), 0);
  send(p.a, p.flow, 'x');
  p.a.flush();
  assert.equal(epoll.wait(1000), 1);
  drain(p.b);
  assert.equal(epoll.wait(0), 0);
  epoll.close();
});

test('the interface is known', () => {
  using p = pair();
  assert.deepEqual([p.a.mtu, p.a.netdev, p.a.needsChecksum], [65536, 'lo', true]);
  assert.deepEqual(p.a.addresses[0].text, A);
});

test('IPv6, and several addresses on one link', () => {
  const a = new UdpLink({ addresses: ['127.0.41.3', '::1', '127.0.41.4'], port: PORT });
  try {
    const flows = ['127.0.41.4', '::1', '127.0.41.3'].map((to, local) =>
      a.flow({ local, dst: addressBytes(to), dport: PORT, tos: 4 * local }),
    );
    assert.deepEqual(
      [0, 1, 1, 2, 1].map((f) => send(a, flows[f], `f${f}`)),
      [0, 0, 1, 0, 0],
    );
    a.flush();
    const seen = drain(a).sort((x, y) => (x.text < y.text ? -1 : 1));
    const six = '0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1';
    assert.deepEqual(
      seen.map((s) => [s.text, s.from, s.local, s.tos]),
      [
        ['f0', '127.0.41.3', 2, 0],
        ['f1', six, 1, 4],
        ['f1', six, 1, 4],
        ['f1', six, 1, 4],
        ['f2', '127.0.41.4', 0, 8],
      ],
    );
    assert.equal(a.stats.txErrors, 0);
  } finally {
    a.close();
  }
});

test('a socket that has been idle is served while another is busy', () => {
  const a = new UdpLink({ addresses: ['127.0.41.3', '127.0.41.4'], port: PORT });
  const b = new UdpLink({ addresses: ['127.0.41.5'], port: PORT });
  try {
    const busy = b.flow({ local: 0, dst: addressBytes('127.0.41.3'), dport: PORT });
    const idle = b.flow({ local: 0, dst: addressBytes('127.0.41.4'), dport: PORT });
    send(b, idle, 'idle');
    b.flush();
    let found = -1;
    for (let i = 0; i < 100 && found < 0; i++) {
      send(b, busy, 'busy');
      b.flush();
      a.poll((x) => {
        if (x.local === 1) found = i;
      }, 64);
    }
    assert.ok(found >= 0 && found < 32, `after ${found} polls`);
  } finally {
    a.close();
    b.close();
  }
});

for (const [name, options, addresses] of [
  ['GSO and GRO', {}, [A, B]],
  ['neither', { gso: false, gro: false }, [A, B]],
  ['GSO only', { gro: false }, [A, B]],
  ['GRO only', { gso: false }, [A, B]],
  ['IPv6', {}, ['::1', '::1']],
] as const) {
  test(`100,000 datagrams of mixed sizes arrive byte for byte and in order: ${name}`, () => {
    using p = name === 'IPv6' ? alone() : pair(options, ...addresses);
    exchange(p, 100_000, 20260);
  });
}

function alone(): Disposable & { a: UdpLink; b: UdpLink; flow: Flow } {
  const a = new UdpLink({ addresses: ['::1'], port: PORT });
  const flow = a.flow({ local: 0, dst: addressBytes('::1'), dport: PORT });
  return { a, b: a, flow, [Symbol.dispose]: () => a.close() };
}

/** Lehmer's generator: the sizes and contents both sides expect. */
function chance(seed: number): () => number {
  let x = seed;
  return () => {
    x = (x * 48271) % 2147483647;
    return x;
  };
}

function exchange(p: { a: UdpLink; b: UdpLink; flow: Flow }, count: number, seed: number): void {
  const data = Buffer.alloc(1 << 16);
  const bytes = chance(seed + 1);
  for (let i = 0; i < data.length; i++) data[i] = bytes() & 255;
  const sizes = [1, 16, 64, 280, 1040, 1040, 4112, 4112];
  // Runs of equal sizes, so that there are batches.
  const sizer = () => {
    const next = chance(seed);
    let run = 0;
    let size = 0;
    return () => {
      if (run-- === 0) {
        run = next() % 40;
        size = next() % 5 === 0 ? next() % 6000 : sizes[next() % sizes.length];
      }
      return size;
    };
  };
  const [size, expected] = [sizer(), sizer()];
  let got = 0;
  let wrong = -1;
  const receive = (a: Arrival) => {
    const length = expected();
    const off = (got * 97) % (data.length - 6000);
    if (a.len !== length || a.buf.compare(data, off, off + length, a.off, a.off + a.len) !== 0) wrong = got;
    got++;
  };
  for (let sent = 0; sent < count; ) {
    const batch = Math.min(count - sent, 1 + (sent % 100));
    for (let i = 0; i < batch; i++) {
      const length = size();
      let at = p.a.reserve(p.flow, length);
      if (at < 0) {
        assert.ok(p.a.flush());
        at = p.a.reserve(p.flow, length);
      }
      const off = (sent * 97) % (data.length - 6000);
      data.copy(p.a.tx, at, off, off + length);
      p.a.commit();
      sent++;
    }
    assert.ok(p.a.flush());
    for (let polls = 0; got < sent && polls < 1000; polls++) p.b.poll(receive, 64);
    assert.equal(wrong, -1, `datagram ${wrong} is wrong (seed ${seed})`);
    assert.equal(got, sent, `lost (seed ${seed})`);
  }
  assert.equal(p.a.stats.txErrors, 0);
}
