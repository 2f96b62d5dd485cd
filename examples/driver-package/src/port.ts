// Bare: an IB packet, from BTH to padding, is the payload of a UDP datagram.
import {
  type AddressVector,
  type Arrival,
  addressOfGid,
  type Flow,
  gidFromAddress,
  type Inbound,
  type Link,
  type Path,
  PeerWindow,
  type Port,
  sameAddress,
  writeIpv6,
} from 'infinitive/driver';

export const UDP_PORT = 24800;
const HOPS = 64;

export class BarePath implements Path {
  readonly flow: Flow;
  readonly window: PeerWindow;
  readonly reads: PeerWindow;
  /** For meters. */
  packets = 0;
  bytes = 0;

  constructor(flow: Flow) {
    this.flow = flow;
    this.window = new PeerWindow(flow.link.window);
    this.reads = new PeerWindow(flow.link.window);
  }
}

class BareInbound implements Inbound {
  arrival!: Arrival;
  buf!: Buffer;
  off = 0;
  len = 0;
  body!: Buffer;
  bodyOff = 0;
  readonly congested = false;
  group: Uint8Array | null = null;
  private readonly link: Link;

  constructor(link: Link) {
    this.link = link;
  }

  isFrom(path: Path): boolean {
    return sameAddress((path as BarePath).flow.dst, this.arrival.src);
  }

  /** Made of the addresses: there is no header that it could be a copy of. */
  writeGrh(target: Buffer, at: number): void {
    const { group, src, local, len } = this.arrival;
    const to = group ?? this.link.addresses[local].bytes;
    writeIpv6(target, at, gidFromAddress(src), gidFromAddress(to), 0, 0, HOPS, len);
  }
}

export class BarePort implements Port {
  readonly receiveWindow: PeerWindow;
  readonly paths = new Map<Flow, BarePath>();
  private readonly link: Link;
  private readonly inbound: BareInbound;
  private path!: BarePath;
  private deliver: ((packet: Inbound) => void) | null = null;
  private readonly onArrival = (arrival: Arrival): void => {
    const packet = this.inbound;
    packet.arrival = arrival;
    packet.buf = arrival.buf;
    packet.off = arrival.off;
    packet.len = arrival.len;
    packet.body = arrival.buf;
    packet.bodyOff = arrival.off;
    packet.group = arrival.group;
    this.deliver!(packet);
  };

  constructor(link: Link) {
    this.link = link;
    this.inbound = new BareInbound(link);
    this.receiveWindow = new PeerWindow(link.window, link.window);
  }

  pathTo(av: AddressVector): Path {
    const flow = this.link.flow({ local: 0, dst: addressOfGid(av.dgid), dport: UDP_PORT });
    let path = this.paths.get(flow);
    if (path === undefined) {
      path = new BarePath(flow);
      this.paths.set(flow, path);
    }
    return path;
  }

  get buf(): Buffer {
    return this.path.flow.link.tx;
  }

  begin(path: Path, length: number): number {
    const barePath = path as BarePath;
    const at = barePath.flow.link.reserve(barePath.flow, length);
    if (at < 0) return -1;
    this.path = barePath;
    barePath.packets++;
    barePath.bytes += length;
    return at;
  }

  end(): void {
    this.path.flow.link.commit();
  }

  cancel(): void {
    this.path.flow.link.abort();
  }

  flush(): boolean {
    return this.link.flush();
  }

  poll(receive: (packet: Inbound) => void, budget: number): number {
    this.deliver = receive;
    return this.link.poll(this.onArrival, budget);
  }
}
