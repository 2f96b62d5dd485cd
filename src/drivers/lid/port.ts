// IB packets with their own link and route headers, in UDP datagrams: what hfi1 and qib put on a link.
import type { AddressVector } from '../../core/ah.ts';
import { isZeroGid } from '../../core/gid-text.ts';
import type { Arrival, Flow, Link } from '../../link/link.ts';
import type { Inbound, Path, Port } from '../../transport/port.ts';
import { PeerWindow } from '../../transport/window.ts';
import { bthPkey } from '../../wire/bth.ts';
import { CRC32_INIT, crc32UpdateSmall } from '../../wire/crc32.ts';
import {
  GRH_LEN,
  GRH_NEXT_IBA,
  grhLength,
  grhNext,
  grhVersion,
  maskGrh,
  setGrhLength,
  writeGrh,
} from '../../wire/grh.ts';
import { ICRC_LEN, icrcMatches, icrcWrite } from '../../wire/icrc.ts';
import { addressOfLid, gidOfLid, isAtLid, isMulticastLid, lidOf } from './address.ts';
import type { Encapsulation } from './encapsulation.ts';

const BTH_LEN = 12;
const DEFAULT_HOPS = 64;
const MAX_HEADER = 64;
const ECN_CAPABLE = 2;
const ECN_CE = 3;

/** What may be in flight to and from one host: the ways to it differ in service level and the like, not in the buffer they end in. */
class Peer {
  readonly window: PeerWindow;
  readonly reads: PeerWindow;

  constructor(limit: number) {
    this.window = new PeerWindow(limit);
    this.reads = new PeerWindow(limit);
  }
}

/** A flow of the link, and the headers of the packets that take it. */
class LidPath implements Path {
  readonly flow: Flow;
  readonly window: PeerWindow;
  readonly reads: PeerWindow;
  readonly header: Buffer;
  readonly dlid: number;
  readonly dgid: Uint8Array;

  constructor(flow: Flow, peer: Peer, header: Buffer, dlid: number, dgid: Uint8Array) {
    this.flow = flow;
    this.window = peer.window;
    this.reads = peer.reads;
    this.header = header;
    this.dlid = dlid;
    this.dgid = dgid;
  }
}

/** The packet in hand. */
class LidInbound implements Inbound {
  buf!: Buffer;
  off = 0;
  len = 0;
  body!: Buffer;
  bodyOff = 0;
  congested = false;
  lasting = false;
  group: Uint8Array | null = null;
  slid = 0;
  sl = 0;
  grh = 0;
  private readonly mgid = Buffer.alloc(16);

  isFrom(path: Path): boolean {
    const { dlid, dgid } = path as LidPath;
    if (this.slid !== dlid) return false;
    for (let i = 0; i < 16; i++) if (this.buf[this.grh + 8 + i] !== dgid[i]) return false;
    return true;
  }

  writeGrh(target: Buffer, at: number): void {
    this.buf.copy(target, at, this.grh, this.grh + GRH_LEN);
  }

  /** The group that the GRH names. */
  toGroup(): void {
    this.buf.copy(this.mgid, 0, this.grh + 24, this.grh + 40);
    this.group = this.mgid;
  }
}

export class LidPort implements Port {
  readonly lid: number;
  readonly gid: Uint8Array;
  readonly receiveWindow: PeerWindow;
  /** Datagrams whose ICRC is wrong, or that have none. */
  icrcErrors = 0;
  /** Packets that say they come from, or go to, where they do not. */
  misrouted = 0;
  private readonly link: Link;
  private readonly udpPort: number;
  private readonly kind: Encapsulation;
  private readonly headers: number;
  private readonly paths = new Map<string, LidPath>();
  private readonly peers = new Map<number, Peer>();
  private readonly inbound = new LidInbound();
  private readonly scratch = Buffer.alloc(MAX_HEADER);
  private deliver: ((packet: Inbound) => void) | null = null;
  private path!: LidPath;
  private at = 0;
  private length = 0;
  private readonly onArrival = (arrival: Arrival): void => this.take(arrival);

  constructor(link: Link, udpPort: number, kind: Encapsulation) {
    this.link = link;
    this.udpPort = udpPort;
    this.kind = kind;
    this.headers = kind.length + GRH_LEN;
    this.lid = lidOf(link.addresses[0]);
    this.gid = gidOfLid(this.lid);
    this.receiveWindow = new PeerWindow(link.window, link.window);
  }

