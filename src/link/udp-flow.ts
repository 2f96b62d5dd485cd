// Ways from a UdpLink to remote addresses.
import { addressOf, allocate } from '../os/memory.ts';
import { SOCKADDR_BYTES, writeSockaddr } from '../os/sockaddr.ts';
import { FlowRecord } from './flow.ts';
import type { FlowOptions, Link } from './link.ts';
import { DEFAULT_TOS, DEFAULT_TTL } from './udp-socket.ts';

/** A flow with what the kernel wants to be told when a datagram takes it. */
export class UdpFlow extends FlowRecord {
  /** Descriptor of the socket that sends. */
  readonly fd: number;
  /** Whether the TOS or TTL differs from the socket's and has to be given with each send; and which. */
  readonly marked: boolean;
  readonly tosMarked: boolean;
  readonly ttlMarked: boolean;
  /** The destination's socket address in memory: where, the same in two halves, and its length. */
  readonly nameAt: number;
  readonly nameLow: number;
  readonly nameHigh: number;
  readonly nameLength: number;
  readonly #name: Buffer;

  constructor(link: Link, options: FlowOptions, port: number, fd: number) {
    super(link, options, port);
    this.fd = fd;
    this.tosMarked = this.tos !== DEFAULT_TOS;
    this.ttlMarked = this.ttl !== DEFAULT_TTL;
    this.marked = this.tosMarked || this.ttlMarked;
    this.#name = allocate(SOCKADDR_BYTES);
    this.nameLength = writeSockaddr(this.#name, 0, this.dst, this.dport, link.addresses[options.local].scope);
    const at = addressOf(this.#name);
    this.nameAt = at;
    this.nameLow = at >>> 0;
    this.nameHigh = (at - this.nameLow) / 2 ** 32;
  }
}
