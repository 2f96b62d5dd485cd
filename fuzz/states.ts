// Takes queue pairs through their states, alone and in pairs, and replaces them.
import { QpAttrMask, QpState, QpType } from '../src/core/constants.ts';
import type { QpAttr } from '../src/core/qp.ts';
import * as verbs from '../src/core/verbs.ts';
import type { Dice } from './dice.ts';
import type { Slot } from './slot.ts';
import { QKEY, type World } from './world.ts';

const A = QpAttrMask;
const { RESET, INIT, RTR, RTS, SQD, SQE, ERR } = QpState;

export class States {
  private readonly world: World;
  private readonly dice: Dice;

  constructor(world: World) {
    this.world = world;
    this.dice = world.dice;
  }

  /** One transition of one queue pair, one that its state allows in most cases. */
  step(): string {
    const { dice } = this;
    const slot = dice.pick(this.world.slots);
    const from = slot.qp.attr.state;
    let to: number;
    if (dice.chance(0.05)) to = dice.below(7);
    else if (from === RESET) to = INIT;
    else if (from === INIT) to = dice.pick([RTR, RTR, RTR, INIT, ERR, RESET]);
    else if (from === RTR) to = dice.pick([RTS, RTS, RTS, RTS, ERR, RESET]);
    else if (from === RTS) to = dice.pick([SQD, SQD, RTS, RTS, ERR, RESET]);
    else if (from === SQD) to = dice.pick([SQD, SQD, RTS, RTS, ERR, RESET]);
    else if (from === SQE) to = dice.pick([RTS, RTS, ERR, RESET]);
    else to = RESET;
    this.go(slot, to, this.attributes(slot));
    return `QP ${slot.index} from ${from} to ${to}`;
  }

  private attributes(slot: Slot): Partial<QpAttr> {
    const { dice, world } = this;
    const peer = dice.chance(0.9) ? slot.peer : world.peerOf(dice.chance(0.5), dice.below(2));
    return {
      pkeyIndex: 0,
      port: 1,
      qkey: QKEY,
      accessFlags: dice.chance(0.8) ? 0x30f : dice.below(1024),
      av: world.av(peer.gid, peer.local),
      pathMtu: dice.pick([1, 1, 1, 2, 3, 5]),
      destQpn: slot.kind.partner < 0 ? dice.range(1, 0xfffffe) : world.slots[slot.kind.partner].qp.qpn,
      rqPsn: this.psn(),
      sqPsn: this.psn(),
      maxDestRdAtomic: dice.below(9),
      maxRdAtomic: dice.below(9),
      minRnrTimer: dice.below(32),
      timeout: dice.pick([0, 1, 1, 2, 5, 8, 14, 31]),
      retryCnt: dice.below(8),
      rnrRetry: dice.below(8),
      enSqdAsyncNotify: dice.chance(0.5),
    };
  }

  private psn(): number {
    const { dice } = this;
    return dice.pick([0, 0xffffff, 0xfffff0, 0x800000, 0x7ffffe, dice.below(0x1000000)]);
  }

  private go(slot: Slot, to: number, attr: Partial<QpAttr>): void {
    const { qp } = slot;
    const from = qp.attr.state;
    verbs.modifyQp(qp, { ...attr, state: to }, A.STATE | this.mask(slot, from, to));
    this.follow(slot);
    if (to === RESET) slot.forget();
    slot.mostJobs = Math.max(slot.mostJobs, qp.attr.maxDestRdAtomic);
  }

  private follow(slot: Slot): void {
    const { av } = slot.qp.attr;
    const { world } = this;
    if (av === null || Buffer.compare(slot.peer.gid, av.dgid) === 0) return;
    for (const self of [true, false])
      for (const local of [0, 1]) {
        const peer = world.peerOf(self, local);
        if (Buffer.compare(peer.gid, av.dgid) === 0) slot.peer = peer;
      }
  }

