// Two network namespaces joined by a veth pair: two hosts and a cable.
import { execFileSync, spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { missing, requireProgram } from '../helpers/debian.ts';

export interface Host {
  readonly namespace: string;
  readonly device: string;
  /** IPv4, global IPv6 and link-local IPv6 address, the last with its zone. */
  readonly addresses: readonly [string, string, string];
}

const ip = (...args: string[]): void => {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
};

function makeHost(n: 1 | 2, namespace: string): Host {
  const device = `v${n}`;
  return { namespace, device, addresses: [`10.97.0.${n}`, `fd97::${n}`, `fe80::97:${n}%${device}`] };
}

/** Both hosts, taken down when the test ends; null (and the test skipped) where they cannot be had. */
export function twoHosts(t: TestContext): [Host, Host] | null {
  if (!requireProgram(t, 'ip', 'iproute2')) return null;
  const hosts = ([1, 2] as const).map((n) => makeHost(n, `inf-${process.pid}-${n}`)) as [Host, Host];
  const probe = spawnSync('ip', ['netns', 'add', hosts[0].namespace], { encoding: 'utf8' });
  if (probe.status !== 0) {
    missing(t, `needs root for network namespaces: ${probe.stderr.trim()}`);
    return null;
  }
  t.after(() => {
    for (const { namespace } of hosts) spawnSync('ip', ['netns', 'del', namespace]);
  });
  ip('netns', 'add', hosts[1].namespace);
  const [a, b] = hosts;
  ip('-n', a.namespace, 'link', 'add', a.device, 'type', 'veth', 'peer', 'name', b.device, 'netns', b.namespace);
  for (const host of hosts) {
    const inside = ['-n', host.namespace];
    ip(...inside, 'link', 'set', 'lo', 'up');
    // Neither driver nor stack puts off cutting batches into packets: a capture shows what a cable would carry.
    ip(...inside, 'link', 'set', host.device, 'gso_max_segs', '1', 'addrgenmode', 'none', 'up');
    const [v4, global, local] = host.addresses;
    ip(...inside, 'addr', 'add', `${v4}/24`, 'dev', host.device);
    ip(...inside, 'addr', 'add', `${global}/64`, 'dev', host.device, 'nodad');
    ip(...inside, 'addr', 'add', `${local.split('%')[0]}/64`, 'dev', host.device, 'nodad');
    // Checksums, too, are filled in before a capture sees them.
    const off = ['tx', 'off', 'gso', 'off', 'tso', 'off', 'gro', 'off', 'tx-udp-segmentation', 'off'];
    spawnSync('ip', ['netns', 'exec', host.namespace, 'ethtool', '-K', host.device, ...off]);
  }
  return hosts;
}

export function setMtu(hosts: readonly Host[], mtu: number): void {
  for (const { namespace, device } of hosts) ip('-n', namespace, 'link', 'set', device, 'mtu', String(mtu));
}
