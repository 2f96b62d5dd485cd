// Multicast groups of a device: which queue pairs are attached to which group.
import { gidsEqual } from './gid-text.ts';
import { VerbsObject } from './object.ts';
import type { QueuePair } from './qp.ts';

/** One queue pair in one group. */
export class McastAttachment extends VerbsObject {
  readonly kind = 'mcast';
  readonly qp: QueuePair;
  /** 16 bytes. */
  readonly gid: Uint8Array;
  readonly lid: number;

  constructor(qp: QueuePair, gid: Uint8Array, lid: number) {
    super(qp.context);
    this.qp = qp;
    this.gid = gid;
    this.lid = lid;
  }
}

interface Group {
  readonly gid: Uint8Array;
  /** Replaced, never changed: a packet's delivery may be walking over it. */
  members: readonly QueuePair[];
}

const NOBODY: readonly QueuePair[] = Object.freeze([]);

export class MulticastTable {
  // By the last four bytes, which is where groups differ; a bucket has one group but for rare clashes.
  private readonly buckets = new Map<number, Group[]>();
  private groups = 0;
  /** The first queue pair was attached to a group: the port joins it on the network. If it throws, nobody is attached. */
  onFirst: ((gid: Uint8Array) => void) | null = null;
  /** The last queue pair was detached from a group. */
  onLast: ((gid: Uint8Array) => void) | null = null;

  /** Groups with members. */
  get size(): number {
    return this.groups;
  }

  /** The queue pairs attached to a group. Allocates nothing: it is asked for every multicast packet. */
  membersOf(gid: Uint8Array): readonly QueuePair[] {
    return this.group(gid)?.members ?? NOBODY;
  }

  has(gid: Uint8Array, qp: QueuePair): boolean {
    return this.membersOf(gid).includes(qp);
  }

  /** Attaches a queue pair; false when it was attached already. */
  attach(gid: Uint8Array, qp: QueuePair): boolean {
    const group = this.group(gid);
    if (group !== undefined) {
      if (group.members.includes(qp)) return false;
      group.members = [...group.members, qp];
      return true;
    }
    const own = Uint8Array.from(gid);
    this.onFirst?.(own);
    const key = keyOf(own);
    const bucket = this.buckets.get(key);
    if (bucket === undefined) this.buckets.set(key, [{ gid: own, members: [qp] }]);
    else bucket.push({ gid: own, members: [qp] });
    this.groups++;
    return true;
  }

  /** Detaches a queue pair; false when it was not attached. */
  detach(gid: Uint8Array, qp: QueuePair): boolean {
    const group = this.group(gid);
    if (group === undefined || !group.members.includes(qp)) return false;
    group.members = group.members.filter((member) => member !== qp);
    if (group.members.length > 0) return true;
    const key = keyOf(gid);
    const rest = this.buckets.get(key)!.filter((other) => other !== group);
    if (rest.length > 0) this.buckets.set(key, rest);
    else this.buckets.delete(key);
    this.groups--;
    this.onLast?.(group.gid);
    return true;
  }

  private group(gid: Uint8Array): Group | undefined {
    const bucket = this.buckets.get(keyOf(gid));
    if (bucket === undefined) return undefined;
    for (let i = 0; i < bucket.length; i++) if (gidsEqual(bucket[i].gid, gid)) return bucket[i];
    return undefined;
  }
}

// 30 bits, so that the key is a small integer and looking it up allocates nothing.
function keyOf(gid: Uint8Array): number {
  return ((gid[12] & 0x3f) << 24) | (gid[13] << 16) | (gid[14] << 8) | gid[15];
}
