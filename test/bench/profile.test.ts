import assert from 'node:assert/strict';
import { test } from 'node:test';
import { topOf } from '../../bench/profile.ts';

const node = (id: number, functionName: string, url: string, lineNumber: number) => ({
  id,
  callFrame: { functionName, url, lineNumber },
});

test('self time is added up by function, over all nodes of the call tree, less idling', () => {
  const nodes = [
    node(1, '(idle)', '', -1),
    node(2, 'poll', 'file:///x/src/link/udp.ts', 162),
    node(3, 'poll', 'file:///x/src/link/udp.ts', 162),
    node(4, '', 'file:///x/src/link/udp.ts', 9),
  ];
  const top = topOf({ nodes, samples: [1, 2, 3, 4, 2], timeDeltas: [50, 20, 30, 20, 30] }, 2);
  assert.deepEqual(top, [
    { share: 0.8, where: 'poll link/udp.ts:163' },
    { share: 0.2, where: '(anonymous) link/udp.ts:10' },
  ]);
});
