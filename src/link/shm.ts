// The way to other devices of this host: through memory, as an adapter loops back what is for its own host. The packets are the same as
// on the network, and so are addresses and checksums; they take no system calls.
import { localAddresses } from '../os/addresses.ts';
import { indexOfAddress, isLoopback, sameAddress } from './address.ts';
import { ArrivalRecord } from './arrival.ts';
import type { Clock } from './clock.ts';
import { Fifo } from './fifo.ts';
import { FlowRecord, FlowTable } from './flow.ts';
import { JUMBO, NO_JUMBO } from './jumbo.ts';
import type { Flow, FlowOptions, Link, LinkAddress, LinkStats, Receive } from './link.ts';
import { ShmPeer } from './shm-peer.ts';
import { type Delivery, Post } from './shm-post.ts';
import { RING_WINDOW } from './shm-ring.ts';
import { SCAN_WHEN_IDLE, type UdpLink } from './udp.ts';

/** A look at sockets is a system call. Where there are rings, and sockets bring nothing, these are looked at every so many polls. */
const LOOK_EVERY = 64;
/** Letters are looked for each so many looks at sockets. */
const READ_EVERY = 8;
/** Who sleeps is left asleep, for what waits to be taken in, for so many polls at most. */
const PATIENCE = 8;
/** After so many looks in a row that found nothing, nothing is in any socket of a UdpLink. */
const EMPTY = SCAN_WHEN_IDLE + 1;
/** After so many they are quiet. */
const QUIET = 64;

/** Who has not been sent to is listened to only as long as these are not too many: each takes memory. */
const MOST_PEERS = 1024;

class ShmFlow extends FlowRecord {
  readonly peer: ShmPeer;
  /** The way through sockets. */
  readonly wire: Flow;

  constructor(link: Link, options: FlowOptions, peer: ShmPeer, wire: Flow) {
    super(link, options, wire.sport);
    this.peer = peer;
    this.wire = wire;
    peer.sentTo = true;
  }

  override get window(): number {
    return Math.min(this.link.window, RING_WINDOW);
  }

  override get jumbo(): boolean {
    return this.peer.reachable && this.peer.jumbo;
  }
}

/** Where a reserved datagram is to go. */
const To = { WIRE: 0, RING: 1, NOWHERE: 2 } as const;

/** @see withShm */
class ShmLink implements Link {
  readonly addresses: readonly LinkAddress[];
  readonly mtu: number;
  readonly netdev: string;
  readonly needsChecksum = true;
  readonly window: number;
  readonly stats: LinkStats;
  readonly fds: readonly number[];
  onArrival: (() => void) | null = null;
  tx: Buffer;
  txId = 0;
  private readonly inner: UdpLink;
  private readonly clock: Clock;
  private readonly posts: readonly (Post | null)[];
  /** This host's addresses, when the link was opened. */
  private readonly host: readonly Uint8Array[];
  private readonly peers = new Map<string, ShmPeer>();
  private readonly flows: FlowTable<ShmFlow>;
  private readonly arrival = new ArrivalRecord();
  private scratch: Buffer | null = null;
  /** Those with a ring to us. */
  private readers: ShmPeer[] = [];
  /** Those in whose rings something was put that they have not been shown. An array that gets empty would lose its memory each time. */
  private readonly dirty = new Fifo<ShmPeer>();
  /** Those that are to be sent to by a ring, when the sockets have taken all that was committed. */
  private readonly settling: ShmPeer[] = [];
  /** Those that are to be woken, when nothing {@link more} waits to be taken in, or after some polls. */
  private asleep: ShmPeer[] = [];
  private more = false;
  private deferred = 0;
  /** Whose ring is read first: nobody's each time. */
  private turn = 0;
  // The datagram between reserve and commit.
  private to: number = To.WIRE;
  private peer!: ShmPeer;
  private length = 0;
  private resting = false;
  /** Polls since sockets were looked at, such looks since letters were, and such looks that found nothing since one did. */
  private unlooked = 0;
  private unread = 0;
  private quiet = 0;
  private receive!: Receive;
  private closed = false;
  private ring!: Buffer;
  private readonly hand = (off: number, length: number, tos: number, inRing: number): void => {
    const { arrival, stats } = this;
    arrival.off = off;
    arrival.len = length;
    arrival.body = inRing < 0 ? null : this.ring;
    arrival.bodyOff = inRing;
    arrival.tos = tos;
    stats.rxPackets++;
    stats.rxBytes += length;
    this.receive(arrival);
  };

