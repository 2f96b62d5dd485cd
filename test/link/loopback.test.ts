import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoopbackLink } from '../../src/link/loopback.ts';
import { flowTo, linkConformance, pattern, put } from './conformance.ts';

const GROUP = Uint8Array.of(239, 9, 9, 9);

linkConformance('loopback, IPv4', () => {
  const link = new LoopbackLink({ addresses: ['127.0.0.1', '10.0.0.7'] });
  return { a: link, b: link, group: GROUP };
});
linkConformance('loopback, IPv6', () => {
  const link = new LoopbackLink({ addresses: ['::1'] });
  return { a: link, b: link };
});

describe('LoopbackLink', () => {
  it('says -1 when full, until it is polled, and keeps what it has', () => {
    const link = new LoopbackLink({ addresses: ['127.0.0.1'], capacity: 100_000 });
    const flow = flowTo(link, link);
    let sent = 0;
    while (put(flow, pattern(1000, sent))) sent++;
    assert.ok(sent >= 98 && sent <= 100, `${sent} fitted`);
    link.flush();
    assert.equal(put(flow, pattern(1000, 0)), false);
    let got = 0;
    const check = (arrival: { buf: Buffer; off: number; len: number }) => {
      assert.ok(arrival.buf.subarray(arrival.off, arrival.off + arrival.len).equals(pattern(1000, got++)));
    };
    // As soon as the full array is being read, the other takes as much again.
    link.poll(check, 1);
    while (put(flow, pattern(1000, sent))) sent++;
    link.flush();
    link.poll(check, 1000);
    assert.equal(got, sent);
    assert.ok(sent >= 196);
  });

  it('calls onArrival once per flush into an empty queue', () => {
    const link = new LoopbackLink({ addresses: ['127.0.0.1'] });
    const flow = flowTo(link, link);
    let calls = 0;
    link.onArrival = () => calls++;
    link.flush();
    assert.equal(calls, 0);
    put(flow, pattern(20, 1));
    put(flow, pattern(20, 2));
    assert.equal(calls, 0);
    link.flush();
    link.flush();
    put(flow, pattern(20, 3));
    link.flush();
    assert.equal(calls, 1);
    assert.equal(
      link.poll(() => {}, 2),
      2,
    );
    put(flow, pattern(20, 4));
    link.flush();
    assert.equal(calls, 1);
    link.poll(() => {}, 10);
    put(flow, pattern(20, 5));
    link.flush();
    assert.equal(calls, 2);
  });

  it('keeps order when arrays change places with something committed and not flushed', () => {
    const link = new LoopbackLink({ addresses: ['127.0.0.1'] });
    const flow = flowTo(link, link);
    const got: number[] = [];
    const take = () => link.poll((arrival) => got.push(arrival.buf[arrival.off]), 100);
    put(flow, Buffer.of(1));
    link.flush();
    put(flow, Buffer.of(2));
    take();
    assert.deepEqual(got, [1]);
    put(flow, Buffer.of(3));
    take();
    assert.deepEqual(got, [1]);
    link.flush();
    take();
    assert.deepEqual(got, [1, 2, 3]);
  });

  it('hands over which of its addresses a datagram went between', () => {
    const link = new LoopbackLink({ addresses: ['127.0.0.1', '127.0.0.2'], port: 5000 });
    put(link.flow({ local: 1, dst: link.addresses[0].bytes, dport: 5000, tos: 7 }), pattern(20, 1));
    link.flush();
    link.poll((arrival) => {
      assert.deepEqual([...arrival.src], [127, 0, 0, 2]);
      assert.equal(arrival.local, 0);
      assert.equal(arrival.tos, 7);
      assert.equal(arrival.sport, 5000);
      assert.equal(arrival.trusted, true);
    }, 1);
    assert.equal(link.stats.rxPackets, 1);
  });

  it('drops and counts what is for others', () => {
    const link = new LoopbackLink({ addresses: ['127.0.0.1'] });
    put(link.flow({ local: 0, dst: Uint8Array.of(10, 1, 1, 1), dport: 4791 }), pattern(20, 1));
    put(link.flow({ local: 0, dst: Uint8Array.of(127, 0, 0, 1), dport: 4792 }), pattern(20, 1));
    link.flush();
    assert.equal(
      link.poll(() => assert.fail(), 10),
      0,
    );
    assert.equal(link.stats.txErrors, 2);
  });

  it('asks for checksums when told to', () => {
    const link = new LoopbackLink({ addresses: ['127.0.0.1'], needsChecksum: true });
    assert.equal(link.needsChecksum, true);
    put(flowTo(link, link), pattern(20, 1));
    link.flush();
    link.poll((arrival) => assert.equal(arrival.trusted, false), 1);
  });
});
