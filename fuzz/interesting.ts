// Values that are near an edge of something.
import { QpType } from '../src/core/constants.ts';
import { psnAdd } from '../src/transport/psn.ts';
import type { Dice } from './dice.ts';
import { REGION_BYTES, type Region } from './memory.ts';
import type { Slot } from './slot.ts';
import type { World } from './world.ts';

export const WORDS: readonly number[] = [
  ...[0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 511, 512, 1023, 1024, 4095, 4096, 8191, 8192],
  ...[0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffff, 0x800000, 0xffffff, 0x1000000, 0x7fffffff, 0x80000000, 0xfffffffe],
  0xffffffff,
];

/** A PSN that a queue pair looks at closely. */
export function psnNear(dice: Dice, slot: Slot, response: boolean): number {
  const { qp } = slot;
  switch (dice.weighted([40, 20, 10, 10, 8, 4, 4, 4])) {
    case 0:
      return response ? qp.una : qp.ePsn;
    case 1:
      return response ? spread(dice, qp.una, qp.sndMax) : psnAdd(qp.ePsn, dice.range(-3, 2));
    case 2:
      return psnAdd(qp.sndMax, dice.range(-3, 1));
    case 3:
      return psnAdd(qp.una, dice.range(-2, 2));
    case 4:
      return psnAdd(qp.ePsn, -dice.range(1, 40));
    case 5:
      return psnAdd(response ? qp.una : qp.ePsn, 0x800000 + dice.range(-1, 1));
    case 6:
      return psnAdd(qp.nextPsn, dice.range(-1, 1));
    default:
      return dice.below(0x1000000);
  }
}

function spread(dice: Dice, from: number, to: number): number {
  const n = (to - from) & 0xffffff;
  return psnAdd(from, dice.below(Math.min(n, 64) + 1));
}

/** Bytes of a message of a queue pair: often at an edge of its packets. */
export function messageLength(dice: Dice, slot: Slot): number {
  const { mtu } = slot.qp;
  switch (dice.weighted([10, 25, 20, 20, 5, 3])) {
    case 0:
      return 0;
    case 1:
      return dice.range(1, 64);
    case 2:
      return mtu + dice.range(-1, 1);
    case 3:
      return dice.below(Math.min(mtu * 9, REGION_BYTES));
    case 4:
      return mtu * dice.range(1, 20);
    default:
      return dice.pick(WORDS);
  }
}

export interface Target {
  va: number;
  key: number;
  length: number;
}

/** A remote range: mostly one that may be reached, at times one next to it. */
export function target(dice: Dice, world: World, slot: Slot, length: number): Target {
  const region: Region = dice.chance(0.98) ? dice.pick(world.regionsOf(slot.pd)) : dice.pick(world.arena.regions);
  let mr = region?.mr;
  // Most of the time one that is open to all kinds of requests.
  for (let n = 0; n < 3 && mr && (mr.access & 0xf) !== 0xf; n++) mr = dice.pick(world.regionsOf(slot.pd))?.mr;
  if (!mr || dice.chance(0.01)) return { va: dice.u32() * dice.u32(), key: dice.u32(), length };
  const mw = dice.chance(0.08) ? dice.pick(world.windows) : null;
  const start = mw === null ? mr.iova : mw.addr;
  const size = mw === null ? REGION_BYTES : mw.length;
  let key = mw === null ? mr.rkey : mw.rkey;
  if (dice.chance(0.02)) key = (key ^ (1 << dice.below(32))) >>> 0;
  const room = Math.max(0, size - length);
  const edge = dice.chance(0.1);
  let va = start + (edge ? dice.pick([0, room, room, room + 1, room + 1, -1, size, size - 1]) : dice.below(room + 1));
  if (!edge && dice.chance(0.6)) va -= va % 8;
  if (dice.chance(0.02)) va = dice.pick([0, 2 ** 32, 2 ** 48, 2 ** 53, 2 ** 63, 2 ** 64 - 2048]) + dice.pick([0, va]);
  return { va: Math.max(0, va), key, length };
}

export const transportBits = (slot: Slot): number =>
  slot.kind.type === QpType.RC ? 0 : slot.kind.type === QpType.UC ? 0x20 : 0x60;
