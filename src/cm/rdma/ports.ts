// Port numbers of one port space: who has which, and who may have it too. The rules are those of sockets, as Linux's
// cma_check_port applies them.
import { VerbsError } from '../../core/errors.ts';
import type { RdmaCmId } from './id.ts';
import { isAny, sameBytes } from './sockaddr.ts';

export interface PortRules {
  /** Below this a port needs CAP_NET_BIND_SERVICE (`net.ipv4.ip_unprivileged_port_start`). */
  readonly unprivilegedFrom: number;
  /** Ports given to those who ask for none (`net.ipv4.ip_local_port_range`). */
  readonly ephemeral: readonly [first: number, last: number];
}

export const DEFAULT_PORT_RULES: PortRules = { unprivilegedFrom: 1024, ephemeral: [32768, 60999] };

export class PortTable {
  private readonly owners = new Map<number, Set<RdmaCmId>>();
  private readonly rules: PortRules;
  private readonly random: (below: number) => number;

  constructor(rules: PortRules, random: (below: number) => number) {
    this.rules = rules;
    this.random = random;
  }

  /** Gives `id` the port it asks for, or with 0 a free one. */
  bind(id: RdmaCmId, address: Uint8Array, port: number): number {
    if (port === 0) return this.bindAny(id, address);
    if (port < this.rules.unprivilegedFrom && !id.rights.netBindService) {
      throw new VerbsError(
        'bindAddr',
        'EACCES',
        `port ${port} is below ${this.rules.unprivilegedFrom}, which needs CAP_NET_BIND_SERVICE`,
      );
    }
    if (this.conflict(id, address, port, id.reuseAddr)) throw inUse(port);
    this.take(id, port);
    return port;
  }

  private bindAny(id: RdmaCmId, address: Uint8Array): number {
    const [first, last] = this.rules.ephemeral;
    const count = last - first + 1;
    const start = this.random(count);
    for (let i = 0; i < count; i++) {
      const port = first + ((start + i) % count);
      if (this.conflict(id, address, port, false)) continue;
      this.take(id, port);
      return port;
    }
    throw new VerbsError('bindAddr', 'EADDRNOTAVAIL', `all ports from ${first} to ${last} are taken`);
  }

  private take(id: RdmaCmId, port: number): void {
    const owners = this.owners.get(port);
    if (owners === undefined) this.owners.set(port, new Set([id]));
    else owners.add(id);
  }

  /** EADDRINUSE when another than `id` has the port in a way that leaves no room for a listener. */
  checkListen(id: RdmaCmId): void {
    const { address, port } = id.src!;
    if (this.conflict(id, address, port, false)) throw inUse(port);
  }

  private conflict(id: RdmaCmId, address: Uint8Array, port: number, reuse: boolean): boolean {
    for (const other of this.owners.get(port) ?? []) {
      if (other === id) continue;
      const theirs = other.src!.address;
      if (reuse && other.reuseAddr && other.state !== 'LISTEN') continue;
      if (id.afOnly && other.afOnly && address.length !== theirs.length) continue;
      if (isAny(address) || isAny(theirs) || sameBytes(address, theirs)) return true;
    }
    return false;
  }

  /** Who listens for `address` at `port`: by its very address first, else at any. */
  listener(address: Uint8Array, port: number): RdmaCmId | null {
    let any: RdmaCmId | null = null;
    for (const id of this.owners.get(port) ?? []) {
      if (id.state !== 'LISTEN') continue;
      const own = id.src!.address;
      if (sameBytes(own, address)) return id;
      if (!isAny(own)) continue;
      // [::] hears IPv4 too, unless it is for its own family only.
      if (own.length === address.length || (own.length === 16 && !id.afOnly)) any = id;
    }
    return any;
  }

  release(id: RdmaCmId): void {
    if (id.src === null) return;
    const owners = this.owners.get(id.src.port);
    owners?.delete(id);
    if (owners?.size === 0) this.owners.delete(id.src.port);
  }
}

const inUse = (port: number): VerbsError => new VerbsError('bindAddr', 'EADDRINUSE', `port ${port} is taken`);
