// A port's table of GIDs: one per address of its link. An index once given stays with its address while that exists.
import type { LinkAddress } from '../link/link.ts';
import { gidFromAddress, gidsEqual, gidToText, isLinkLocalGid } from './gid-text.ts';

/** As sysfs names them (`gid_attrs/types`): a GID of RoCE is an IP address, one of InfiniBand a prefix and a GUID. */
export type GidType = 'RoCE v2' | 'IB/RoCE v1';

/** `struct ibv_gid_entry`. */
export interface GidEntry {
  readonly index: number;
  /** 16 bytes. */
  readonly gid: Uint8Array;
  /** The GID as text. */
  readonly text: string;
  readonly type: GidType;
  /** The link's address behind the GID. */
  readonly address: LinkAddress;
  /** The network interface that has the address; '' where there is none. */
  readonly netdev: string;
}

export class GidTable {
  private readonly entries: (GidEntry | null)[];
  private used: readonly GidEntry[] = [];
  /** Called after an address came or went; the device raises GID_CHANGE. */
  onChange: ((entry: GidEntry, added: boolean) => void) | null = null;

  constructor(length: number) {
    this.entries = new Array<GidEntry | null>(length).fill(null);
  }

  /** The size of the table, free entries included (`gid_tbl_len`). */
  get length(): number {
    return this.entries.length;
  }

  at(index: number): GidEntry | null {
    return this.entries[index] ?? null;
  }

  /** The index of a GID, or -1. */
  indexOf(gid: Uint8Array): number {
    for (let i = 0; i < this.entries.length; i++) {
      const entry = this.entries[i];
      if (entry !== null && gidsEqual(entry.gid, gid)) return i;
    }
    return -1;
  }

  /** The entries in use. */
  list(): readonly GidEntry[] {
    return this.used;
  }

  private put(index: number, entry: GidEntry | null): void {
    this.entries[index] = entry;
    this.used = this.entries.filter((e) => e !== null);
  }

  /** Enters an address at the first free index. False when it is there already or the table is full. */
  add(address: LinkAddress, netdev = '', type: GidType = 'RoCE v2'): boolean {
    const gid = gidFromAddress(address.bytes);
    const index = this.entries.indexOf(null);
    if (index < 0 || this.indexOf(gid) >= 0) return false;
    const entry: GidEntry = { index, gid, text: gidToText(gid), type, address, netdev };
    this.put(index, entry);
    this.onChange?.(entry, true);
    return true;
  }

  remove(gid: Uint8Array): boolean {
    const index = this.indexOf(gid);
    if (index < 0) return false;
    const entry = this.entries[index]!;
    this.put(index, null);
    this.onChange?.(entry, false);
    return true;
  }

  /**
   * Makes the table hold exactly these addresses. Those that stay keep their index; of the new ones a link-local address
   * comes first, as Linux keeps index 0 for it (`ib_cache_gid_set_default_gid`). Linux makes that GID from the MAC; here
   * it is there only if the link has the address, because a socket cannot send from one it has not.
   */
  sync(addresses: readonly LinkAddress[], netdev = ''): void {
    const wanted = addresses.map((address) => ({ address, gid: gidFromAddress(address.bytes) }));
    for (const entry of this.list()) {
      if (!wanted.some(({ gid }) => gidsEqual(gid, entry.gid))) this.remove(entry.gid);
    }
    const isFirst = ({ gid }: { gid: Uint8Array }): number => (isLinkLocalGid(gid) ? 0 : 1);
    for (const { address } of wanted.toSorted((a, b) => isFirst(a) - isFirst(b))) this.add(address, netdev);
  }
}
