// A datagram on its way, with its own bytes: what a simulated network and a delaying decorator carry.
import type { Timed } from './heap.ts';
import type { Arrival, Flow } from './link.ts';

const NO_ADDRESS = new Uint8Array(0);

/** A datagram with its own bytes; at the receiver it is handed over as the arrival itself. */
export class Parcel implements Arrival, Timed {
  readonly buf: Buffer;
  readonly off = 0;
  len = 0;
  readonly body = null;
  readonly bodyOff = 0;
  family: 4 | 6 = 4;
  src: Uint8Array = NO_ADDRESS;
  sport = 0;
  local = 0;
  group: Uint8Array | null = null;
  dport = 0;
  tos = 0;
  idGuess = 0;
  trusted = false;
  jumbo = false;
  /** Its buffer is used again for others. */
  readonly lasting = false;
  time = 0;
  seq = 0;
  flow: Flow | null = null;
  /** The index of the node it goes to (simulation). */
  to = -1;
  /** How far it has come (simulation). */
  stage = 0;
  readonly sizeClass: number;

  constructor(sizeClass: number) {
    this.sizeClass = sizeClass;
    this.buf = Buffer.allocUnsafeSlow(1 << sizeClass);
  }

  /** Becomes a copy of `other` as it is on its way out: bytes and flow. */
  copyOutgoing(other: Parcel): void {
    other.buf.copy(this.buf, 0, 0, other.len);
    this.flow = other.flow;
    this.tos = other.tos;
  }

  /** Becomes a copy of an arrival, addresses included; of one in a single part, as there are where faults are made. */
  copyArrival(arrival: Arrival): void {
    arrival.buf.copy(this.buf, 0, arrival.off, arrival.off + arrival.len);
    this.family = arrival.family;
    this.src = Uint8Array.from(arrival.src);
    this.sport = arrival.sport;
    this.local = arrival.local;
    this.group = arrival.group === null ? null : Uint8Array.from(arrival.group);
    this.dport = arrival.dport;
    this.tos = arrival.tos;
    this.idGuess = arrival.idGuess;
    this.trusted = arrival.trusted;
    this.jumbo = arrival.jumbo;
  }
}

const SMALLEST_CLASS = 7;

/** Parcels to be used again, by power-of-two size: as much memory as was ever on its way at once. */
export class ParcelPool {
  private readonly free: Parcel[][] = [];

  take(length: number): Parcel {
    const sizeClass = length > 1 << SMALLEST_CLASS ? 32 - Math.clz32(length - 1) : SMALLEST_CLASS;
    const parcel = this.free[sizeClass]?.pop() ?? new Parcel(sizeClass);
    parcel.len = length;
    return parcel;
  }

  release(parcel: Parcel): void {
    parcel.flow = null;
    const { sizeClass } = parcel;
    while (this.free.length <= sizeClass) this.free.push([]);
    this.free[sizeClass].push(parcel);
  }
}
