// The sending half of a UdpLink: an arena where datagrams are built, in batches that each leave in one GSO send.
import * as C from '../os/constants.ts';
import { errno, type Libc, libc } from '../os/libc.ts';
import { addressOf, allocate } from '../os/memory.ts';
import type { LinkStats } from './link.ts';
import type { UdpFlow } from './udp-flow.ts';

const ARENA_BYTES = 4 * 65536;
const MAX_BATCHES = 256;
/** UDP_MAX_SEGMENTS of linux/udp.h, before Linux 6.9 doubled it. */
const MAX_SEGMENTS = 64;
/** The largest UDP payload: 65535 less the headers; for IPv6 the same total, so that jumbo never comes up. */
const MAX_BYTES_4 = 65507;
const MAX_BYTES_6 = 65487;

// struct mmsghdr, struct iovec and the control area of batch i, in words of 32 bits.
const MSG_WORDS = 16;
const NAME_LOW = 0;
const NAME_HIGH = 1;
const NAME_LENGTH = 2;
const IOV_LOW = 4;
const IOV_COUNT = 6;
const CONTROL_LOW = 8;
const CONTROL_LENGTH = 10;
const IOV_WORDS = 4;
const CONTROL_BYTES = 80;
const FLAGS = C.MSG_DONTWAIT | C.MSG_NOSIGNAL;

/**
 * Consecutive datagrams of one flow and one size make a batch; the last one may be shorter, and closes it. The kernel cuts
 * a batch of n (UDP_SEGMENT) into packets with the IPv4 identifications 0 … n-1, and sends a lone datagram with 0.
 */
export class UdpTx {
  readonly buf: Buffer;
  /** IPv4 identification that the datagram reserved last will carry. */
  id: number;
  /** Whether the kernel is asked to segment. */
  gso: boolean;
  readonly #libc: Libc;
  readonly #stats: LinkStats;
  readonly #arenaAt: number;
  readonly #words: Uint32Array;
  readonly #wordsBuf: Buffer;
  readonly #msgAt: number;
  readonly #iovBase: number;
  readonly #controlBase: number;
  readonly #offset: Int32Array;
  readonly #bytes: Int32Array;
  readonly #size: Int32Array;
  readonly #segments: Int32Array;
  readonly #flows: UdpFlow[];
  /** Batches first … count-1 wait to be sent. */
  #first: number;
  #count: number;
  /** End of what was committed in the arena. */
  #end: number;
  /** The last batch takes more datagrams. */
  #open: boolean;
  #reservedAt: number;
  #reservedLength: number;
  #reservedFlow: UdpFlow | null;
  #reservedJoins: boolean;

