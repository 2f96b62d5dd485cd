import { readFileSync } from 'node:fs';
import { DEFAULT_PORT_RULES, type PortRules } from '../cm/rdma/ports.ts';

/** Ports as this host gives them to sockets. */
export function hostPortRules(): PortRules {
  const read = (name: string): number[] => {
    try {
      return readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').trim().split(/\s+/).map(Number);
    } catch {
      return [];
    }
  };
  const [unprivilegedFrom = DEFAULT_PORT_RULES.unprivilegedFrom] = read('ip_unprivileged_port_start');
  const range = read('ip_local_port_range');
  return { unprivilegedFrom, ephemeral: range.length === 2 ? [range[0], range[1]] : DEFAULT_PORT_RULES.ephemeral };
}
