// infinitive demo: what someone who has just arrived runs first.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DemoRow } from '../../src/cli/demo/plan.ts';
import { uniqueAddresses } from '../helpers/address.ts';
import { cli } from './cli.ts';

const [A, B, C, D] = uniqueAddresses(4);

const OPERATIONS = [
  'RC SEND',
  'RC WRITE',
  'RC READ',
  'RC ATOMIC fetch_and_add',
  'RC ATOMIC cmp_and_swap',
  'UC SEND',
  'UC WRITE',
  'UD SEND',
];

test('a table of operations, all verified, and what to do next', async () => {
  const { status, stdout, stderr } = await cli(['demo', '--duration', '0.02', '--ip', A, B]);
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  assert.match(stdout, /server: process \d+, RoCEv2 on 127/);
  for (const operation of OPERATIONS) {
    assert.match(stdout, new RegExp(`│ ${operation} +│ .* µs │ .* (GB|msgs)/s │ .* │ yes +│`));
  }
  assert.match(stdout, /Next:\n.* perf /);
});

test('--json, and through node:dgram', async () => {
  const { status, stdout, stderr } = await cli([
    'demo',
    '--duration',
    '0.02',
    '--json',
    '--link',
    'dgram',
    '--ip',
    C,
    D,
  ]);
  assert.equal(status, 0, stderr);
  const { link, rows } = JSON.parse(stdout) as { link: string; rows: DemoRow[] };
  assert.equal(link, 'dgram');
  assert.deepEqual(
    rows.map((row) => row.operation),
    OPERATIONS,
  );
  assert.ok(rows.every((row) => row.verified));
});

test('an address that is not this host’s: one line', async () => {
  const { status, stderr } = await cli(['demo', '--ip', A, '203.0.113.9']);
  assert.equal(status, 1);
  assert.match(
    stderr,
    /^infinitive: process "infinitive demo-client": 203\.0\.113\.9 is not an address of this host[^\n]*\n$/,
  );
});
