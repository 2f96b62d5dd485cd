// Random lives of objects: whatever is made and destroyed in whatever order, the counts are right and EBUSY is the answer
// exactly while something stands on an object.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AddressHandle } from '../../src/core/ah.ts';
import { Access, MwType, QpType } from '../../src/core/constants.ts';
import type { CompletionChannel, CompletionQueue } from '../../src/core/cq.ts';
import type { VerbsError } from '../../src/core/errors.ts';
import { gidFromText } from '../../src/core/gid-text.ts';
import type { ObjectOf } from '../../src/core/handles.ts';
import type { MemoryRegion, MemoryWindow } from '../../src/core/mr.ts';
import { McastAttachment } from '../../src/core/multicast.ts';
import type { ObjectKind, VerbsObject } from '../../src/core/object.ts';
import type { ProtectionDomain } from '../../src/core/pd.ts';
import type { QueuePair } from '../../src/core/qp.ts';
import type { SharedReceiveQueue } from '../../src/core/srq.ts';
import { parentsOf } from '../../src/core/tracking.ts';
import * as verbs from '../../src/core/verbs.ts';
import { av, CAP, memory } from './fake-driver.ts';
import { Fixture } from './fixture.ts';

const DESTROY: Record<Exclude<ObjectKind, 'extension'>, (object: never) => unknown> = {
  pd: (it: ProtectionDomain) => verbs.deallocPd(it),
  mr: (it: MemoryRegion) => verbs.deregMr(it),
  mw: (it: MemoryWindow) => verbs.deallocMw(it),
  cq: (it: CompletionQueue) => verbs.destroyCq(it),
  comp_channel: (it: CompletionChannel) => verbs.destroyCompChannel(it),
  qp: (it: QueuePair) => verbs.destroyQp(it),
  srq: (it: SharedReceiveQueue) => verbs.destroySrq(it),
  ah: (it: AddressHandle) => verbs.destroyAh(it),
  mcast: (it: McastAttachment) => verbs.detachMcast(it.qp, it.gid),
};
const KINDS = Object.keys(DESTROY) as (keyof typeof DESTROY)[];
const GROUPS = ['ff0e::1', 'ff0e::2'].map(gidFromText);

class World {
  readonly live: VerbsObject[] = [];
  private readonly fixture: Fixture;

  constructor(fixture: Fixture) {
    this.fixture = fixture;
    this.live.push(fixture.pd, fixture.cq);
  }

  pick<K extends ObjectKind>(kind: K, n: number): ObjectOf[K] | undefined {
    const all = this.live.filter((it) => it.kind === kind);
    return all[n % all.length] as ObjectOf[K] | undefined;
  }

  make(kind: keyof typeof DESTROY, n: number): VerbsObject | undefined {
    const { context } = this.fixture;
    const pd = this.pick('pd', n);
    const cq = this.pick('cq', n);
    if (kind === 'pd') return verbs.allocPd(context);
    if (kind === 'comp_channel') return verbs.createCompChannel(context);
    if (kind === 'cq') return verbs.createCq(context, 4, n % 2 ? null : this.pick('comp_channel', n));
    if (kind === 'mcast') {
      const qp = this.pick('qp', n);
      if (qp?.type !== QpType.UD) return undefined;
      const it = verbs.attachMcast(qp, GROUPS[n % 2]);
      return this.live.includes(it) ? undefined : it;
    }
    if (pd === undefined) return undefined;
    if (kind === 'mr') return verbs.regMr(pd, memory(16), { access: Access.MW_BIND });
    if (kind === 'mw') return verbs.allocMw(pd, n % 2 ? MwType.TYPE_1 : MwType.TYPE_2);
    if (kind === 'srq') return verbs.createSrq(pd, { maxWr: 4, maxSge: 1, limit: 0 });
    if (kind === 'ah') return verbs.createAh(pd, av());
    if (cq === undefined) return undefined;
    const srq = n % 3 ? null : this.pick('srq', n);
    return verbs.createQp(pd, {
      type: n % 2 ? QpType.UD : QpType.RC,
      sendCq: cq,
      recvCq: this.pick('cq', n + 1)!,
      srq,
      cap: CAP,
    });
  }

  bind(n: number): void {
    const [mw, mr, qp] = [this.pick('mw', n), this.pick('mr', n >> 2), this.pick('qp', n)];
    if (mw === undefined || mr === undefined) return;
    if (n % 3 === 0) mw.unbind();
    else mw.bind(mr, 0, 0, 16, Access.REMOTE_READ, mw.type === MwType.TYPE_2 ? (qp ?? null) : null);
  }

  destroy(kind: keyof typeof DESTROY, n: number): void {
    const object = this.pick(kind, n);
    if (object === undefined) return;
    const busy = this.users(object) > 0;
    try {
      DESTROY[kind](object as never);
      assert.ok(!busy, `${kind} was destroyed under its users`);
      this.live.splice(this.live.indexOf(object), 1);
    } catch (error) {
      if ((error as VerbsError).code !== 'EBUSY') throw error;
      assert.ok(busy, `${kind} was busy without users`);
    }
  }

  /** Who stands on an object, counted anew. */
  users(object: VerbsObject): number {
    let n = 0;
    for (const other of this.live) {
      n += parentsOf(other).filter((parent) => parent === object).length;
      if (other.kind === 'mw' && (other as MemoryWindow).mr === object) n++;
    }
    return n;
  }

  verify(): void {
    const { context, device } = this.fixture;
    assert.deepEqual(new Set(context.objects.values()), new Set(this.live));
    for (const object of this.live) assert.equal(object.users, this.users(object), `${object.kind} ${object.handle}`);
    for (const kind of KINDS) assert.equal(device.counts[kind], this.live.filter((it) => it.kind === kind).length);
    const keyed = this.live.filter((it) => it.kind === 'mr' || it.kind === 'mw').length;
    assert.equal(device.keys.size, keyed);
    const groups = new Set(
      this.live.flatMap((it) => (it instanceof McastAttachment ? [GROUPS.findIndex((g) => g[15] === it.gid[15])] : [])),
    );
    assert.equal(device.mcast.size, groups.size);
  }
}

test('random lives', (t) => {
  const action = fc.oneof(
    fc.record({ do: fc.constant('make' as const), kind: fc.constantFrom(...KINDS), n: fc.nat(30) }),
    fc.record({ do: fc.constant('destroy' as const), kind: fc.constantFrom(...KINDS), n: fc.nat(30) }),
    fc.record({ do: fc.constant('bind' as const), kind: fc.constant('mw' as const), n: fc.nat(30) }),
  );
  fc.assert(
    fc.property(fc.array(action, { minLength: 20, maxLength: 80 }), (actions) => {
      const big = {
        maxPd: 99,
        maxMr: 99,
        maxMw: 99,
        maxCq: 99,
        maxQp: 99,
        maxSrq: 99,
        maxAh: 99,
        maxMcastQpAttach: 99,
      };
      const after: (() => void)[] = [];
      const f = new Fixture({ ...t, after: (fn: () => void) => after.push(fn) } as never, { attributes: big });
      const world = new World(f);
      for (const { do: what, kind, n } of actions) {
        if (what === 'destroy') world.destroy(kind, n);
        else if (what === 'bind') world.bind(n);
        else {
          const made = world.make(kind, n);
          if (made !== undefined) world.live.push(made);
        }
        world.verify();
      }
      verbs.closeContext(f.context);
      world.live.length = 0;
      world.verify();
      for (const fn of after) fn();
    }),
    { seed: 4791, numRuns: 150 },
  );
});
