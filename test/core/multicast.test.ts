import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LinkLayer, QpType } from '../../src/core/constants.ts';
import { gidFromText, gidToText } from '../../src/core/gid-text.ts';
import { MulticastTable } from '../../src/core/multicast.ts';
import type { QueuePair } from '../../src/core/qp.ts';
import {
  allocPd,
  attachMcast,
  closeContext,
  createCq,
  createQp,
  destroyQp,
  detachMcast,
} from '../../src/core/verbs.ts';
import { CAP, errno, PORT } from './fake-driver.ts';
import { Fixture } from './fixture.ts';

const A = gidFromText('ff0e::1');
const B = gidFromText('239.1.2.3');

test('attach, twice is once, detach, and who must not', (t) => {
  const f = new Fixture(t);
  const [one, two, rc] = [f.qp(QpType.UD), f.qp(QpType.UD), f.qp(QpType.RC)];
  const { mcast } = f.device;
  const net: string[] = [];
  mcast.onFirst = (gid) => net.push(`+${gidToText(gid)}`);
  mcast.onLast = (gid) => net.push(`-${gidToText(gid)}`);
  attachMcast(one, A);
  const again = attachMcast(one, A);
  assert.equal(again, attachMcast(one, A));
  attachMcast(two, A);
  attachMcast(two, B);
  assert.deepEqual([one.users, two.users, mcast.size], [1, 2, 2]);
  assert.deepEqual(mcast.membersOf(A), [one, two]);
  assert.throws(() => destroyQp(one), errno('EBUSY'));
  assert.throws(() => attachMcast(rc, A), errno('EINVAL', /UD/));
  assert.throws(() => attachMcast(one, gidFromText('2001:db8::1')), errno('EINVAL', /no multicast group/));
  assert.throws(() => attachMcast(one, gidFromText('10.0.0.1')), errno('EINVAL', /no multicast group/));
  assert.throws(() => attachMcast(one, new Uint8Array(4)), errno('EINVAL', /16 bytes/));
  assert.throws(() => detachMcast(one, B), errno('EINVAL', /not attached to ::ffff:239.1.2.3/));
  detachMcast(one, A);
  destroyQp(one);
  detachMcast(two, A);
  assert.deepEqual(mcast.membersOf(A), []);
  assert.deepEqual(net, ['+ff0e::1', '+::ffff:239.1.2.3', '-ff0e::1']);
  closeContext(f.context);
  assert.deepEqual(net.slice(3), ['-::ffff:239.1.2.3']);
  assert.equal(mcast.size, 0);
});

test('the driver sees no members when the first comes and when the last has gone', (t) => {
  const f = new Fixture(t);
  const seen: [string, number][] = [];
  f.driver.attachMcast = () => seen.push(['+', f.device.mcast.membersOf(A).length]);
  f.driver.detachMcast = () => seen.push(['-', f.device.mcast.membersOf(A).length]);
  const device = f.device;
  const ops = device.ops as { attachMcast: unknown; detachMcast: unknown };
  ops.attachMcast = f.driver.attachMcast;
  ops.detachMcast = f.driver.detachMcast;
  const [one, two] = [f.qp(QpType.UD), f.qp(QpType.UD)];
  attachMcast(one, A);
  attachMcast(two, A);
  detachMcast(one, A);
  detachMcast(two, A);
  assert.deepEqual(seen, [
    ['+', 0],
    ['+', 1],
    ['-', 1],
    ['-', 0],
  ]);
});

test('limits, and a network that refuses', (t) => {
  const f = new Fixture(t);
  const group = (n: number): Uint8Array => gidFromText(`ff0e::${n}`);
  const qps = Array.from({ length: 4 }, () => f.qp(QpType.UD));
  for (const qp of qps.slice(0, 3)) attachMcast(qp, group(1));
  assert.throws(() => attachMcast(qps[3], group(1)), errno('ENOMEM', /3 queue pairs/));
  for (const n of [2, 3, 4]) attachMcast(qps[0], group(n));
  assert.throws(() => attachMcast(qps[0], group(5)), errno('ENOMEM', /4 multicast groups/));
  detachMcast(qps[0], group(4));
  f.device.mcast.onFirst = () => {
    throw new Error('no more memberships');
  };
  f.driver.calls.length = 0;
  assert.throws(() => attachMcast(qps[0], group(6)), /no more memberships/);
  assert.deepEqual(f.driver.calls, ['attachMcast', 'detachMcast']);
  assert.deepEqual([f.device.mcast.size, f.device.counts.mcast], [3, 5]);
  const tight = f.open({ limits: { mcast: 0 } });
  const cq = createCq(tight, 1);
  const qp = createQp(allocPd(tight), { type: QpType.UD, sendCq: cq, recvCq: cq, cap: CAP });
  assert.throws(() => attachMcast(qp, group(2)), errno('ENOMEM', /limit/));
});

test('InfiniBand ports want a multicast LID', (t) => {
  const f = new Fixture(t);
  f.driver.port = { ...PORT, linkLayer: LinkLayer.INFINIBAND };
  const qp = f.qp(QpType.UD);
  for (const lid of [0, 0xbfff, 0xffff]) assert.throws(() => attachMcast(qp, A, lid), errno('EINVAL', /lid/));
  attachMcast(qp, A, 0xc000);
});

test('groups whose last bytes are alike stay apart (against a model)', () => {
  const groups = ['ff0e::1', 'ff0e:1::1', 'ff02::1', 'ff0e::2', '239.0.0.1', 'ff0e::ffff:ef00:1'].map(gidFromText);
  const qps = [0, 1, 2].map((n) => ({ n }) as unknown as QueuePair);
  const command = fc.tuple(fc.boolean(), fc.nat(groups.length - 1), fc.nat(2));
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const table = new MulticastTable();
      const model = new Map<number, QueuePair[]>();
      const net = new Set<string>();
      table.onFirst = (gid) => net.add(gidToText(gid));
      table.onLast = (gid) => net.delete(gidToText(gid));
      for (const [add, g, q] of commands) {
        const members = model.get(g) ?? [];
        const has = members.includes(qps[q]);
        if (add) assert.equal(table.attach(groups[g], qps[q]), !has);
        else assert.equal(table.detach(groups[g], qps[q]), has);
        if (add && !has) model.set(g, [...members, qps[q]]);
        if (!add && has)
          model.set(
            g,
            members.filter((m) => m !== qps[q]),
          );
        for (const [i, gid] of groups.entries()) assert.deepEqual(table.membersOf(gid), model.get(i) ?? []);
        const full = groups.filter((_, i) => (model.get(i) ?? []).length > 0).map(gidToText);
        assert.deepEqual([...net].toSorted(), full.toSorted());
        assert.equal(table.size, full.length);
      }
    }),
    { seed: 4791 },
  );
});
