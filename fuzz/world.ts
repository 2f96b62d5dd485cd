// One device with memory, queues and queue pairs, whose only peer is the fuzzer.

import type { AddressHandle, AddressVector } from '../src/core/ah.ts';
import { Access, MwType, QpType } from '../src/core/constants.ts';
import type { Context } from '../src/core/context.ts';
import type { CompletionQueue } from '../src/core/cq.ts';
import { gidFromAddress } from '../src/core/gid-text.ts';
import type { MemoryRegion, MemoryWindow } from '../src/core/mr.ts';
import type { ProtectionDomain } from '../src/core/pd.ts';
import type { SharedReceiveQueue } from '../src/core/srq.ts';
import * as verbs from '../src/core/verbs.ts';
import { WorkCompletion } from '../src/core/work.ts';
import { Rxe } from '../src/drivers/rxe/driver.ts';
import { parseAddress } from '../src/link/address.ts';
import type { SoftQp } from '../src/transport/qp.ts';
import { Delivery } from './delivery.ts';
import { Dice } from './dice.ts';
import { Outstanding, settle } from './ledger.ts';
import { FuzzLink } from './link.ts';
import { Arena, type Region } from './memory.ts';
import { PacketPool } from './pool.ts';
import { type Peer, POPULATION, Slot } from './slot.ts';

const SELF = ['fd00::1', '10.0.0.1'];
const STRANGERS = ['fd00::2', '10.0.0.2'];
export const GROUP: Uint8Array = parseAddress('ff1e::77').bytes;
export const QKEY = 0x11111111;
/** A window that several packets fill, so that queue pairs come to wait for it. */
const WINDOW = 12 * 1024;
const CQS = 5;
const CQE = [2047, 1023, 511, 255, 31];

const { LOCAL_WRITE, REMOTE_WRITE, REMOTE_READ, REMOTE_ATOMIC, MW_BIND, ZERO_BASED, FLUSH_GLOBAL } = Access;
const ALL = LOCAL_WRITE | REMOTE_WRITE | REMOTE_READ | REMOTE_ATOMIC | MW_BIND | FLUSH_GLOBAL;
/** Rights of each region, its domain, and the address of its first byte. */
const REGIONS: readonly [access: number, pd: number, iova: number][] = [
  [ALL, 0, 0x100000],
  [ALL, 0, 0x7f00_0000_0000],
  [LOCAL_WRITE, 0, 0x200000],
  [0, 0, 0x300000],
  [REMOTE_READ, 0, 0x100000],
  [LOCAL_WRITE | REMOTE_WRITE, 0, Number.MAX_SAFE_INTEGER - 8192],
  [LOCAL_WRITE | REMOTE_ATOMIC, 0, 0xffff_f000],
  [ALL | ZERO_BASED, 0, 0x5000],
  [LOCAL_WRITE | MW_BIND, 0, 0x600004],
  [ALL, 1, 0x100000],
  [LOCAL_WRITE, 1, 0x200000],
];

export class World {
  readonly dice = new Dice();
  readonly arena = new Arena(REGIONS.length);
  readonly pool = new PacketPool();
  readonly corpus: readonly Buffer[];
  readonly link: FuzzLink;
  readonly delivery: Delivery;
  readonly rxe: Rxe;
  readonly context: Context;
  readonly pds: ProtectionDomain[];
  readonly cqs: CompletionQueue[] = [];
  readonly dirtyCqs = new Set<CompletionQueue>();
  srq!: SharedReceiveQueue;
  srqQueue = new Outstanding();
  readonly slots: Slot[] = [];
  readonly owners = new Map<number, Slot>();
  readonly windows: MemoryWindow[] = [];
  readonly ahs: AddressHandle[] = [];
  now = 1000;
  events = 0;
  /** Names of the actions of this run, when someone wants to read them. */
  log: string[] | null = null;
  private lastWr = 0;
  private readonly wcs: WorkCompletion[] = Array.from({ length: 64 }, () => new WorkCompletion());

