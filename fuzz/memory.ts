// The memory of the fuzzed device: one array in which regions lie between canaries. Each access is judged where it happens,
// by rules written here anew, not by the key table that let it pass.
import { Access, MwType } from '../src/core/constants.ts';
import type { Memory } from '../src/core/memory.ts';
import type { MemoryRegion, MemoryWindow } from '../src/core/mr.ts';
import type { ProtectionDomain } from '../src/core/pd.ts';
import { violated } from './violation.ts';

export const REGION_BYTES = 8192;
const GAP = 512;
/** What lies between regions: in no packet, ever. */
export const CANARY: Buffer = Buffer.from('CaNaRy!\xc5', 'latin1');
/** What fills regions that no peer may read. */
export const SECRET: Buffer = Buffer.from('SeCrEt?\xe7', 'latin1');

/** One stretch of the arena: what it may be used for, as it was registered. */
export class Region implements Memory {
  readonly byteLength: number = REGION_BYTES;
  readonly base: number;
  readonly index: number;
  /** Never to change: registered without LOCAL_WRITE, always. */
  readonly sealed: boolean;
  access: number;
  pd: ProtectionDomain;
  mr: MemoryRegion | null = null;
  private readonly arena: Arena;

  constructor(arena: Arena, index: number, access: number, pd: ProtectionDomain) {
    this.arena = arena;
    this.index = index;
    this.base = GAP + index * (REGION_BYTES + GAP);
    this.access = access;
    this.pd = pd;
    this.sealed = (access & Access.LOCAL_WRITE) === 0;
  }

  read(offset: number, dst: Buffer, at: number, length: number): boolean {
    this.check(offset, length, 'read');
    this.arena.judge.read(this, offset, length);
    this.arena.bytes.copy(dst, at, this.base + offset, this.base + offset + length);
    return true;
  }

  write(offset: number, src: Buffer, at: number, length: number): boolean {
    this.check(offset, length, 'write');
    if ((this.access & Access.LOCAL_WRITE) === 0)
      violated('write without LOCAL_WRITE', `region ${this.index}, access ${this.access}`);
    if (at < 0 || at + length > src.length) violated('write from beyond a packet', `${length} bytes at ${at}`);
    this.arena.judge.write(this, offset, length);
    src.copy(this.arena.bytes, this.base + offset, at, at + length);
    return true;
  }

  private check(offset: number, length: number, what: string): void {
    this.arena.accesses++;
    if (this.mr === null || this.mr.destroyed) violated(`${what} of a deregistered region`, `region ${this.index}`);
    if (!(Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length > 0))
      violated(`${what} of a strange range`, `${length} bytes at ${offset}`);
    if (offset + length > REGION_BYTES) violated(`${what} beyond a region`, `${length} bytes at ${offset}`);
  }

  /** Does `rkey` give the peer of `qp` this right to the range: the region's own key, or a window's? */
  grants(rkey: number | null, qp: object, pd: unknown, offset: number, length: number, right: number): boolean {
    const mr = this.mr!;
    if (pd !== this.pd) return false;
    if ((rkey === null || rkey === mr.rkey) && (this.access & right) !== 0) return true;
    for (const mw of this.arena.windows) {
      if (mw.destroyed || mw.mr !== mr || mw.pd !== pd || (mw.access & right) === 0) continue;
      if (rkey !== null && mw.rkey !== rkey) continue;
      if (mw.type === MwType.TYPE_2 && mw.qp !== qp) continue;
      if (offset >= mw.offset && offset + length <= mw.offset + mw.length) return true;
    }
    return false;
  }
}

/** Who says whether an access was right, knowing which packet is in hand. */
export interface Judge {
  read(region: Region, offset: number, length: number): void;
  write(region: Region, offset: number, length: number): void;
}

export class Arena {
  readonly bytes: Buffer;
  readonly regions: Region[] = [];
  windows: MemoryWindow[] = [];
  judge!: Judge;
  accesses = 0;
  private readonly pristine: Buffer;

  constructor(count: number) {
    this.bytes = Buffer.from(new ArrayBuffer(GAP + count * (REGION_BYTES + GAP)));
    this.bytes.fill(CANARY);
    this.pristine = Buffer.from(this.bytes);
  }

  add(access: number, pd: ProtectionDomain): Region {
    const region = new Region(this, this.regions.length, access, pd);
    this.regions.push(region);
    const open = (access & Access.REMOTE_READ) !== 0;
    const bytes = this.bytes.subarray(region.base, region.base + REGION_BYTES);
    if (open) for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7 + region.index * 31 + (i >> 8)) & 0xff;
    else bytes.fill(SECRET);
    bytes.copy(this.pristine, region.base);
    return region;
  }

  /** The gaps, and the regions that nobody may write, are as they were. */
  check(): void {
    const { bytes, pristine } = this;
    const end = bytes.length;
    if (bytes.compare(pristine, 0, GAP, 0, GAP) !== 0) violated('canary changed', 'before the first region');
    for (const region of this.regions) {
      const from = region.base + (region.sealed ? 0 : REGION_BYTES);
      const to = Math.min(end, region.base + REGION_BYTES + GAP);
      if (bytes.compare(pristine, from, to, from, to) !== 0)
        violated(region.sealed ? 'sealed region changed' : 'canary changed', `region ${region.index}`);
    }
  }
}
