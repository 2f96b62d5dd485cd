// What the transport needs from below: a way to put IB packets on a fabric and to take them off. A driver implements it
// with its own encapsulation (RoCEv2, a simulated fabric, …); the transport never sees addresses or checksums.
import type { AddressVector } from '../core/ah.ts';
import type { Unconfirmed } from './unconfirmed.ts';
import type { PeerWindow } from './window.ts';

/** A way to a peer, from an address vector; shared by all QPs that go the same way. */
export interface Path {
  /** What may be in flight to that peer, and what of its READ responses may be on their way here. */
  readonly window: PeerWindow;
  readonly reads: PeerWindow;
  /** Bytes of payload that one packet may carry: several MTUs where the packets are not real ones; else absent. */
  readonly jumbo?: number;
  /** What UC and UD have sent to that peer's address; absent where nothing is lost, and for groups. */
  readonly unconfirmed?: Unconfirmed | null;
}

/** One packet that came in: from the BTH to the end of the padding. A reused object, valid during the call only. */
export interface Inbound {
  readonly buf: Buffer;
  readonly off: number;
  readonly len: number;
  /** Where its payload is, as if it began at `bodyOff` of `body`: mostly those above; else in memory that its sender may still write to. */
  readonly body: Buffer;
  readonly bodyOff: number;
  /** It met congestion on its way (ECN CE, or FECN). */
  readonly congested: boolean;
  /** Did it come the way that `path` goes? */
  isFrom(path: Path): boolean;
  /** It may carry several MTUs, because it came a way that has {@link Path.jumbo}. */
  readonly jumbo?: boolean;
  /** Its bytes stay where they are until the port is polled again, or its owner sleeps. */
  readonly lasting?: boolean;
  /** The multicast group it was sent to; null when to one of our own addresses. */
  readonly group: Uint8Array | null;
  /** Where it came from and with which service level, on fabrics that have LIDs. */
  readonly slid?: number;
  readonly sl?: number;
  /** Writes the 40 bytes of global route header that a UD receive buffer starts with. */
  writeGrh(target: Buffer, at: number): void;
}

export interface Port {
  /** `responsive`: what goes there slows down when it is told of congestion, and so may be marked instead of dropped (ECN); the default. */
  pathTo(av: AddressVector, responsive?: boolean): Path;
  /** The way to where `packet` came from; null when there are too many already. Absent where {@link Path.unconfirmed} is. */
  pathBack?(packet: Inbound): Path | null;
  /** Room for one packet of `length` bytes (BTH to end of padding): its offset in `buf`, or -1 until a flush succeeds. */
  begin(path: Path, length: number): number;
  /** The buffer `begin` spoke of; ask for it after each `begin`. */
  readonly buf: Buffer;
  /** The packet is written: sign it and put it in the batch. */
  end(): void;
  /** The packet that `begin` made room for is not sent after all. */
  cancel(): void;
  /** Would a packet of `length` bytes to `path` leave together with the last one, at hardly any cost? */
  joins?(path: Path, length: number): boolean;
  flush(): boolean;
  poll(receive: (packet: Inbound) => void, budget: number): number;
  /** Bytes of READ responses that may be asked for at a time. */
  readonly receiveWindow: PeerWindow;
}
