// What the model has found in the transport, each as its shortest scenario. Those still there are marked `todo`.
import { describe, it } from 'node:test';
import { NOTHING } from './known.ts';
import type { Act, Operation, Scenario } from './scenario.ts';
import { play } from './world.ts';

const NETWORK: Scenario = {
  seed: 0,
  pathMtu: 1,
  loss: 0,
  duplicate: 0,
  reorder: 0,
  corrupt: 0,
  jitterUs: 0,
  window: 8192,
  qps: 1,
  sharedCq: false,
  srq: [false, false],
  maxRdAtomic: 1,
  rnrRetry: 7,
  ackTimer: true,
  signalAll: false,
  careful: false,
  acts: [],
};
const SIGNALED = 2;
const FENCE = 1;
const post = (side: number, op: Operation, size = 0, flags = SIGNALED): Act => {
  return { act: 'post', op, side, qp: 0, size, at: 0, flags, window: false, pieces: 1, fault: 'none' };
};
const recv = (side: number): Act => ({ act: 'recv', side, qp: 0, room: 10_000, allowed: true });
const wait = (us: number): Act => ({ act: 'wait', us });

const FOUND: [what: string, todo: boolean, scenario: Partial<Scenario>][] = [
  [
    'LOCAL_INV behind a fence completes unexecuted when the ATOMIC before it is answered',
    true,
    { acts: [post(0, 'add'), post(0, 'invalidate', 0, SIGNALED | FENCE), wait(3000)] },
  ],
  [
    'BIND_MW behind a fence completes unexecuted, and a packet goes out for it',
    true,
    { acts: [post(0, 'read', 100), post(0, 'bind', 0, SIGNALED | FENCE), wait(3000)] },
  ],
  [
    'a duplicated RNR NAK counts twice against rnr_retry',
    true,
    { seed: 3, duplicate: 0.6, rnrRetry: 3, acts: [post(1, 'send', 257), post(1, 'send')] },
  ],
  [
    'a duplicated READ fills the place of the next one, which is refused (REM_INV_REQ_ERR)',
    false,
    {
      seed: 883681386,
      duplicate: 0.16,
      reorder: 0.15,
      jitterUs: 3,
      window: 65536,
      careful: true,
      acts: [
        ...[post(1, 'send', 0, 0), recv(0), post(0, 'send', 0, 0), post(1, 'write', 5633, 0), post(1, 'read', 0, 0)],
        ...[post(1, 'add', 0, 0), wait(3), wait(20), wait(3), wait(20), post(0, 'send', 0, 0), post(1, 'send', 0, 0)],
      ],
    },
  ],
];

describe('found by the model', () => {
  for (const [what, todo, scenario] of FOUND) {
    it(what, { todo }, () => {
      play({ ...NETWORK, ...scenario }, NOTHING);
    });
  }
});