  /** Every packet carries a GRH, as the first 40 bytes of a datagram's buffer ask; an AV without one is given the LID's. */
  pathTo(av: AddressVector, responsive = true): Path {
    const { dlid, sl, trafficClass, flowLabel } = av;
    const dgid = isZeroGid(av.dgid) ? gidOfLid(dlid) : av.dgid;
    const hops = av.hopLimit || DEFAULT_HOPS;
    const tos = responsive ? ECN_CAPABLE : 0;
    const key = `${tos} ${dlid} ${sl} ${trafficClass} ${flowLabel} ${hops} ${Buffer.from(dgid).toString('hex')}`;
    const known = this.paths.get(key);
    if (known !== undefined) return known;
    const flow = this.link.flow({
      local: 0,
      dst: addressOfLid(this.link.addresses[0], dlid),
      dport: this.udpPort,
      tos,
    });
    const header = Buffer.alloc(this.headers);
    this.kind.write(header, 0, sl, dlid, this.lid);
    writeGrh(header, this.kind.length, trafficClass, flowLabel, 0, hops, this.gid, dgid);
    const path = new LidPath(flow, this.peer(dlid, flow.window), header, dlid, Uint8Array.from(dgid));
    this.paths.set(key, path);
    return path;
  }

  private peer(dlid: number, limit: number): Peer {
    let peer = this.peers.get(dlid);
    if (peer === undefined) {
      peer = new Peer(limit);
      this.peers.set(dlid, peer);
    }
    return peer;
  }

  get buf(): Buffer {
    return this.path.flow.link.tx;
  }

  begin(path: Path, length: number): number {
    const lidPath = path as LidPath;
    const { link } = lidPath.flow;
    const at = link.reserve(lidPath.flow, this.headers + length + ICRC_LEN);
    if (at < 0) return -1;
    this.path = lidPath;
    this.at = at + this.headers;
    this.length = length;
    return this.at;
  }

  end(): void {
    const { path, at, length, kind } = this;
    const { link } = path.flow;
    const { tx } = link;
    const start = at - this.headers;
    path.header.copy(tx, start);
    kind.complete(tx, start, this.headers + length + ICRC_LEN, bthPkey(tx, at));
    setGrhLength(tx, start + kind.length, length + ICRC_LEN);
    icrcWrite(this.seed(tx, start), tx, at, length);
    link.commit();
  }

  cancel(): void {
    this.path.flow.link.abort();
  }

  flush(): boolean {
    return this.link.flush();
  }

  poll(deliver: (packet: Inbound) => void, budget: number): number {
    this.deliver = deliver;
    return this.link.poll(this.onArrival, budget);
  }

  /** CRC over the headers at `start` as the ICRC sees them. */
  private seed(buf: Buffer, start: number): number {
    const { scratch, headers, kind } = this;
    buf.copy(scratch, 0, start, start + headers);
    kind.mask(scratch, 0);
    maskGrh(scratch, kind.length);
    return crc32UpdateSmall(CRC32_INIT, scratch, 0, headers);
  }

  private take(a: Arrival): void {
    const { buf, off, len } = a;
    const length = len - this.headers - ICRC_LEN;
    const at = off + this.headers;
    const grh = off + this.kind.length;
    if (length < BTH_LEN || !icrcMatches(this.seed(buf, off), buf, at, length)) {
      this.icrcErrors++;
      return;
    }
    const whole = this.kind.matches(buf, off, len, bthPkey(buf, at));
    const isGrh =
      grhVersion(buf, grh) === 6 && grhNext(buf, grh) === GRH_NEXT_IBA && grhLength(buf, grh) === length + ICRC_LEN;
    if (!whole || !isGrh || !this.routed(a, grh)) {
      this.misrouted++;
      return;
    }
    const packet = this.inbound;
    packet.buf = buf;
    packet.off = at;
    packet.len = length;
    packet.body = buf;
    packet.bodyOff = at;
    packet.lasting = a.lasting;
    packet.congested = this.kind.congested(buf, off) || (a.tos > 0 && (a.tos & ECN_CE) === ECN_CE);
    packet.slid = this.kind.slid(buf, off);
    packet.sl = this.kind.sl(buf, off);
    packet.grh = grh;
    packet.group = null;
    if (a.group !== null) packet.toGroup();
    this.deliver!(packet);
  }

  /** A switch delivers to whom the LID names, and knows who is at each of its ports: so a LID that is not the sender's ends here. */
  private routed(a: Arrival, grh: number): boolean {
    const { buf, off } = a;
    const dlid = this.kind.dlid(buf, off);
    if (a.group === null ? dlid !== this.lid : !isMulticastLid(dlid)) return false;
    if (a.group === null) for (let i = 0; i < 16; i++) if (buf[grh + 24 + i] !== this.gid[i]) return false;
    return isAtLid(this.link.addresses[0], this.kind.slid(buf, off), a.src);
  }
}