  constructor(corpus: readonly Buffer[]) {
    this.corpus = corpus;
    this.dice.seed(1, 2, 3);
    this.delivery = new Delivery(this);
    this.link = new FuzzLink(SELF, WINDOW, this.delivery);
    this.arena.judge = this.delivery;
    this.rxe = new Rxe({
      name: 'fuzz%d',
      link: this.link,
      clock: () => this.now,
      random: (below) => this.dice.below(below),
    });
    this.fixKeys();
    // Rings as another process would share them: it may write anything there.
    const queueMemory = (bytes: number): Buffer<ArrayBuffer> => Buffer.from(new ArrayBuffer(bytes));
    this.context = verbs.openContext(this.rxe.device, { owner: 'fuzz', queueMemory });
    this.context.onAsyncEvent = () => void this.events++;
    this.pds = [verbs.allocPd(this.context), verbs.allocPd(this.context)];
    for (const [access, pd] of REGIONS) this.register(this.arena.add(access, this.pds[pd]));
    for (let i = 0; i < CQS; i++) this.cqs.push(verbs.createCq(this.context, CQE[i]));
    this.srq = verbs.createSrq(this.pds[0], { maxWr: 60, maxSge: 3, limit: 0 });
    for (const [pd, type] of [
      [0, MwType.TYPE_1],
      [0, MwType.TYPE_2],
      [0, MwType.TYPE_2],
      [1, MwType.TYPE_2],
    ])
      this.windows.push(verbs.allocMw(this.pds[pd], type));
    this.arena.windows = this.windows;
    for (const pd of this.pds)
      for (const local of [0, 1])
        for (const to of [SELF, STRANGERS])
          this.ahs.push(verbs.createAh(pd, this.av(this.peer(local, to[local]).gid, local)));
    this.ahs.push(verbs.createAh(this.pds[0], this.av(GROUP, 0)));
    for (const kind of POPULATION) {
      const peer = this.peer(kind.local, (kind.partner < 0 ? STRANGERS : SELF)[kind.local]);
      const slot = new Slot(this.slots.length, kind, this.pds[kind.pd], peer);
      this.slots.push(slot);
      this.createQp(slot);
    }
  }

  /** Keys are drawn by node:crypto; here the seed draws them. */
  private fixKeys(): void {
    const keys = this.rxe.device.keys as unknown as { entries: Map<number, unknown>; insert(entry: unknown): number };
    keys.insert = (entry) => {
      for (;;) {
        const key = this.dice.u32();
        if (keys.entries.has(key & ~0xff) || key < 256) continue;
        keys.entries.set(key & ~0xff, entry);
        return key;
      }
    };
  }

  private peer(local: number, text: string): Peer {
    const address = parseAddress(text).bytes;
    return { local, address, gid: gidFromAddress(address) };
  }

  stranger(local: number): Uint8Array {
    return parseAddress(STRANGERS[local]).bytes;
  }

  peerOf(self: boolean, local: number): Peer {
    return this.peer(local, (self ? SELF : STRANGERS)[local]);
  }

  av(dgid: Uint8Array, local: number): AddressVector {
    const address = this.link.addresses[local];
    const { gids } = this.rxe.device;
    let sgidIndex = 0;
    while (gids.at(sgidIndex)?.address !== address) sgidIndex++;
    return { dgid, sgidIndex, trafficClass: 0, hopLimit: 64, flowLabel: 0, port: 1, sl: 0, dlid: 0 };
  }

  register(region: Region): MemoryRegion {
    const [, , iova] = REGIONS[region.index];
    region.mr = verbs.regMr(region.pd, region, { access: region.access, iova });
    return region.mr;
  }

  createQp(slot: Slot): void {
    const { dice } = this;
    const usable = this.cqs.filter((cq) => !cq.failed);
    const { kind, pd } = slot;
    const srq = kind.srq ? this.srq : null;
    const cap = {
      maxSendWr: dice.pick([3, 15, 60]),
      maxRecvWr: dice.pick([3, 15, 60]),
      maxSendSge: dice.range(1, 4),
      maxRecvSge: dice.range(1, 4),
      maxInlineData: dice.pick([0, 64, 200]),
    };
    const sendCq = usable.length === 0 ? this.cqs[0] : dice.pick(usable);
    const recvCq = usable.length === 0 ? this.cqs[0] : dice.pick(usable);
    const sqSigAll = dice.chance(0.3);
    const qp = verbs.createQp(pd, { type: kind.type, sendCq, recvCq, srq, cap, sqSigAll }) as SoftQp;
    slot.occupy(qp, srq, this.srqQueue);
    this.owners.set(qp.qpn, slot);
  }

  /** A number for a work request: unlike all others, and in both halves. */
  nextWr(): number {
    return 5 * 2 ** 32 + ++this.lastWr;
  }

  poll(cq: CompletionQueue, max: number): void {
    const n = this.rxe.device.ops.pollCq(cq, Math.min(max, this.wcs.length), this.wcs);
    if (this.dirtyCqs.has(cq)) return;
    for (let i = 0; i < n; i++) {
      const slot = this.owners.get(this.wcs[i].qpn);
      // Of a queue pair that is no more.
      if (slot === undefined || slot.qp.qpn !== this.wcs[i].qpn) continue;
      settle(slot, this.wcs[i]);
    }
  }

  regionsOf(pd: ProtectionDomain): Region[] {
    return this.arena.regions.filter((r) => r.pd === pd && r.mr !== null);
  }

  /** Closes everything; what must be left then is checked by the caller. */
  close(): void {
    verbs.closeContext(this.context);
    this.rxe.close();
  }

  udSlots(): Slot[] {
    return this.slots.filter((s) => s.kind.type === QpType.UD);
  }
}
