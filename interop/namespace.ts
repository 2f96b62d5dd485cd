// A network namespace of the harness's own: two bridges, one for RDMA and one for control, and nothing else.
import { execFileSync, spawnSync } from 'node:child_process';

/** Set in the process that runs inside. */
const INSIDE = 'INFINITIVE_INTEROP_NAMESPACE';

export const HOST4 = '10.77.0.1';
export const HOST6 = 'fd77::1';
export const CONTROL = '10.78.0.1';
/** A guest's address on the control network. */
export const controlOf = (n: number): string => `10.78.0.${n + 1}`;
export const address4 = (n: number): string => `10.77.0.${n + 1}`;
export const address6 = (n: number): string => `fd77::${n + 1}`;

const sh = (script: string): void => {
  execFileSync('sh', ['-ec', script], { stdio: ['ignore', 'inherit', 'inherit'] });
};

/**
 * Runs this program again in a new network namespace, which ends with it, and returns its status; null: this is that program.
 */
export function enterNamespace(): number | null {
  if (process.env[INSIDE] === '1') return null;
  const args = ['--net', process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const { status, error } = spawnSync('unshare', args, { stdio: 'inherit', env: { ...process.env, [INSIDE]: '1' } });
  if (error) throw error;
  return status ?? 1;
}

export function makeNetwork(): void {
  sh(`
    ip link set lo up
    for bridge in data control; do
      ip link add $bridge type bridge
      # No router and no other host will ever speak here: be ready at once, and flood multicast.
      ip link set $bridge type bridge stp_state 0 forward_delay 0 mcast_snooping 0
    done
    echo 0 >/proc/sys/net/ipv6/conf/data/accept_dad
    echo 1 >/proc/sys/net/ipv6/conf/control/disable_ipv6
    ip link set data up; ip link set control up
    ip addr add ${HOST4}/24 dev data; ip addr add ${HOST6}/64 dev data nodad
    ip addr add ${CONTROL}/24 dev control`);
}

/** The two interfaces of guest `n`. */
export function addTaps(n: number): void {
  sh(`
    for bridge in data control; do
      tap=$bridge-${n}
      ip tuntap add $tap mode tap
      ip link set $tap master $bridge up
    done`);
}

/** Link MTU of all of the host's side. */
export function setHostMtu(guests: readonly number[], mtu: number): void {
  sh([...guests.map((n) => `ip link set data-${n} mtu ${mtu}`), `ip link set data mtu ${mtu}`].join('\n'));
}
