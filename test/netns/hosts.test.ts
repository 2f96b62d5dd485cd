// Two programs on two hosts: what goes over the cable between them is right as others see it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatIp } from '../../src/wire/ip.ts';
import { assertTsharkContent, framesWithIcrc, tsharkFields } from '../api/capture-check.ts';
import { requireProgram } from '../helpers/debian.ts';
import { Child } from './child.ts';
import { type Host, setMtu, twoHosts } from './namespaces.ts';
import type { PeerOptions } from './peer.ts';

const PEER = new URL('peer.ts', import.meta.url).pathname;
const GROUPS = ['239.97.0.1', 'ff15::97'];

interface Result {
  mtu: number;
  sent_pkts: number;
  retransmitted_pkts: number;
  icrc_errors: number;
  dropped_pkts: number;
}

const start = (host: Host, options: Omit<PeerOptions, 'addresses' | 'groups'>): Child => {
  const { addresses, namespace } = host;
  return new Child(namespace, process.execPath, [PEER, JSON.stringify({ ...options, addresses, groups: GROUPS })]);
};

async function converse(hosts: [Host, Host], link: 'udp' | 'dgram', offload: boolean): Promise<Result[]> {
  const children = hosts.map((host, i) => start(host, { active: i === 0, link, offload }));
  try {
    // Who they are, and then that they are ready.
    for (let round = 0; round < 2; round++) {
      const [a, b] = await Promise.all(children.map((child) => child.read()));
      children[0].write(b);
      children[1].write(a);
    }
    return await Promise.all(children.map((child) => child.read<Result>()));
  } finally {
    for (const child of children) await child.end();
  }
}

test('RC over IPv4, global and link-local IPv6, and UD multicast, between two hosts', {
  timeout: 60_000,
}, async (t) => {
  if (!requireProgram(t, 'tcpdump', 'tcpdump') || !requireProgram(t, 'tshark', 'tshark')) return;
  const hosts = twoHosts(t);
  if (hosts === null) return;
  const dir = mkdtempSync(join(tmpdir(), 'infinitive-netns-'));
  t.after(() => rmSync(dir, { recursive: true }));

  for (const [linkMtu, link, offload, mtu] of [
    [1500, 'udp', true, 1024],
    [1500, 'udp', false, 1024],
    [4200, 'udp', true, 4096],
    [4200, 'udp', false, 4096],
    [1500, 'dgram', false, 1024],
  ] as const) {
    await t.test(`${link}, MTU ${linkMtu}, offload ${offload}`, async () => {
      setMtu(hosts, linkMtu);
      const file = join(dir, `${link}-${linkMtu}-${offload}.pcap`);
      const filter = ['-i', hosts[1].device, '-B', '32768', '--immediate-mode', '-U', '-w', file, 'udp port 4791'];
      // Without -Z the file would be another user's, in a folder he may not enter.
      const tcpdump = new Child(hosts[1].namespace, 'tcpdump', ['-Z', 'root', ...filter]);
      await tcpdump.says('listening');
      const results = await converse(hosts, link, offload);
      await new Promise((resolve) => setTimeout(resolve, 50));
      await tcpdump.end('SIGINT');
      assert.match(tcpdump.stderr, /\b0 packets dropped by kernel/);

      for (const result of results) {
        assert.deepEqual([result.mtu, result.icrc_errors, result.dropped_pkts], [mtu, 0, 0]);
      }
      // node:dgram cannot choose the IPv4 identification that the ICRC covers (see src/link/dgram.ts).
      const frames = framesWithIcrc(file, ({ ip }) => link === 'udp' || ip.version === 6);
      const byHost = hosts.map(
        ({ addresses }) =>
          frames.filter(({ ip }) => addresses.some((a) => a.split('%')[0] === formatIp(ip.src))).length,
      );
      for (const [i, { sent_pkts }] of results.entries())
        assert.ok(byHost[i] >= sent_pkts, `${byHost[i]} of ${sent_pkts}`);
      assert.equal(frames.length, byHost[0] + byHost[1]);
      // All ICRCs are right with the identification and the DF bit that are really there.
      for (const { ip } of frames) if (ip.version === 4) assert.equal(ip.fragment, 0x4000);
      const ids = new Set(frames.map(({ ip }) => (ip.version === 4 ? ip.id : 0)));
      if (link === 'udp') assert.equal(ids.size > 1, offload, `identifications ${[...ids]}`);
      for (const group of GROUPS)
        assert.ok(
          frames.some(({ ip }) => formatIp(ip.dst) === group),
          group,
        );

      assertTsharkContent(file, frames.length);
      const lengths = tsharkFields(file, 'infiniband', ['frame.len']).map(([n]) => Number(n));
      assert.ok(Math.max(...lengths) <= linkMtu + 14, `a frame of ${Math.max(...lengths)} bytes`);
    });
  }
});
