import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { EventType } from '../../src/core/constants.ts';
import { GidTable } from '../../src/core/gid.ts';
import {
  addressOfGid,
  gidFromAddress,
  gidFromText,
  gidsEqual,
  gidToSysfs,
  gidToText,
  isIpv4Gid,
  isLinkLocalGid,
  isMulticastGid,
} from '../../src/core/gid-text.ts';
import { queryGid, queryGidEntry } from '../../src/core/verbs.ts';
import { requireProgram } from '../helpers/debian.ts';
import { address, errno } from './fake-driver.ts';
import { Fixture } from './fixture.ts';

const texts = (table: GidTable): (string | null)[] =>
  Array.from({ length: 4 }, (_, i) => {
    const entry = table.at(i);
    return entry === null ? null : gidToText(entry.gid);
  });

test('link-local first, then in order; the index stays as long as the address', () => {
  const table = new GidTable(4);
  const changes: string[] = [];
  table.onChange = (entry, added) => changes.push(`${added ? '+' : '-'}${entry.index}`);
  const [v4, v6, ll] = [address('10.0.0.1'), address('2001:db8::1'), address('fe80::1', 2)];
  table.sync([v4, v6, ll], 'eth0');
  assert.deepEqual(texts(table), ['fe80::1', '::ffff:10.0.0.1', '2001:db8::1', null]);
  table.sync([v4, v6, ll], 'eth0');
  assert.deepEqual(changes, ['+0', '+1', '+2']);
  table.sync([v6, ll, address('10.0.0.2'), address('10.0.0.3')]);
  assert.deepEqual(texts(table), ['fe80::1', '::ffff:10.0.0.2', '2001:db8::1', '::ffff:10.0.0.3']);
  assert.deepEqual(changes.slice(3), ['-1', '+1', '+3']);
  assert.equal(table.add(address('10.0.0.4')), false, 'full');
  assert.equal(table.remove(gidFromText('10.9.9.9')), false);
  assert.equal(table.indexOf(gidFromText('10.0.0.3')), 3);
  assert.equal(table.list().length, 4);
  assert.equal(table.at(1)!.address.text, '10.0.0.2');
  assert.equal(table.at(0)!.netdev, 'eth0');
});

test('a loopback address alone is the whole table: no link-local GID is invented', () => {
  const table = new GidTable(4);
  table.sync([address('127.0.0.1')], 'lo');
  assert.deepEqual(texts(table), ['::ffff:127.0.0.1', null, null, null]);
});

test('GID_CHANGE is raised, and the table is what query_gid shows', (t) => {
  const f = new Fixture(t);
  const events: number[] = [];
  f.context.onAsyncEvent = ({ type, object }) => events.push(object === null ? type : -1);
  f.device.gids.add(address('::1'));
  f.device.gids.remove(gidFromText('::1'));
  assert.deepEqual(events, [EventType.GID_CHANGE, EventType.GID_CHANGE]);
  assert.equal(gidToText(queryGid(f.context, 1, 0)), '::ffff:127.0.0.1');
  assert.deepEqual(queryGid(f.context, 1, 1), new Uint8Array(16));
  queryGid(f.context, 1, 0).fill(9);
  const entry = queryGidEntry(f.context, 1, 0);
  assert.deepEqual(
    [gidToText(entry.gid), entry.type, entry.netdev, entry.index],
    ['::ffff:127.0.0.1', 'RoCE v2', 'lo', 0],
  );
  assert.throws(() => queryGidEntry(f.context, 1, 1), errno('ENODATA'));
  for (const index of [-1, 128, 0.5]) assert.throws(() => queryGid(f.context, 1, index), errno('EINVAL', /index/));
  for (const port of [0, 2]) assert.throws(() => queryGid(f.context, port, 0), errno('EINVAL', /port/));
});

const anyGid = fc.uint8Array({ minLength: 16, maxLength: 16 });

test('text and back', () => {
  fc.assert(
    fc.property(anyGid, (gid) => {
      assert.ok(gidsEqual(gidFromText(gidToText(gid)), gid));
      assert.ok(gidsEqual(gidFromText(gidToSysfs(gid)), gid));
      assert.deepEqual(gidFromAddress(addressOfGid(gid)), gid);
      assert.equal(addressOfGid(gid).length, isIpv4Gid(gid) ? 4 : 16);
    }),
    { seed: 4791 },
  );
  assert.equal(gidToSysfs(gidFromText('127.0.0.1')), '0000:0000:0000:0000:0000:ffff:7f00:0001');
  assert.deepEqual([...addressOfGid(gidFromText('::ffff:10.1.2.3'))], [10, 1, 2, 3]);
  assert.throws(() => gidFromAddress(new Uint8Array(6)), /4 or 16/);
});

test('what multicast and link-local are, as Python has it', (t) => {
  if (!requireProgram(t, 'python3', 'python3')) return;
  const gids = fc.sample(
    fc.oneof(
      anyGid,
      anyGid.map((g) => Uint8Array.from(g, (b, i) => (i === 0 ? 0xff : b))),
      anyGid.map((g) => Uint8Array.from(g, (b, i) => (i === 0 ? 0xfe : i === 1 ? 0x80 | (b & 0x7f) : b))),
      anyGid.map((g) => gidFromAddress(g.subarray(0, 4))),
    ),
    { seed: 4791, numRuns: 400 },
  );
  const script = `import sys, ipaddress
for line in sys.stdin:
  a = ipaddress.IPv6Address(bytes.fromhex(line.strip()))
  m = a.ipv4_mapped
  print(int(a.is_multicast or (m is not None and m.is_multicast)), int(a.is_link_local), a.exploded)`;
  const input = gids.map((gid) => Buffer.from(gid).toString('hex')).join('\n');
  const lines = execFileSync('python3', ['-c', script], { input, encoding: 'utf8' }).trim().split('\n');
  const ours = gids.map((gid) => `${Number(isMulticastGid(gid))} ${Number(isLinkLocalGid(gid))} ${gidToSysfs(gid)}`);
  assert.deepEqual(ours, lines);
});
