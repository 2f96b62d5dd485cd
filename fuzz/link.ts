// A link in the fuzzer's hands: what is sent is examined and kept, what arrives is what the fuzzer made.

import { parseAddress } from '../src/link/address.ts';
import type { ArrivalRecord } from '../src/link/arrival.ts';
import { FlowRecord, FlowTable, headerBytes, newStats } from '../src/link/flow.ts';
import type { Flow, FlowOptions, Link, LinkAddress, LinkStats, Receive } from '../src/link/link.ts';
import { violated } from './violation.ts';

const GUARD = 32;
const GUARD_BYTE = 0xb7;

export interface Traffic {
  /** The device is about to write a packet. */
  begun(): void;
  sent(flow: Flow, buf: Buffer, at: number, length: number): void;
  /** The packet in `arrival` is about to be taken in; afterwards `taken`. */
  taking(arrival: ArrivalRecord): void;
  taken(): void;
}

export class FuzzLink implements Link {
  readonly addresses: readonly LinkAddress[];
  readonly mtu = 4200;
  readonly netdev = 'fuzz0';
  readonly needsChecksum = true;
  readonly window: number;
  readonly stats: LinkStats = newStats();
  readonly tx: Buffer = Buffer.from(new ArrayBuffer(8192)).fill(GUARD_BYTE);
  readonly txId = 0;
  readonly fds: readonly number[] = [];
  onArrival: (() => void) | null = null;
  /** Packets that may be reserved before there is no more room. */
  room = Number.POSITIVE_INFINITY;
  /** `flush` fails so many times. */
  stuck = 0;
  /** Packets reserved since the fuzzer last set it to 0. */
  reserved = 0;
  readonly incoming: ArrivalRecord[] = [];
  readonly groups: string[] = [];
  private readonly flows: FlowTable<FlowRecord>;
  private readonly traffic: Traffic;
  private open: Flow | null = null;
  private length = 0;

  constructor(addresses: readonly string[], window: number, traffic: Traffic) {
    this.addresses = addresses.map(parseAddress);
    this.window = window;
    this.traffic = traffic;
    this.flows = new FlowTable((o) => new FlowRecord(this, o, 4791));
  }

  flow(options: FlowOptions): Flow {
    return this.flows.get(options);
  }

  reserve(flow: Flow, length: number): number {
    if (this.open !== null) violated('link contract', 'reserve while a packet is open');
    if (length + headerBytes(flow.family) > this.mtu) violated('packet beyond the MTU', `${length} bytes`);
    this.reserved++;
    if (this.room <= 0) return -1;
    this.open = flow;
    this.length = length;
    this.traffic.begun();
    return GUARD;
  }

  commit(): void {
    const { tx, length } = this;
    const flow = this.open;
    if (flow === null) return violated('link contract', 'commit without reserve');
    this.open = null;
    this.room--;
    for (let i = 0; i < GUARD; i++) {
      if (tx[i] !== GUARD_BYTE || tx[GUARD + length + i] !== GUARD_BYTE)
        violated('write beyond a packet', `${length} bytes`);
    }
    this.traffic.sent(flow, tx, GUARD, length);
    tx.fill(GUARD_BYTE, GUARD, GUARD + length);
  }

  abort(): void {
    if (this.open === null) violated('link contract', 'abort without reserve');
    this.tx.fill(GUARD_BYTE, GUARD, GUARD + this.length);
    this.open = null;
  }

  flush(): boolean {
    if (this.open !== null) violated('link contract', 'flush while a packet is open');
    if (this.stuck > 0) {
      this.stuck--;
      return false;
    }
    this.room = Number.POSITIVE_INFINITY;
    return true;
  }

  poll(receive: Receive, budget: number): number {
    let n = 0;
    for (; n < budget; n++) {
      const arrival = this.incoming.shift();
      if (arrival === undefined) break;
      this.traffic.taking(arrival);
      receive(arrival);
      this.traffic.taken();
    }
    return n;
  }

  join(local: number, group: Uint8Array): void {
    this.groups.push(`${local} ${group.join('.')}`);
  }

  leave(local: number, group: Uint8Array): void {
    const i = this.groups.indexOf(`${local} ${group.join('.')}`);
    if (i < 0) violated('link contract', 'leave without join');
    this.groups.splice(i, 1);
  }

  close(): void {
    this.incoming.length = 0;
  }
}