  /** What the transition needs, and some of what it allows. */
  private mask(slot: Slot, from: number, to: number): number {
    const { dice } = this;
    const { type } = slot.kind;
    const rc = type === QpType.RC;
    const ud = type === QpType.UD;
    const some = (mask: number): number => {
      let out = 0;
      for (let bit = 1; bit <= mask; bit <<= 1) if (mask & bit && dice.chance(0.3)) out |= bit;
      return out;
    };
    if (to === INIT && from === RESET) return A.PKEY_INDEX | A.PORT | (ud ? A.QKEY : A.ACCESS_FLAGS);
    if (to === RTR) {
      if (ud) return some(A.QKEY);
      return A.AV | A.PATH_MTU | A.DEST_QPN | A.RQ_PSN | (rc ? A.MAX_DEST_RD_ATOMIC | A.MIN_RNR_TIMER : 0);
    }
    if (to === RTS && from === RTR)
      return A.SQ_PSN | (rc ? A.TIMEOUT | A.RETRY_CNT | A.RNR_RETRY | A.MAX_QP_RD_ATOMIC : 0);
    if (to === RTS) return some(ud ? A.QKEY : rc && from !== SQE ? A.ACCESS_FLAGS | A.MIN_RNR_TIMER : A.ACCESS_FLAGS);
    if (to === SQD && from === RTS) return some(A.EN_SQD_ASYNC_NOTIFY);
    if (to === SQD && rc)
      return some(
        A.AV | A.ACCESS_FLAGS | A.TIMEOUT | A.RETRY_CNT | A.RNR_RETRY | A.MAX_QP_RD_ATOMIC | A.MAX_DEST_RD_ATOMIC,
      );
    if (to === SQD && type === QpType.UC) return some(A.AV | A.ACCESS_FLAGS);
    return 0;
  }

  /** Makes a queue pair ready anew; with its partner, when it has one. */
  connect(): string {
    return this.connectSlot(this.dice.pick(this.world.slots));
  }

  private connectSlot(slot: Slot): string {
    const { dice, world } = this;
    const { partner } = slot.kind;
    const mine = this.attributes(slot);
    if (partner < 0) {
      this.ready(slot, mine);
      return `connect ${slot.index}`;
    }
    const other = world.slots[partner];
    const theirs = this.attributes(other);
    const sane = dice.chance(0.95);
    for (const [s, attr, against] of [
      [slot, mine, theirs],
      [other, theirs, mine],
    ] as const) {
      const own = world.peerOf(true, s.kind.local);
      const av = world.av(own.gid, own.local);
      this.ready(s, { ...attr, av, ...(sane ? { rqPsn: against.sqPsn, pathMtu: mine.pathMtu } : {}) });
    }
    return `connect ${slot.index} with ${other.index}`;
  }

  private ready(slot: Slot, attr: Partial<QpAttr>): void {
    // Completions of a queue that was written over may still wait: its queue pair's number must not be used again.
    if (slot.send.dirty || (slot.recv.dirty && !slot.shared)) this.replace(slot);
    this.go(slot, RESET, attr);
    this.go(slot, INIT, attr);
    this.go(slot, RTR, attr);
    this.go(slot, RTS, attr);
  }

  /** Drains a queue pair that has much under way, changes what may be changed then, and mostly lets it go on. */
  drain(): string {
    const { world, dice } = this;
    const start = dice.below(world.slots.length);
    for (let i = 0; i < world.slots.length; i++) {
      const slot = world.slots[(start + i) % world.slots.length];
      const { qp } = slot;
      if (!slot.running || (qp.readsOut === 0 && qp.inflight === 0)) continue;
      const attr = this.attributes(slot);
      if (qp.attr.state === RTS) this.go(slot, SQD, attr);
      try {
        this.go(slot, SQD, attr);
      } finally {
        if (dice.chance(0.7)) this.go(slot, RTS, attr);
      }
      return `drain ${slot.index}`;
    }
    return 'nothing';
  }

  /** A queue pair that is in ERR, or whose CQ has failed, and so is of no more use. */
  revive(): string {
    const { world, dice } = this;
    const start = dice.below(world.slots.length);
    for (let i = 0; i < world.slots.length; i++) {
      const slot = world.slots[(start + i) % world.slots.length];
      const { qp } = slot;
      if (qp.sendCq.failed || qp.recvCq.failed) return this.replace(slot);
      if (qp.attr.state !== ERR && !(slot.running ? false : dice.chance(0.1))) continue;
      return this.connectSlot(slot);
    }
    return 'nothing';
  }

  replaceAny(): string {
    return this.replace(this.dice.pick(this.world.slots));
  }

  private replace(slot: Slot): string {
    const { world } = this;
    const { qpn } = slot.qp;
    verbs.destroyQp(slot.qp);
    world.owners.delete(qpn);
    world.createQp(slot);
    return `new QP in ${slot.index}`;
  }

  /** All to ERR: nothing may be under way then. */
  stopAll(): void {
    for (const { qp } of this.world.slots) verbs.modifyQp(qp, { state: ERR }, A.STATE);
  }
}
