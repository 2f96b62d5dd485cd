// The queue pairs of the fuzzed world. A slot keeps its kind (type, domain, peer) while queue pairs come and go in it.
import { QpState, QpType } from '../src/core/constants.ts';
import type { ProtectionDomain } from '../src/core/pd.ts';
import type { SharedReceiveQueue } from '../src/core/srq.ts';
import type { SoftQp } from '../src/transport/qp.ts';
import { Outstanding, type Queues } from './ledger.ts';

/** Which way a queue pair's packets go. */
export interface Peer {
  /** Index of the own address, and the peer's address. */
  readonly local: number;
  readonly address: Uint8Array;
  readonly gid: Uint8Array;
}

export interface SlotKind {
  readonly type: number;
  /** Which protection domain. */
  readonly pd: number;
  readonly srq: boolean;
  /** The other slot of a pair that talk to each other; -1: the peer is the fuzzer alone. */
  readonly partner: number;
  /** 0: IPv6, 1: IPv4. */
  readonly local: number;
}

export class Slot implements Queues {
  readonly index: number;
  readonly kind: SlotKind;
  readonly pd: ProtectionDomain;
  qp!: SoftQp;
  send = new Outstanding();
  recv = new Outstanding();
  shared = false;
  /** What was posted last has not been rung for. */
  held = false;
  peer: Peer;
  /** The largest number of answers that it may have had to keep since it was reset. */
  mostJobs = 1;

  constructor(index: number, kind: SlotKind, pd: ProtectionDomain, peer: Peer) {
    this.index = index;
    this.kind = kind;
    this.pd = pd;
    this.peer = peer;
  }

  /** A new queue pair is in it. */
  occupy(qp: SoftQp, srq: SharedReceiveQueue | null, srqQueue: Outstanding): void {
    this.qp = qp;
    this.send = new Outstanding();
    this.recv = srq === null ? new Outstanding() : srqQueue;
    this.shared = srq !== null;
    this.mostJobs = 1;
  }

  /** It has been reset: what was posted is forgotten. */
  forget(): void {
    this.send.reset();
    this.mostJobs = 1;
    if (!this.shared) this.recv.reset();
  }

  get running(): boolean {
    const { state } = this.qp.attr;
    return state === QpState.RTS || state === QpState.SQD;
  }
}

const { RC, UC, UD } = QpType;
const kind = (type: number, partner: number, more: Partial<SlotKind> = {}): SlotKind => ({
  type,
  partner,
  pd: 0,
  srq: false,
  local: 0,
  ...more,
});

/** The population: pairs that talk to each other through the fuzzer's hands, and single ones that it talks to itself. */
export const POPULATION: readonly SlotKind[] = [
  ...[kind(RC, 1), kind(RC, 0), kind(RC, 3), kind(RC, 2), kind(RC, 5, { local: 1 }), kind(RC, 4, { local: 1 })],
  ...[kind(RC, 7, { srq: true }), kind(RC, 6, { srq: true }), kind(RC, 9, { pd: 1 }), kind(RC, 8, { pd: 1 })],
  ...[kind(RC, -1), kind(RC, -1), kind(RC, -1, { local: 1 }), kind(RC, -1, { srq: true }), kind(RC, -1, { pd: 1 })],
  ...[kind(UC, 16), kind(UC, 15), kind(UC, -1), kind(UC, -1, { local: 1 }), kind(UC, -1, { pd: 1 })],
  ...[kind(UD, -1), kind(UD, -1, { local: 1 }), kind(UD, -1, { srq: true }), kind(UD, -1, { pd: 1 })],
];
