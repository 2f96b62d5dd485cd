// RoCEv2: IB packets in UDP datagrams, signed with the invariant CRC (IBTA annex A17).
import { randomInt } from 'node:crypto';
import type { AddressVector } from '../../core/ah.ts';
import type { GidEntry, GidTable } from '../../core/gid.ts';
import { addressOfGid } from '../../core/gid-text.ts';
import { sameAddress } from '../../link/address.ts';
import { JUMBO_HEAD, JUMBO_PAYLOAD } from '../../link/jumbo.ts';
import type { Arrival, Flow, Link } from '../../link/link.ts';
import { isMulticast } from '../../os/addresses.ts';
import type { Inbound, Path, Port } from '../../transport/port.ts';
import { Unconfirmed } from '../../transport/unconfirmed.ts';
import { PeerWindow } from '../../transport/window.ts';
import {
  ICRC_LEN,
  icrcCompute,
  icrcComputeSplit,
  icrcId,
  icrcLen4,
  icrcLen6,
  icrcRead,
  icrcSeed4,
  icrcSeed6,
  icrcWrite,
} from '../../wire/icrc.ts';
import { icrcSolveIdDf } from '../../wire/icrc-id.ts';
import { IPV4_LEN, writeIpv4, writeIpv6 } from '../../wire/ip.ts';
import { ROCE_UDP_PORT, UDP_LEN } from '../../wire/udp.ts';

const ECN_MASK = 3;
const ECN_CE = 3;
/** ECT(0) */
const ECN_CAPABLE = 2;
const GRH_LEN = 40;
const DEFAULT_TTL = 64;
/** Ways back are kept; their addresses may be made up. */
const MOST_BACKS = 16_384;

/** A flow of the link, with what its packets' ICRCs start from and what may be in flight on it. */
class RocePath implements Path {
  readonly flow: Flow;
  readonly link: Link;
  readonly seed: number;
  readonly v4: boolean;
  readonly signed: boolean;
  readonly window: PeerWindow;
  readonly reads: PeerWindow;
  readonly unconfirmed: Unconfirmed | null;

  constructor(flow: Flow, limit: number, unconfirmed: Unconfirmed | null) {
    this.flow = flow;
    this.link = flow.link;
    this.v4 = flow.family === 4;
    this.seed = this.v4
      ? icrcSeed4(flow.src, flow.dst, flow.sport, flow.dport, true)
      : icrcSeed6(flow.src, flow.dst, flow.sport, flow.dport);
    this.signed = flow.link.needsChecksum;
    this.window = new PeerWindow(limit);
    this.reads = new PeerWindow(limit);
    this.unconfirmed = unconfirmed;
  }

  get jumbo(): number {
    return this.flow.jumbo ? JUMBO_PAYLOAD : 0;
  }
}

/** The packet in hand: a view of the datagram that the link handed over. */
class RoceInbound implements Inbound {
  arrival!: Arrival;
  buf!: Buffer;
  off = 0;
  len = 0;
  body!: Buffer;
  bodyOff = 0;
  congested = false;
  lasting = false;
  jumbo = false;
  group: Uint8Array | null = null;
  private readonly link: Link;

  constructor(link: Link) {
    this.link = link;
  }

  isFrom(path: Path): boolean {
    const flow = (path as RocePath).flow;
    const arrival = this.arrival;
    return flow.local === arrival.local && sameAddress(flow.dst, arrival.src);
  }

  // IBTA A17.4.5.2: an IPv4 header stands in the last 20 bytes of the place for the GRH, the bytes before it mean nothing.
  writeGrh(target: Buffer, at: number): void {
    const a = this.arrival;
    const dst = a.group ?? this.link.addresses[a.local].bytes;
    const tos = Math.max(0, a.tos);
    const udp = UDP_LEN + a.len;
    if (a.family === 4) {
      target.fill(0, at, at + GRH_LEN - IPV4_LEN);
      writeIpv4(target, at + GRH_LEN - IPV4_LEN, a.src, dst, tos, DEFAULT_TTL, 0, true, udp);
    } else {
      writeIpv6(target, at, a.src, dst, tos, 0, DEFAULT_TTL, udp);
    }
  }
}

/** Puts the transport's packets on a link as RoCEv2 datagrams, and takes them off it. */
export class RocePort implements Port {
  readonly receiveWindow: PeerWindow;
  /** Datagrams whose ICRC is wrong, or too short to have one. */
  icrcErrors = 0;
  private readonly link: Link;
  private readonly gids: GidTable;
  private readonly paths = new Map<Flow, RocePath>();
  /** The way that was asked for last: queue pairs that go the same way share its vector, which nobody changes (sharedAv). */
  private latest: { av: AddressVector; entry: GidEntry; responsive: boolean; path: RocePath } | null = null;
  /** By own and remote address: flows to it differ in what does not matter to its buffer. */
  private readonly destinations = new Map<string, Unconfirmed>();
  /** Ways back to who has asked, and the last of them. */
  private readonly backs = new Map<string, RocePath>();
  private back: RocePath | null = null;
  private readonly inbound: RoceInbound;
  private deliver: ((packet: Inbound) => void) | null = null;
  // The packet between begin and end.
  private path!: RocePath;
  private at = 0;
  private length = 0;
  // Where the datagram before this one came from: the next is probably from there too.
  private seed = 0;
  private seedSrc: Uint8Array = new Uint8Array(0);
  private seedPort = -1;
  private seedLocal = -1;
  private readonly onArrival = (arrival: Arrival): void => this.take(arrival);

  constructor(link: Link, gids: GidTable) {
    this.link = link;
    this.gids = gids;
    this.inbound = new RoceInbound(link);
    this.receiveWindow = new PeerWindow(link.window, link.window);
  }

