// A link over ordinary UDP sockets of Linux.
import { addressText, type LocalAddress, localAddress } from '../os/addresses.ts';
import { Epoll } from '../os/epoll.ts';
import { requireLinux } from '../os/ffi.ts';
import { libc } from '../os/libc.ts';
import { FlowTable, newStats } from './flow.ts';
import type { Flow, FlowOptions, Link, LinkAddress, LinkStats, Receive } from './link.ts';
import { UdpFlow } from './udp-flow.ts';
import { UdpRx } from './udp-rx.ts';
import {
  boundPort,
  openMulticast,
  openUnicast,
  receiveBuffer,
  type SocketOptions,
  type UdpSocket,
} from './udp-socket.ts';
import { UdpTx } from './udp-tx.ts';
import { windowOf } from './udp-window.ts';

/** The UDP port of RoCEv2 (IANA: roce). */
export const ROCE_PORT = 4791;

/** How often the sockets other than the one where traffic was last seen are looked at: every n-th poll. */
export const SCAN_WHEN_IDLE = 4;
const SCAN_WHEN_BUSY = 16;

export interface UdpLinkOptions {
  /** Own addresses, each with a socket: `127.0.0.1`, `fe80::1%eth0`. */
  readonly addresses: readonly (string | LinkAddress)[];
  /** UDP port, own and (by convention) the peers'. 0: the system chooses, for the first address, and all have that. */
  readonly port?: number;
  /** Let the kernel cut batches into datagrams (UDP_SEGMENT). Turned off by itself where the kernel refuses. */
  readonly gso?: boolean;
  /** Let the kernel hand over several datagrams as one (UDP_GRO). */
  readonly gro?: boolean;
  /** Bytes of SO_RCVBUF and SO_SNDBUF to ask for. */
  readonly rcvbuf?: number;
  readonly sndbuf?: number;
}

/** Datagrams over UDP sockets: one unconnected socket per own address, and one per multicast membership. */
export class UdpLink implements Link {
  readonly addresses: readonly LinkAddress[];
  readonly mtu: number;
  readonly netdev: string;
  readonly needsChecksum: boolean;
  readonly window: number;
  readonly stats: LinkStats;
  readonly tx: Buffer;
  readonly fds: readonly number[];
  onArrival: (() => void) | null;
  readonly port: number;
  readonly #own: LocalAddress[];
  readonly #options: SocketOptions;
  readonly #sockets: UdpSocket[];
  readonly #epoll: Epoll;
  readonly #tx: UdpTx;
  readonly #rx: UdpRx;
  readonly #flows: FlowTable<UdpFlow>;
  #hot: UdpSocket;
  #polls: number;
  #scanEvery: number;
  #closed: boolean;

  constructor(options: UdpLinkOptions) {
    requireLinux('UdpLink');
    if (options.addresses.length === 0) throw new Error('a UdpLink needs an address');
    this.#own = options.addresses.map((a) => localAddress(typeof a === 'string' ? a : withScope(a)));
    this.addresses = this.#own;
    this.mtu = Math.min(...this.#own.map((a) => a.mtu));
    this.netdev = this.#own[0].netdev;
    this.needsChecksum = true;
    this.stats = newStats();
    this.#options = {
      rcvbuf: options.rcvbuf ?? 4 << 20,
      sndbuf: options.sndbuf ?? 4 << 20,
      gro: options.gro ?? true,
    };
    this.#sockets = [];
    this.#epoll = new Epoll();
    this.fds = [this.#epoll.fd];
    this.#closed = false;
    let port = options.port ?? ROCE_PORT;
    try {
      for (const [i, own] of this.#own.entries()) {
        const socket = openUnicast(own, i, port, this.#options);
        this.#add(socket);
        if (port === 0) port = boundPort(socket);
      }
    } catch (error) {
      this.close();
      throw error;
    }
    this.port = port;
    this.window = windowOf(Math.min(...this.#sockets.map(receiveBuffer)));
    this.#tx = new UdpTx(this.stats, options.gso ?? true);
    this.#rx = new UdpRx(this.stats, this.port);
    this.tx = this.#tx.buf;
    this.onArrival = null;
    this.#flows = new FlowTable((o) => new UdpFlow(this, o, this.port, this.#sockets[o.local]?.fd));
    this.#hot = this.#sockets[0];
    this.#polls = 0;
    this.#scanEvery = SCAN_WHEN_IDLE;
  }

  /** Whether batches are segmented by the kernel. */
  get gso(): boolean {
    return this.#tx.gso;
  }

  get txId(): number {
    return this.#tx.id;
  }

  flow(options: FlowOptions): Flow {
    return this.#flows.get(options);
  }

  reserve(flow: Flow, length: number): number {
    return this.#tx.reserve(flow as UdpFlow, length);
  }

  joins(flow: Flow, length: number): boolean {
    return this.#tx.joins(flow as UdpFlow, length);
  }

  commit(): void {
    this.#tx.commit();
  }

  abort(): void {
    this.#tx.abort();
  }

  flush(): boolean {
    return this.#closed ? true : this.#tx.flush();
  }

  /**
   * Looks at the socket where traffic was last seen each time, and at the others now and then: a system call that finds
   * nothing costs as much as one that finds something.
   */
  poll(receive: Receive, budget: number): number {
    if (this.#closed) return 0;
    if (this.#sockets.length > 1 && ++this.#polls >= this.#scanEvery) {
      this.#polls = 0;
      const count = this.#scan(receive, budget);
      if (count > 0) return count;
    }
    const count = this.#rx.poll(this.#hot, receive, budget);
    this.#scanEvery = count === 0 ? SCAN_WHEN_IDLE : SCAN_WHEN_BUSY;
    return count;
  }

  join(local: number, group: Uint8Array): void {
    if (this.#closed) throw new Error('the link is closed');
    if (this.#membership(local, group) !== undefined) return;
    this.#add(openMulticast(this.#own[local], local, Uint8Array.from(group), this.port, this.#options));
  }

  leave(local: number, group: Uint8Array): void {
    const socket = this.#membership(local, group);
    if (socket === undefined) return;
    this.#sockets.splice(this.#sockets.indexOf(socket), 1);
    if (this.#hot === socket) this.#hot = this.#sockets[0];
    libc().close(socket.fd);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#epoll.close();
    for (const socket of this.#sockets) libc().close(socket.fd);
    this.#sockets.length = 0;
  }

  /** One socket's only: what a socket brings lies where that of the last one lay, and must last until the next poll. */
  #scan(receive: Receive, budget: number): number {
    const readable = this.#epoll.wait(0);
    for (let i = 0; i < readable && !this.#closed; i++) {
      const fd = this.#epoll.tag(i);
      const socket = this.#sockets.find((s) => s.fd === fd);
      if (socket === undefined || socket === this.#hot) continue;
      const got = this.#rx.poll(socket, receive, budget);
      if (got === 0) continue;
      this.#hot = socket;
      return got;
    }
    return 0;
  }

  #add(socket: UdpSocket): void {
    this.#sockets.push(socket);
    this.#epoll.add(socket.fd, socket.fd);
  }

  #membership(local: number, group: Uint8Array): UdpSocket | undefined {
    const text = addressText(group);
    return this.#sockets.find((s) => s.local === local && s.group !== null && addressText(s.group) === text);
  }
}

function withScope(address: LinkAddress): string {
  return address.scope === 0 ? address.text : `${address.text}%${address.scope}`;
}
