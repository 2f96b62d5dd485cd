// A link over node:dgram: wherever Node runs, without native code.
import type { RemoteInfo, Socket } from 'node:dgram';
import { addressBytes, addressText, isLinkLocal, isMulticast } from '../os/addresses.ts';
import { isLoopback, parseAddress } from './address.ts';
import { ArrivalRecord } from './arrival.ts';
import { bindSocket, configure, interfaceOf, multicastInterface, newSocket, zone } from './dgram-socket.ts';
import { Fifo } from './fifo.ts';
import { FlowRecord, FlowTable, headerBytes, newStats } from './flow.ts';
import type { Flow, FlowOptions, Link, LinkAddress, LinkStats, Receive } from './link.ts';
import { windowOf } from './udp-window.ts';

export interface DgramOptions {
  /** Own addresses, each with a socket: `127.0.0.1`, `fe80::1%eth0`. */
  readonly addresses: readonly string[];
  /** UDP port, own and (by convention) the peers'. Default 4791. */
  readonly port?: number;
  /** Bytes of the largest IP packet, which Node cannot ask for. Default 4200 when all addresses are loopback ones, else 1500. */
  readonly mtu?: number;
  /** Bytes that may wait to be polled. Default 16 MiB. */
  readonly capacity?: number;
}

/** A datagram that was received and not yet polled. */
interface Waiting {
  readonly bytes: Buffer;
  readonly src: Uint8Array;
  readonly sport: number;
  readonly local: number;
  readonly group: Uint8Array | null;
}

class DgramFlow extends FlowRecord {
  readonly socket: Socket;
  /** The destination in the form that Node takes. */
  readonly host: string;

  constructor(link: DgramLink, options: FlowOptions, socket: Socket) {
    super(link, options, link.port);
    this.socket = socket;
    const scoped = isLinkLocal(this.dst) || (this.dst.length === 16 && isMulticast(this.dst));
    this.host = addressText(this.dst) + (scoped ? zone(link.addresses[options.local]) : '');
  }
}

const NONE = Buffer.alloc(0);
/** What may wait in Node's socket to be sent, before `flush` says that the network would not take more. */
const SEND_QUEUE = 256;
const TRANSMIT_LIMIT = 1024;

/**
 * Datagrams over `node:dgram`, for systems without a faster link (macOS, Windows). Arrivals come with Node's event loop, so
 * a caller that polls without giving way to it sees none. TOS and TTL of flows are not set: Node has no way to.
 *
 * **IPv4 and the ICRC.** The ICRC covers the IPv4 identification and DF, which Node's sockets neither set nor tell. On Linux
 * (seen with tcpdump) DF is set, and the identification of an unconnected socket comes from a counter per destination that
 * all sockets share (16863, 16864, 16865, 16867 …), of a connected one from a counter that starts at random: Node leaves
 * IP_MTU_DISCOVER at WANT, and only DO makes it 0. So `txId`, always 0 here, is only what is signed with. A peer that sees
 * sockets only, as every link of this package, solves for the identification and accepts; **a peer that checks exactly (Linux
 * `rdma_rxe`, a NIC) drops such packets**. Nothing in `node:dgram` changes that: use `UdpLink` on Linux. IPv6 has no
 * identification, so that what is sent over it is exact; but rxe answers with UDP checksum 0, which the kernel drops on an
 * IPv6 socket without UDP_NO_CHECK6_RX, another option that Node cannot set.
 */
export class DgramLink implements Link {
  readonly addresses: readonly LinkAddress[];
  readonly mtu: number;
  readonly netdev: string;
  readonly needsChecksum = true;
  readonly window: number;
  readonly stats: LinkStats = newStats();
  readonly fds: readonly number[] = [];
  readonly port: number;
  tx: Buffer = NONE;
  /** Always 0; see above. */
  readonly txId = 0;
  /** Called from the event loop when something arrives and nothing was waiting to be polled. */
  onArrival: (() => void) | null = null;
  /** Datagrams that arrived when as much as is allowed was waiting. */
  dropped = 0;
  /** What a socket last reported beside its calls, such as a multicast socket that could not be bound. */
  lastError: Error | null = null;

  private readonly sockets: readonly Socket[];
  private readonly members = new Map<string, Socket>();
  private readonly flows: FlowTable<DgramFlow>;
  private readonly capacity: number;
  private readonly waiting = new Fifo<Waiting>();
  private readonly sources = new Map<string, Uint8Array>();
  private readonly arrival = new ArrivalRecord();
  private readonly pending = new Fifo<{ bytes: Buffer; flow: DgramFlow }>();
  private readonly sent: (error: Error | null) => void;
  private waitingBytes = 0;
  private openFlow: DgramFlow | null = null;
  private referenced = false;
  private closed = false;

  private constructor(addresses: readonly LinkAddress[], sockets: readonly Socket[], options: DgramOptions) {
    this.addresses = addresses;
    this.sockets = sockets;
    this.port = sockets[0].address().port;
    this.mtu = options.mtu ?? (addresses.every((a) => isLoopback(a.bytes)) ? 4200 : 1500);
    this.capacity = options.capacity ?? 16 << 20;
    this.netdev = interfaceOf(addresses[0]);
    this.window = windowOf(Math.min(...sockets.map((s) => s.getRecvBufferSize())));
    this.flows = new FlowTable((o) => new DgramFlow(this, o, sockets[o.local]));
    this.sent = (error) => {
      if (error !== null) this.stats.txErrors++;
    };
    for (const [local, socket] of sockets.entries()) this.listen(socket, local, null);
  }

