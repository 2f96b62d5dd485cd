// What one context may hold. The device's own maxima bound all contexts together; these bound each.
import type { ObjectKind } from './object.ts';

/** The most objects of each kind that a context may have, and the most bytes its memory regions may cover. */
export type Limits = Readonly<Record<ObjectKind, number> & { registeredBytes: number }>;

/** Generous: a context meets the device's maxima first, unless its owner is given less. */
export const DEFAULT_LIMITS: Limits = {
  pd: 1 << 16,
  mr: 1 << 20,
  mw: 1 << 20,
  cq: 1 << 16,
  comp_channel: 1 << 12,
  qp: 1 << 16,
  srq: 1 << 16,
  ah: 1 << 14,
  mcast: 1 << 16,
  extension: 1 << 16,
  registeredBytes: Number.MAX_SAFE_INTEGER,
};

export function limitsWith(given: Partial<Limits> = {}): Limits {
  return { ...DEFAULT_LIMITS, ...given };
}
