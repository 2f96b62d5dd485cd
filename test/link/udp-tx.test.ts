import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newStats } from '../../src/link/flow.ts';
import { UdpLink } from '../../src/link/udp.ts';
import type { UdpFlow } from '../../src/link/udp-flow.ts';
import { DEFAULT_TOS } from '../../src/link/udp-socket.ts';
import { UdpTx } from '../../src/link/udp-tx.ts';
import { addressBytes } from '../../src/os/addresses.ts';
import { EAGAIN, EINVAL, EMSGSIZE, ENETUNREACH, ENOBUFS } from '../../src/os/constants.ts';
import { ffi } from '../../src/os/ffi.ts';
import { type Libc, libc } from '../../src/os/libc.ts';

// A kernel that refuses: each call takes the next answer, an errno or how many messages it takes.
function stub(answers: number[]): { system: Libc; calls: string[] } {
  const calls: string[] = [];
  const answer = (call: string) => {
    calls.push(call);
    const next = answers.shift() ?? assert.fail('one call too many');
    if (next >= 0) return next;
    ffi().errno(-next);
    return -1;
  };
  const system = {
    ...libc(),
    sendto: () => answer('sendto'),
    sendmsg: () => answer('sendmsg'),
    sendmmsg: (_fd: number, _msgs: number, count: number) => answer(`sendmmsg ${count}`),
  };
  return { system, calls };
}

function setUp(answers: number[]) {
  const link = new UdpLink({ addresses: ['127.0.43.1'], port: 24793 });
  const flow = link.flow({ local: 0, dst: addressBytes('127.0.43.2'), dport: 24793, tos: DEFAULT_TOS }) as UdpFlow;
  link.close();
  const { system, calls } = stub(answers);
  const stats = newStats();
  const tx = new UdpTx(stats, true, system);
  const commit = (...sizes: number[]) =>
    sizes.map((size) => {
      assert.ok(tx.reserve(flow, size) >= 0);
      tx.commit();
      return tx.id;
    });
  return { tx, stats, calls, commit };
}

test('one batch leaves by sendmsg, more by one sendmmsg', () => {
  const { tx, stats, calls, commit } = setUp([100, 3]);
  commit(50, 50);
  assert.equal(tx.flush(), true);
  commit(50, 60, 70);
  assert.equal(tx.flush(), true);
  assert.equal(tx.flush(), true);
  assert.deepEqual(calls, ['sendmsg', 'sendmmsg 3']);
  assert.deepEqual([stats.txPackets, stats.txBytes, stats.txSyscalls, stats.txErrors], [5, 280, 2, 0]);
});

test('what the network does not take now is kept, in order', () => {
  const { tx, stats, calls, commit } = setUp([2, -EAGAIN, -ENOBUFS, 2]);
  commit(10, 20, 30, 40);
  assert.equal(tx.flush(), false);
  assert.equal(stats.txPackets, 2);
  assert.equal(tx.flush(), false);
  assert.deepEqual(commit(40), [0], 'joins no batch that has been tried');
  assert.equal(calls.length, 3);
  const later = setUp([3, -EAGAIN]);
  later.commit(1, 2, 3, 4);
  assert.equal(later.tx.flush(), false);
  assert.deepEqual([stats.txErrors, later.stats.txPackets], [0, 3]);
});

test('an arena that was not emptied fills up, and is whole again after', () => {
  const { tx, commit } = setUp([-EAGAIN, 60, 60]);
  while (tx.buf.length >= 0) {
    if (tx.reserve({} as UdpFlow, 60_000) < 0) break;
    tx.abort();
    commit(60_000);
  }
  assert.equal(tx.flush(), false);
  assert.equal(tx.flush(), true);
  assert.deepEqual(commit(60_000), [0]);
});

test('a datagram refused for another reason is counted and given up, and the rest goes on', () => {
  for (const code of [ENETUNREACH, EMSGSIZE]) {
    const { tx, stats, calls, commit } = setUp([1, -code, 30]);
    commit(10, 20, 30);
    assert.equal(tx.flush(), true);
    assert.deepEqual(calls, ['sendmmsg 3', 'sendmmsg 2', 'sendto']);
    assert.deepEqual([stats.txPackets, stats.txErrors, stats.txBytes], [2, 1, 40]);
    assert.equal(tx.gso, true);
  }
});

test('a kernel that refuses to segment is not asked again', () => {
  const { tx, stats, commit } = setUp([-EINVAL, 10, 3]);
  commit(10, 10, 10);
  assert.equal(tx.flush(), true);
  assert.equal(tx.gso, false);
  assert.deepEqual(
    [stats.txPackets, stats.txErrors],
    [1, 2],
    'the first, alone, has the identification it was signed with',
  );
  assert.deepEqual(commit(10, 10, 10), [0, 0, 0]);
  assert.equal(tx.flush(), true);
  assert.deepEqual([stats.txPackets, stats.txErrors], [4, 2]);
});

test('when the first datagram alone is refused too, segmentation is not to blame', () => {
  const { tx, stats, commit } = setUp([-EINVAL, -EMSGSIZE]);
  commit(10, 10, 10);
  assert.equal(tx.flush(), true);
  assert.deepEqual([tx.gso, stats.txErrors], [true, 3]);
});
