import { addressText } from '../os/addresses.ts';
import type { Flow, FlowOptions, Link, LinkStats } from './link.ts';

/** Bytes of the IP and UDP headers of a family: what an IP packet has besides the datagram. */
export const headerBytes = (family: 4 | 6): number => (family === 4 ? 28 : 48);

/** The plain flow; links with more to remember per destination extend it. */
export class FlowRecord implements Flow {
  readonly link: Link;
  readonly family: 4 | 6;
  readonly local: number;
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  readonly sport: number;
  readonly dport: number;
  readonly tos: number;
  readonly ttl: number;

  constructor(link: Link, options: FlowOptions, sport: number) {
    const own = link.addresses[options.local];
    if (own === undefined) throw new RangeError(`the link has no address with index ${options.local}`);
    if (own.bytes.length !== options.dst.length) {
      throw new TypeError(`no way from ${own.text} to ${addressText(options.dst)}: one is IPv4, the other IPv6`);
    }
    this.link = link;
    this.family = own.family;
    this.local = options.local;
    this.src = own.bytes;
    this.dst = Uint8Array.from(options.dst);
    this.sport = sport;
    this.dport = options.dport;
    this.tos = options.tos ?? 0;
    this.ttl = options.ttl ?? 64;
  }

  get window(): number {
    return this.link.window;
  }

  get jumbo(): boolean {
    return false;
  }
}

/** The flows of one link: asked twice for the same way, it gives the same flow. */
export class FlowTable<F extends Flow> {
  private readonly flows = new Map<string, F>();
  private readonly make: (options: FlowOptions) => F;

  constructor(make: (options: FlowOptions) => F) {
    this.make = make;
  }

  get(options: FlowOptions): F {
    const { local, dst, dport, tos = 0, ttl = 64 } = options;
    const key = `${local} ${dst.join('.')} ${dport} ${tos} ${ttl}`;
    let flow = this.flows.get(key);
    if (flow === undefined) {
      flow = this.make(options);
      this.flows.set(key, flow);
    }
    return flow;
  }
}

export function newStats(): LinkStats {
  return { txPackets: 0, txBytes: 0, rxPackets: 0, rxBytes: 0, txErrors: 0, txSyscalls: 0, rxSyscalls: 0 };
}