  /** Opens a socket per address. An open link does not by itself keep the process alive; see {@link ref}. */
  static async open(options: DgramOptions): Promise<DgramLink> {
    if (options.addresses.length === 0) throw new Error('a DgramLink needs an address');
    const addresses = options.addresses.map(parseAddress);
    const sockets: Socket[] = [];
    let port = options.port ?? 4791;
    try {
      for (const address of addresses) {
        const socket = newSocket(address.family, false);
        sockets.push(socket);
        await bindSocket(socket, address.text + zone(address), port);
        // Port 0 lets the system choose; all addresses then have the port of the first.
        port = socket.address().port;
        configure(socket, address);
      }
    } catch (error) {
      for (const socket of sockets) socket.close();
      throw error;
    }
    return new DgramLink(addresses, sockets, options);
  }

  flow(options: FlowOptions): Flow {
    return this.flows.get(options);
  }

  reserve(flow: Flow, length: number): number {
    if (this.closed || this.pending.length >= TRANSMIT_LIMIT) return -1;
    if (length + headerBytes(flow.family) > this.mtu) {
      throw new RangeError(`a datagram of ${length} bytes does not fit the MTU of ${this.mtu}`);
    }
    // Node may keep the buffer until the system takes it, so that each datagram has its own.
    this.tx = Buffer.allocUnsafe(length);
    this.openFlow = flow as DgramFlow;
    return 0;
  }

  commit(): void {
    if (this.openFlow === null) throw new Error('commit without reserve');
    this.pending.push({ bytes: this.tx, flow: this.openFlow });
    this.openFlow = null;
  }

  abort(): void {
    this.openFlow = null;
  }

  flush(): boolean {
    for (let next = this.pending.peek(); next !== undefined; next = this.pending.peek()) {
      const { bytes, flow } = next;
      if (flow.socket.getSendQueueCount() >= SEND_QUEUE) return false;
      this.pending.shift();
      this.stats.txPackets++;
      this.stats.txBytes += bytes.length;
      this.stats.txSyscalls++;
      flow.socket.send(bytes, 0, bytes.length, flow.dport, flow.host, this.sent);
    }
    return true;
  }

  poll(receive: Receive, budget: number): number {
    const { arrival, waiting } = this;
    let count = 0;
    while (count < budget) {
      const next = waiting.shift();
      if (next === undefined) break;
      count++;
      this.waitingBytes -= next.bytes.length;
      arrival.buf = next.bytes;
      arrival.len = next.bytes.length;
      arrival.family = next.src.length === 4 ? 4 : 6;
      arrival.src = next.src;
      arrival.sport = next.sport;
      arrival.local = next.local;
      arrival.group = next.group;
      arrival.dport = this.port;
      receive(arrival);
    }
    return count;
  }

  /**
   * Joins by a socket bound to the group, since a socket bound to a unicast address gets no multicast. It may be open only
   * some turns of the event loop later; an error is then in {@link lastError}.
   */
  join(local: number, group: Uint8Array): void {
    const own = this.addresses[local];
    const key = `${local} ${addressText(group)}`;
    if (this.closed || this.members.has(key)) return;
    const socket = newSocket(own.family, true);
    this.members.set(key, socket);
    const name = addressText(group);
    socket.on('error', (error) => {
      this.lastError = error;
    });
    // Windows refuses to bind a group's address.
    const host = process.platform === 'win32' ? undefined : name + (own.family === 6 ? zone(own) : '');
    socket.bind({ port: this.port, address: host, exclusive: true }, () => {
      if (this.members.get(key) !== socket) return;
      try {
        socket.addMembership(name, multicastInterface(own));
      } catch (error) {
        this.lastError = error as Error;
      }
      if (!this.referenced) socket.unref();
    });
    this.listen(socket, local, Uint8Array.from(group));
  }

  leave(local: number, group: Uint8Array): void {
    const key = `${local} ${addressText(group)}`;
    this.members.get(key)?.close();
    this.members.delete(key);
  }

  /** From now on the open link keeps the process alive. */
  ref(): void {
    this.referenced = true;
    for (const socket of [...this.sockets, ...this.members.values()]) socket.ref();
  }

  /** From now on (and from the beginning) the open link does not keep the process alive. */
  unref(): void {
    this.referenced = false;
    for (const socket of [...this.sockets, ...this.members.values()]) socket.unref();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.onArrival = null;
    for (const socket of [...this.sockets, ...this.members.values()]) socket.close();
    this.members.clear();
  }

  private listen(socket: Socket, local: number, group: Uint8Array | null): void {
    socket.on('message', (bytes, from) => {
      this.stats.rxPackets++;
      this.stats.rxBytes += bytes.length;
      this.stats.rxSyscalls++;
      if (this.waitingBytes + bytes.length > this.capacity) {
        this.dropped++;
        return;
      }
      this.waitingBytes += bytes.length;
      this.waiting.push({ bytes, src: this.source(from), sport: from.port, local, group });
      if (this.waiting.length === 1) this.onArrival?.();
    });
    if (group === null) {
      // ICMP errors are no reason to stop: the peer may come back.
      socket.on('error', (error) => {
        this.lastError = error;
      });
    }
  }

  private source(from: RemoteInfo): Uint8Array {
    let bytes = this.sources.get(from.address);
    if (bytes === undefined) {
      // Bounded, since anyone may send from any address.
      if (this.sources.size >= 4096) this.sources.clear();
      bytes = addressBytes(from.address);
      this.sources.set(from.address, bytes);
    }
    return bytes;
  }
}