  constructor(inner: UdpLink, clock: Clock, jumbo: boolean) {
    this.addresses = inner.addresses;
    this.mtu = inner.mtu;
    this.netdev = inner.netdev;
    this.window = inner.window;
    this.stats = inner.stats;
    this.tx = inner.tx;
    this.inner = inner;
    this.clock = clock;
    this.host = localAddresses().map((a) => a.bytes);
    this.posts = inner.addresses.map((own) => postOf(own, inner.port, jumbo));
    this.fds = [...inner.fds, ...this.posts.flatMap((post) => post?.fd ?? [])];
    this.flows = new FlowTable((o) => new ShmFlow(this, o, this.peerOf(o.local, o.dst), inner.flow(o)));
    this.arrival.lasting = true;
    this.arrival.jumbo = jumbo;
    this.arrival.dport = inner.port;
    this.arrival.sport = inner.port;
  }

  flow(options: FlowOptions): Flow {
    const { local, dst, dport } = options;
    const near = dport === this.inner.port && this.posts[local] != null && this.isNear(dst);
    return near ? this.flows.get(options) : this.inner.flow(options);
  }

  reserve(flow: Flow, length: number): number {
    const { peer, wire, tos } = flow as ShmFlow;
    if (!peer.reachable) {
      peer.ask(this.clock());
      // It was made while there was a ring.
      if (length > NO_JUMBO) return this.lose();
      const at = this.inner.reserve(wire, length);
      this.to = To.WIRE;
      this.tx = this.inner.tx;
      this.txId = this.inner.txId;
      return at;
    }
    this.txId = 0;
    this.peer = peer;
    this.length = length;
    const writer = peer.writer!;
    const at = writer.reserve(length, tos);
    if (at >= 0) {
      this.to = To.RING;
      this.tx = writer.buf;
      return at;
    }
    // There will be room when the peer has read. If it does not, it is for it as if a socket's buffer had overflowed.
    peer.publish(this.clock);
    return peer.stuck ? this.lose() : -1;
  }

  /** Room for a datagram that will not arrive. */
  private lose(): number {
    this.to = To.NOWHERE;
    this.scratch ??= Buffer.from(new ArrayBuffer(JUMBO));
    this.tx = this.scratch;
    return 0;
  }

  joins(flow: Flow, length: number): boolean {
    const { peer, wire } = flow as ShmFlow;
    return peer.writer === null && this.inner.joins(wire, length);
  }

  commit(): void {
    if (this.to === To.WIRE) {
      this.inner.commit();
      return;
    }
    const { peer, stats } = this;
    if (this.to === To.NOWHERE) {
      stats.txErrors++;
      return;
    }
    const enough = peer.writer!.commit();
    stats.txPackets++;
    stats.txBytes += this.length;
    if (peer.dirty) {
      if (enough) this.publish(peer);
      return;
    }
    peer.dirty = true;
    this.dirty.push(peer);
  }

  abort(): void {
    if (this.to === To.WIRE) this.inner.abort();
  }

  flush(): boolean {
    const { dirty, settling } = this;
    for (let peer = dirty.shift(); peer !== undefined; peer = dirty.shift()) this.publish(peer);
    const all = this.inner.flush();
    if (all && settling.length > 0) {
      for (const peer of settling) peer.settle();
      settling.length = 0;
    }
    // What is posted from now on may be the last for long: nobody is to wait for it until we poll again.
    this.more = false;
    return all;
  }

  poll(receive: Receive, budget: number): number {
    if (this.closed) return 0;
    if (this.resting) this.awake();
    let got = 0;
    if (this.readers.length > 0) {
      got = this.pollRings(receive, budget);
      if (this.asleep.length > 0 && (!this.more || ++this.deferred > PATIENCE)) this.wakeAll();
      if (++this.unlooked < LOOK_EVERY && this.quiet >= QUIET) return got;
      this.unlooked = 0;
    }
    if (++this.unread >= READ_EVERY) this.readLetters();
    const wire = this.inner.poll(receive, budget);
    this.quiet = wire > 0 ? 0 : this.quiet + 1;
    return got + wire;
  }

  /** From now on who sends by a ring makes a descriptor readable. */
  arm(): boolean {
    this.wakeAll();
    this.resting = true;
    let nothing = true;
    for (const { reader } of this.readers) if (!reader!.sleep()) nothing = false;
    return nothing;
  }

  join(local: number, group: Uint8Array): void {
    this.inner.join(local, group);
  }

  leave(local: number, group: Uint8Array): void {
    this.inner.leave(local, group);
  }

  close(): void {
    if (this.closed) return;
    this.flush();
    this.closed = true;
    for (const peer of this.peers.values()) peer.close();
    for (const post of this.posts) post?.close();
    this.readers = [];
    this.inner.close();
  }

