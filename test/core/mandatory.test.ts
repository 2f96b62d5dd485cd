import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IWARP, LINUX_NOW, LINUX_THEN, missingOwed, VERBS } from '../../src/core/mandatory.ts';

const names = VERBS.map((v) => v.name);

test('what Linux asks today is the mandatory set, exactly', () => {
  const mandatory = VERBS.filter((v) => v.owed === 'mandatory').map((v) => v.name);
  assert.deepEqual([...mandatory].sort(), [...LINUX_NOW].sort());
});

test('what Linux asked then has its place in the table: the rest is owed with a capability, or the core is it', () => {
  for (const name of LINUX_THEN) assert.ok(names.includes(name), name);
  const gone = LINUX_THEN.filter((name) => !LINUX_NOW.includes(name));
  assert.deepEqual(
    gone.map((name) => [name, VERBS.find((v) => v.name === name)!.owed]),
    [
      ['query_pkey', 'core'],
      ['query_gid', 'core'],
      ['create_ah', ['ah']],
      ['destroy_ah', ['ah']],
    ],
  );
});

test('every verb stands in the table once, with what it comes from, and every remark on iWARP is about one of them', () => {
  assert.equal(new Set(names).size, names.length);
  for (const v of VERBS) assert.ok(v.source.length > 0, v.name);
  for (const name of Object.keys(IWARP)) assert.ok(names.includes(name), name);
});

test('a verb owed with either of two capabilities is asked for with each of them', () => {
  assert.deepEqual(
    missingOwed(new Set(['mw-type-2']), (op) => op !== 'allocMw'),
    ['alloc_mw (owed with mw-type-2)'],
  );
  assert.deepEqual(
    missingOwed(new Set(['srq']), (op) => op !== 'allocMw'),
    [],
  );
});