  /** `system` stands in for the kernel in tests. */
  constructor(stats: LinkStats, gso: boolean, system: Libc = libc()) {
    this.buf = allocate(ARENA_BYTES);
    this.id = 0;
    this.gso = gso;
    this.#libc = system;
    this.#stats = stats;
    this.#arenaAt = addressOf(this.buf);
    this.#iovBase = MAX_BATCHES * MSG_WORDS;
    this.#controlBase = this.#iovBase + MAX_BATCHES * IOV_WORDS;
    this.#wordsBuf = allocate(this.#controlBase * 4 + MAX_BATCHES * CONTROL_BYTES);
    this.#words = new Uint32Array(this.#wordsBuf.buffer);
    this.#msgAt = addressOf(this.#wordsBuf);
    this.#offset = new Int32Array(MAX_BATCHES);
    this.#bytes = new Int32Array(MAX_BATCHES);
    this.#size = new Int32Array(MAX_BATCHES);
    this.#segments = new Int32Array(MAX_BATCHES);
    this.#flows = [];
    this.#first = 0;
    this.#count = 0;
    this.#end = 0;
    this.#open = false;
    this.#reservedAt = -1;
    this.#reservedLength = 0;
    this.#reservedFlow = null;
    this.#reservedJoins = false;
    for (let i = 0; i < MAX_BATCHES; i++) {
      const at = i * MSG_WORDS;
      setAddress(this.#words, at + IOV_LOW, this.#msgAt + 4 * (this.#iovBase + i * IOV_WORDS));
      this.#words[at + IOV_COUNT] = 1;
      setAddress(this.#words, at + CONTROL_LOW, this.#msgAt + 4 * this.#controlBase + i * CONTROL_BYTES);
    }
  }

  /** Is there an open batch that takes a datagram of `length` bytes? */
  joins(flow: UdpFlow, length: number): boolean {
    const last = this.#count - 1;
    return (
      this.#open &&
      this.#flows[last] === flow &&
      length <= this.#size[last] &&
      length > 0 &&
      this.#bytes[last] + length <= (flow.family === 4 ? MAX_BYTES_4 : MAX_BYTES_6)
    );
  }

  reserve(flow: UdpFlow, length: number): number {
    let at = this.#end;
    if (this.joins(flow, length)) {
      this.#reservedJoins = true;
      this.id = this.#segments[this.#count - 1];
    } else {
      if (this.#count === MAX_BATCHES) return -1;
      at = (at + 63) & ~63;
      this.#reservedJoins = false;
      this.id = 0;
    }
    if (at + length > ARENA_BYTES) return -1;
    this.#reservedAt = at;
    this.#reservedLength = length;
    this.#reservedFlow = flow;
    return at;
  }

  commit(): void {
    const at = this.#reservedAt;
    if (at === -1) throw new Error('nothing is reserved');
    const length = this.#reservedLength;
    this.#end = at + length;
    this.#reservedAt = -1;
    if (this.#reservedJoins) {
      const last = this.#count - 1;
      this.#bytes[last] += length;
      const segments = ++this.#segments[last];
      this.#open = length === this.#size[last] && segments < MAX_SEGMENTS;
      return;
    }
    const i = this.#count++;
    this.#offset[i] = at;
    this.#bytes[i] = length;
    this.#size[i] = length;
    this.#segments[i] = 1;
    this.#flows[i] = this.#reservedFlow!;
    this.#open = this.gso;
  }

  abort(): void {
    this.#reservedAt = -1;
  }

  /** Sends what was committed; false when some of it must wait until the network takes more. */
  flush(): boolean {
    if (this.#first === this.#count) return true;
    this.#open = false;
    while (this.#first < this.#count) {
      const first = this.#first;
      const fd = this.#flows[first].fd;
      let end = first + 1;
      while (end < this.#count && this.#flows[end].fd === fd) end++;
      const sent = end === first + 1 ? this.#sendOne(first, fd) : this.#sendMany(first, end, fd);
      if (sent === -1) {
        const code = errno();
        if (code === C.EAGAIN || code === C.ENOBUFS) return false;
        if (code !== C.EINTR) this.#refused(code);
        continue;
      }
      for (let i = first; i < first + sent; i++) this.#account(i);
      this.#first = first + sent;
    }
    this.#first = 0;
    this.#count = 0;
    this.#end = 0;
    return true;
  }

  /** Sends batch `i`; returns 1, or -1 as the system calls do. */
  #sendOne(i: number, fd: number): number {
    this.#stats.txSyscalls++;
    const flow = this.#flows[i];
    let result: number;
    if (this.#segments[i] === 1 && !flow.marked) {
      // 45 ns less than sendmsg, of some 900.
      const at = this.#arenaAt + this.#offset[i];
      result = this.#libc.sendto(fd, at, this.#size[i], FLAGS, flow.nameAt, flow.nameLength);
    } else {
      this.#prepare(i);
      result = this.#libc.sendmsg(fd, this.#msgAt + i * MSG_WORDS * 4, FLAGS);
    }
    return result === -1 ? -1 : 1;
  }

  /** Sends batches `first` … `end`-1; returns how many the kernel took, or -1. */
  #sendMany(first: number, end: number, fd: number): number {
    this.#stats.txSyscalls++;
    for (let i = first; i < end; i++) this.#prepare(i);
    return this.#libc.sendmmsg(fd, this.#msgAt + first * MSG_WORDS * 4, end - first, FLAGS);
  }

  #account(i: number): void {
    this.#stats.txPackets += this.#segments[i];
    this.#stats.txBytes += this.#bytes[i];
  }

  /**
   * Gives up the first batch, which the kernel refused with `code`. Whether it was the segmentation that it refused (a
   * device that cannot, a sandbox that will not) or the packet (size beyond the path MTU is EMSGSIZE or EINVAL by version,
   * no route …) shows when the first datagram is sent alone: its identification is 0 either way.
   */
  #refused(code: number): void {
    const i = this.#first++;
    const segments = this.#segments[i];
    this.#stats.txErrors += segments;
    if (segments === 1 || (code !== C.EINVAL && code !== C.EIO && code !== C.ENOPROTOOPT)) return;
    this.#segments[i] = 1;
    this.#bytes[i] = this.#size[i];
    if (this.#sendOne(i, this.#flows[i].fd) === -1) return;
    this.gso = false;
    this.#stats.txErrors--;
    this.#account(i);
  }

  #prepare(i: number): void {
    const words = this.#words;
    const flow = this.#flows[i];
    const at = i * MSG_WORDS;
    words[at + NAME_LOW] = flow.nameLow;
    words[at + NAME_HIGH] = flow.nameHigh;
    words[at + NAME_LENGTH] = flow.nameLength;
    const iov = this.#iovBase + i * IOV_WORDS;
    const address = this.#arenaAt + this.#offset[i];
    const low = address >>> 0;
    words[iov] = low;
    words[iov + 1] = (address - low) / 2 ** 32;
    words[iov + 2] = this.#bytes[i];
    const segmentSize = this.#segments[i] === 1 ? 0 : this.#size[i];
    words[at + CONTROL_LENGTH] = segmentSize === 0 && !flow.marked ? 0 : this.#prepareControl(i, flow, segmentSize);
  }

  /** Writes the control messages of batch `i`; returns their length. */
  #prepareControl(i: number, flow: UdpFlow, segmentSize: number): number {
    let at = this.#controlBase + (i * CONTROL_BYTES) / 4;
    const start = at;
    if (segmentSize !== 0) {
      at = this.#controlMessage(at, C.SOL_UDP, C.UDP_SEGMENT, 2, segmentSize);
    }
    if (flow.marked) {
      const v4 = flow.family === 4;
      const level = v4 ? C.SOL_IP : C.SOL_IPV6;
      if (flow.tosMarked) at = this.#controlMessage(at, level, v4 ? C.IP_TOS : C.IPV6_TCLASS, 4, flow.tos);
      if (flow.ttlMarked) at = this.#controlMessage(at, level, v4 ? C.IP_TTL : C.IPV6_HOPLIMIT, 4, flow.ttl);
    }
    return (at - start) * 4;
  }

  // struct cmsghdr: a length of 8 bytes, level, type, and the value padded to 8.
  #controlMessage(at: number, level: number, type: number, bytes: number, value: number): number {
    const words = this.#words;
    words[at] = 16 + bytes;
    words[at + 2] = level;
    words[at + 3] = type;
    words[at + 4] = value;
    return at + 6;
  }
}

function setAddress(words: Uint32Array, at: number, address: number): void {
  const low = address >>> 0;
  words[at] = low;
  words[at + 1] = (address - low) / 2 ** 32;
}
