// What a link is: it moves UDP-sized datagrams between addresses and knows nothing of what is in them.

/** One of the link's own addresses. */
export interface LinkAddress {
  readonly family: 4 | 6;
  /** 4 or 16 bytes, network order. */
  readonly bytes: Uint8Array;
  /** As text: `127.0.0.1`, `fe80::1`. */
  readonly text: string;
  /** IPv6 scope (interface index) of a link-local address, else 0. */
  readonly scope: number;
}

/** A way to a remote address, from one of the link's own; made by {@link Link.flow} and shared by all who go the same way. */
export interface Flow {
  readonly link: Link;
  readonly family: 4 | 6;
  /** Index into the link's addresses. */
  readonly local: number;
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  readonly sport: number;
  readonly dport: number;
  /** TOS or traffic class: DSCP and ECN. */
  readonly tos: number;
  readonly ttl: number;
  /** Bytes in flight that this way is sure to hold, as {@link Link.window} counts them. */
  readonly window: number;
  /** What goes this way now is no IP packet: it may be as long as `JUMBO` of jumbo.ts, whatever the link's MTU. */
  readonly jumbo: boolean;
}

export interface FlowOptions {
  readonly local: number;
  readonly dst: Uint8Array;
  readonly dport: number;
  readonly tos?: number;
  readonly ttl?: number;
}

/** One datagram that came in: a reused object, valid only during the call of {@link Receive}. */
export interface Arrival {
  readonly buf: Buffer;
  readonly off: number;
  readonly len: number;
  /**
   * Where the whole of a jumbo is, from `bodyOff` on, when only its first `JUMBO_HEAD` bytes are in `buf`: in memory that its sender
   * may still write to. Nothing there is to be believed that has been checked before it was read for the last time. Else null.
   */
  readonly body: Buffer | null;
  readonly bodyOff: number;
  readonly family: 4 | 6;
  /** Source address: 4 or 16 bytes. */
  readonly src: Uint8Array;
  readonly sport: number;
  /** Index of the link's own address it was sent to (for multicast: the address of the socket that joined). */
  readonly local: number;
  /** Destination address when it is not that own address (multicast), else null. */
  readonly group: Uint8Array | null;
  readonly dport: number;
  /** TOS or traffic class; -1 where the link cannot tell. */
  readonly tos: number;
  /** A guess at the IPv4 identification (a socket does not show it): the segment's index in what came together. */
  readonly idGuess: number;
  /** True when it came by a link that cannot damage it ({@link Link.needsChecksum} false): its checksum may not be filled in. */
  readonly trusted: boolean;
  /** True when it came a way that is {@link Flow.jumbo}. */
  readonly jumbo: boolean;
  /** True when its bytes stay where they are until the link is polled again or armed; those of a {@link body} as its sender leaves them. */
  readonly lasting: boolean;
}

export type Receive = (arrival: Arrival) => void;

/** Counters of a link, since it was opened. */
export interface LinkStats {
  txPackets: number;
  txBytes: number;
  rxPackets: number;
  rxBytes: number;
  /** Datagrams given up: the socket refused them for another reason than being full. */
  txErrors: number;
  txSyscalls: number;
  rxSyscalls: number;
}

/**
 * Moves datagrams. Sending is in two steps, so that the packet is built where it is sent from and is signed knowing the IP
 * identification it will carry: `reserve`, write into `tx` at the offset returned, `commit` (or `abort`). Nothing is sent
 * before `flush`, which sends all that was committed in as few system calls as it can.
 */
export interface Link {
  readonly addresses: readonly LinkAddress[];
  /** Bytes of the largest IP packet. */
  readonly mtu: number;
  /** The name of the network interface, where there is one. */
  readonly netdev: string;
  /** False when what is sent cannot be damaged on the way (loopback inside one device): checksums may be left out. */
  readonly needsChecksum: boolean;
  /**
   * Bytes in flight to one destination that its receiver's buffer is sure to hold, where a datagram counts its length and 512
   * more: receivers account for memory, not for bytes.
   */
  readonly window: number;
  readonly stats: LinkStats;

  flow(options: FlowOptions): Flow;

  /** Where to write the reserved datagram; valid from `reserve` to `commit`, may be another buffer the next time. */
  readonly tx: Buffer;
  /** The IPv4 identification that the datagram reserved last will carry. */
  readonly txId: number;
  /** Room for one datagram of `length` bytes: its offset in `tx`, or -1 when there is none until a `flush` succeeds. */
  reserve(flow: Flow, length: number): number;
  commit(): void;
  abort(): void;
  /** Would a datagram of `length` bytes leave together with the one committed last, at hardly any cost? */
  joins?(flow: Flow, length: number): boolean;
  /** Sends what was committed; false when the network would not take it all now. */
  flush(): boolean;

  /** Hands over at most about `budget` datagrams that have arrived; returns how many. */
  poll(receive: Receive, budget: number): number;

  /** Multicast membership on the address with index `local`. */
  join(local: number, group: Uint8Array): void;
  leave(local: number, group: Uint8Array): void;

  /** File descriptors that become readable when datagrams arrive; empty where the link has none and calls `onArrival`. */
  readonly fds: readonly number[];
  /**
   * Where not all that arrives makes a descriptor readable: to be called before sleeping until one is; from then on, until the next
   * `poll`, it does. False: something has arrived already, poll again.
   */
  arm?(): boolean;
  /**
   * Called by links without descriptors when something has arrived and `poll` should be called. The call may come from inside
   * `flush`, so it should only note the fact.
   */
  onArrival: (() => void) | null;
  /** Where a link holds datagrams back: when (on the clock it was given) `poll` or `flush` should be called; else Infinity. */
  nextDue?(): number;
  /** For links that live in Node's event loop: whether an open link keeps the process alive. At first it does not. */
  ref?(): void;
  unref?(): void;
  close(): void;
}