  pathTo(av: AddressVector, responsive = true): Path {
    const entry = this.gids.at(av.sgidIndex);
    if (entry === null) throw new RangeError(`the GID table has nothing at index ${av.sgidIndex}`);
    const { latest } = this;
    if (latest?.av === av && latest.entry === entry && latest.responsive === responsive) return latest.path;
    const local = this.link.addresses.indexOf(entry.address);
    const flow = this.link.flow({
      local,
      dst: addressOfGid(av.dgid),
      dport: ROCE_UDP_PORT,
      tos: responsive ? (av.trafficClass & ~ECN_MASK) | ECN_CAPABLE : av.trafficClass,
      ttl: av.hopLimit || DEFAULT_TTL,
    });
    let path = this.paths.get(flow);
    if (path === undefined) {
      path = new RocePath(flow, flow.window, this.destination(flow));
      this.paths.set(flow, path);
    }
    this.latest = { av, entry, responsive, path };
    return path;
  }

  /** A loopback loses nothing: it has no room until what it holds is taken off. */
  private destination(flow: Flow): Unconfirmed | null {
    if (!flow.link.needsChecksum || isMulticast(flow.dst)) return null;
    const key = `${flow.local} ${flow.dst.join('.')}`;
    let to = this.destinations.get(key);
    if (to === undefined) {
      to = new Unconfirmed(flow.window, randomInt(2 ** 32));
      this.destinations.set(key, to);
    }
    return to;
  }

  pathBack(packet: Inbound): Path | null {
    if (this.back !== null && packet.isFrom(this.back)) return this.back;
    const { local, src } = (packet as RoceInbound).arrival;
    const key = `${local} ${src.join('.')}`;
    let path = this.backs.get(key) ?? null;
    if (path === null && this.backs.size < MOST_BACKS) {
      const flow = this.link.flow({ local, dst: src, dport: ROCE_UDP_PORT, tos: 0, ttl: DEFAULT_TTL });
      path = new RocePath(flow, flow.window, null);
      this.backs.set(key, path);
    }
    this.back = path;
    return path;
  }

  get buf(): Buffer {
    return this.path.link.tx;
  }

  begin(path: Path, length: number): number {
    const rocePath = path as RocePath;
    const at = rocePath.link.reserve(rocePath.flow, length + ICRC_LEN);
    if (at < 0) return -1;
    this.path = rocePath;
    this.at = at;
    this.length = length;
    return at;
  }

  end(): void {
    const { path, length } = this;
    const link = path.link;
    if (path.signed) {
      const udp = UDP_LEN + length + ICRC_LEN;
      const seed = path.seed ^ (path.v4 ? icrcLen4(udp) ^ icrcId(link.txId) : icrcLen6(udp));
      icrcWrite(seed, link.tx, this.at, length);
    }
    link.commit();
  }

  cancel(): void {
    this.path.link.abort();
  }

  joins(path: Path, length: number): boolean {
    const { flow, link } = path as RocePath;
    return link.joins?.(flow, length + ICRC_LEN) ?? false;
  }

  flush(): boolean {
    return this.link.flush();
  }

  poll(deliver: (packet: Inbound) => void, budget: number): number {
    this.deliver = deliver;
    return this.link.poll(this.onArrival, budget);
  }

  private take(a: Arrival): void {
    const length = a.len - ICRC_LEN;
    if (length < 0 || (!a.trusted && !this.genuine(a, length))) {
      this.icrcErrors++;
      return;
    }
    const packet = this.inbound;
    packet.arrival = a;
    packet.buf = a.buf;
    packet.off = a.off;
    packet.len = length;
    packet.body = a.body ?? a.buf;
    packet.bodyOff = a.body === null ? a.off : a.bodyOff;
    // -1 where the link cannot tell.
    packet.lasting = a.lasting;
    packet.jumbo = a.jumbo;
    packet.congested = a.tos > 0 && (a.tos & ECN_MASK) === ECN_CE;
    packet.group = a.group;
    this.deliver!(packet);
  }

  /** Is the ICRC right? An IPv4 header's identification is not to be seen, so any that would make it right is allowed. */
  private genuine(a: Arrival, length: number): boolean {
    if (length < 12) return false;
    const udp = UDP_LEN + a.len;
    const seed = this.seedOf(a);
    if (a.family === 6) return this.difference(seed ^ icrcLen6(udp), a, length) === 0;
    const diff = this.difference(seed ^ icrcLen4(udp) ^ icrcId(a.idGuess), a, length);
    return diff === 0 || icrcSolveIdDf(diff, length) >= 0;
  }

  /** Between the ICRC as it should be and as it is. */
  private difference(seed: number, { buf, off, body, bodyOff }: Arrival, length: number): number {
    if (body === null) return icrcCompute(seed, buf, off, length) ^ icrcRead(buf, off + length);
    const computed = icrcComputeSplit(seed, buf, off, JUMBO_HEAD, body, bodyOff, length);
    return computed ^ icrcRead(body, bodyOff + length);
  }

  private seedOf(a: Arrival): number {
    if (
      a.group === null &&
      a.sport === this.seedPort &&
      a.local === this.seedLocal &&
      sameAddress(a.src, this.seedSrc)
    ) {
      return this.seed;
    }
    const dst = a.group ?? this.link.addresses[a.local].bytes;
    const seed =
      a.family === 4 ? icrcSeed4(a.src, dst, a.sport, a.dport, true) : icrcSeed6(a.src, dst, a.sport, a.dport);
    if (a.group === null) {
      this.seed = seed;
      this.seedSrc = Uint8Array.from(a.src);
      this.seedPort = a.sport;
      this.seedLocal = a.local;
    }
    return seed;
  }
}
