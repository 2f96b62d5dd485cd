import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventType } from '../../src/core/constants.ts';
import { DEFAULT_PKEY, PkeyTable, pkeysMatch } from '../../src/core/pkey.ts';
import { queryPkey } from '../../src/core/verbs.ts';
import { errno } from './fake-driver.ts';
import { Fixture } from './fixture.ts';

test('IBTA 10.9.3: the low 15 bits equal and not 0, and one of the two a full member', () => {
  const cases: [number, number, boolean][] = [
    [0xffff, 0xffff, true],
    [0xffff, 0x7fff, true],
    [0x7fff, 0xffff, true],
    [0x7fff, 0x7fff, false],
    [0x8001, 0x8001, true],
    [0x8001, 0x0001, true],
    [0x8001, 0x8002, false],
    [0x8000, 0x8000, false],
    [0x0000, 0x8000, false],
    [0x0000, 0x0000, false],
  ];
  for (const [a, b, match] of cases) assert.equal(pkeysMatch(a, b), match, `${a.toString(16)} ${b.toString(16)}`);
});

test('the table starts with the default partition', (t) => {
  const f = new Fixture(t, { device: { pkeyTableLength: 3 } });
  const events: number[] = [];
  f.context.onAsyncEvent = ({ type }) => events.push(type);
  assert.deepEqual(
    [0, 1, 2].map((i) => queryPkey(f.context, 1, i)),
    [DEFAULT_PKEY, 0, 0],
  );
  f.device.pkeys.set(1, 0x8005);
  f.device.pkeys.set(1, 0x8005);
  assert.deepEqual(events, [EventType.PKEY_CHANGE]);
  assert.equal(f.device.pkeys.indexOf(0x0005), 1);
  assert.equal(f.device.pkeys.indexOf(0x0006), -1);
  assert.throws(() => queryPkey(f.context, 1, 3), errno('EINVAL', /index/));
  assert.throws(() => new PkeyTable(1).set(1, 1), /P_Key index 1/);
});
