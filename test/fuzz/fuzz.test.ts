// The fuzzer with a fixed seed, and proof that it sees what it looks for: faults are planted, and it must find them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { run } from '../../fuzz/run.ts';
import { Violation } from '../../fuzz/violation.ts';
import { KeyTable } from '../../src/core/keys.ts';
import { SoftCq } from '../../src/transport/cq.ts';
import { Requester } from '../../src/transport/requester.ts';
import { Timers } from '../../src/transport/timers.ts';
import { PeerWindow } from '../../src/transport/window.ts';

const SEED = 20_261_123;

describe('fuzzing', () => {
  it('200,000 inputs break nothing', () => {
    const { failures, inputs } = run({ inputs: 200_000, seed: SEED });
    for (const { epoch, input, error } of failures) {
      assert.fail(`npm run fuzz -- --seed ${SEED} --epoch ${epoch} (input ${input}): ${error.stack}`);
    }
    assert.equal(inputs, 200_000);
  });

  it('the same seed makes the same run', () => {
    const [a, b] = [1, 2].map(() => run({ inputs: 4000, seed: 5 }).sentPackets);
    assert.equal(a, b);
    assert.notEqual(run({ inputs: 4000, seed: 6 }).sentPackets, a);
  });
});

describe('the fuzzer finds', () => {
  const planted: [name: string, rule: RegExp, proto: object, method: string, fault: (real: never) => unknown][] = [
    [
      'remote access without the right',
      /without (a right|LOCAL_WRITE)|sealed|secret/,
      KeyTable.prototype,
      'remote',
      (real: KeyTable['remote']) =>
        function (this: KeyTable, rkey: number, qp: never, addr: number, length: number) {
          return [2, 4, 8].some((access) => real.call(this, rkey, qp, addr, length, access));
        },
    ],
    [
      'a range one byte too long',
      /beyond a region|canary/,
      KeyTable.prototype,
      'remote',
      (real: KeyTable['remote']) =>
        function (this: KeyTable, rkey: number, qp: never, addr: number, length: number, access: number) {
          return real.call(this, rkey, qp, addr, length - 1, access);
        },
    ],
    [
      'keys of another domain',
      /across domains|without a right/,
      KeyTable.prototype,
      'local',
      (real: KeyTable['local']) =>
        function (this: KeyTable, lkey: number, _pd: unknown, addr: number, length: number, write: boolean) {
          const pd = (this.find(lkey) as { pd?: never } | undefined)?.pd;
          return pd !== undefined && real.call(this, lkey, pd, addr, length, write);
        },
    ],
    [
      'a completion made twice',
      /not outstanding|out of order/,
      SoftCq.prototype,
      'complete',
      (real: SoftCq['complete']) =>
        function (this: SoftCq, ...args: Parameters<SoftCq['complete']>) {
          real.apply(this, args);
          if (args[0] % 100 === 0) real.apply(this, args);
        },
    ],
    [
      'a window that is not given back',
      /window/,
      PeerWindow.prototype,
      'release',
      (real: PeerWindow['release']) =>
        function (this: PeerWindow, cost: number) {
          return real.call(this, cost > 1500 ? cost - 1 : cost);
        },
    ],
    [
      'a timer that is forgotten',
      /timer/,
      Timers.prototype,
      'update',
      (real: Timers['update']) =>
        function (this: Timers, qp: never) {
          if ((qp as { qpn: number }).qpn % 4 !== 0) real.call(this, qp);
        },
    ],
    [
      'a retransmission from the wrong place',
      /PSNs out of order|next beyond|not fresh|inflight|malformed|cursor/,
      Requester.prototype,
      'seek',
      (real: Requester['seek']) =>
        function (this: Requester, qp: never, psn: number) {
          real.call(this, qp, (psn - 1) & 0xffffff);
        },
    ],
  ];
  for (const [name, rule, proto, method, fault] of planted) {
    it(name, () => {
      const real = Object.getOwnPropertyDescriptor(proto, method)!;
      Object.defineProperty(proto, method, { ...real, value: fault(real.value as never) });
      try {
        const { failures } = run({ inputs: 60_000, seed: SEED });
        assert.equal(failures.length, 1);
        assert.ok(failures[0].error instanceof Violation, failures[0].error.stack);
        assert.match(failures[0].rule, rule);
      } finally {
        Object.defineProperty(proto, method, real);
      }
    });
  }
});