  /**
   * Lets a peer see what was committed. One that sleeps is not woken before all that waits here has been taken in: what it says to
   * that would have to wait as well, and where it shares our CPU it would stop us.
   */
  private publish(peer: ShmPeer): void {
    peer.publish(this.clock);
    if (!peer.asleep) return;
    if (!this.more) peer.wake();
    if (peer.asleep && !this.asleep.includes(peer)) this.asleep.push(peer);
  }

  private wakeAll(): void {
    this.deferred = 0;
    const { asleep } = this;
    if (asleep.length === 0) return;
    for (const peer of asleep) peer.wake();
    // Those whose letterbox was full are tried again.
    this.asleep = asleep.filter((peer) => peer.asleep);
  }

  private pollRings(receive: Receive, budget: number): number {
    const { arrival, readers } = this;
    this.receive = receive;
    this.more = false;
    let got = 0;
    this.turn++;
    for (let i = 0; i < readers.length; i++) {
      const peer = readers[(this.turn + i) % readers.length];
      const reader = peer.reader!;
      if (peer.fresh && this.isEarly(peer)) continue;
      arrival.buf = reader.buf;
      this.ring = reader.ring;
      arrival.family = peer.src.length === 4 ? 4 : 6;
      arrival.src = peer.src;
      arrival.local = peer.local;
      const count = reader.take(this.hand, budget - got);
      got += count;
      if (reader.more) this.more = true;
      if (count === 0 && (reader.broken || peer.leaving)) this.drop(peer);
    }
    if (got >= budget) this.more = true;
    return got;
  }

  /** What a peer sent through sockets before it began to use its ring comes first: these are looked at until they are empty. */
  private isEarly(peer: ShmPeer): boolean {
    if (peer.reader!.empty) return !peer.leaving;
    if (!peer.begun) this.quiet = 0;
    peer.begun = true;
    if (this.quiet < EMPTY) return true;
    peer.fresh = false;
    return false;
  }

  /** Its ring is not read any more. */
  private drop(peer: ShmPeer): void {
    if (!peer.reader!.empty) return;
    peer.reader!.close();
    peer.reader = null;
    this.readers = this.readers.filter((other) => other !== peer);
    // Without flows nobody knows it any more.
    if (!peer.sentTo) this.peers.delete(keyOf(peer.local, peer.src));
  }

  private awake(): void {
    this.resting = false;
    let woken = false;
    for (const { reader } of this.readers) if (reader!.awake()) woken = true;
    // The letter that did it; otherwise it may have been a socket. Other letters can wait for their turn.
    if (woken) this.readLetters();
    else this.unlooked = LOOK_EVERY;
  }

  private readLetters(): void {
    this.unread = 0;
    this.posts.forEach((post, local) => {
      post?.receive((letter) => {
        const heard = this.peers.size < MOST_PEERS || this.peers.has(keyOf(local, letter.src));
        if (heard) this.hear(this.peerOf(local, letter.src), letter);
        return heard;
      });
    });
    if (this.settling.length > 0) this.flush();
  }

  private hear(peer: ShmPeer, letter: Delivery): void {
    if (peer.hear(letter)) this.settling.push(peer);
    if (peer.reader !== null && !this.readers.includes(peer)) this.readers = [...this.readers, peer];
  }

  private peerOf(local: number, address: Uint8Array): ShmPeer {
    const key = keyOf(local, address);
    let peer = this.peers.get(key);
    if (peer === undefined) {
      peer = new ShmPeer(this.posts[local]!, local, address);
      this.peers.set(key, peer);
    }
    return peer;
  }

  /** Another address of this host? */
  private isNear(address: Uint8Array): boolean {
    if (indexOfAddress(this.addresses, address) >= 0) return false;
    return isLoopback(address) || this.host.some((own) => sameAddress(own, address));
  }
}

const keyOf = (local: number, address: Uint8Array): string => `${local} ${address.join('.')}`;

function postOf(own: LinkAddress, port: number, jumbo: boolean): Post | null {
  try {
    return new Post(own, port, jumbo);
  } catch {
    // Somebody has its name; or there are no descriptors left. There are still the sockets.
    return null;
  }
}

/**
 * Sends through memory what is for other devices of this host, network namespace and user that are opened like this, and through
 * the sockets of `link` all else: also multicast, and what is sent before the other has answered.
 *
 * A device offers each other a ring of datagrams (memory in a file that both map), which the other reads. A reader that sleeps is woken by
 * a letter. With `jumbo` datagrams that come this way may be jumbos. One that does not read for 100 ms loses what its ring does not hold, as it would what its socket does not hold.
 */
export function withShm(link: UdpLink, clock: Clock, { jumbo = false } = {}): Link {
  return new ShmLink(link, clock, jumbo);
}
