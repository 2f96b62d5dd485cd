import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inNamespace } from './udp-netns.ts';

interface Run {
  ids: number[];
  packets: string[];
  errors: number;
  gso: boolean;
}

// An interface that does not segment: the kernel does it before, and a packet socket sees the result.
const SETUP = `
  ip link add d0 type veth peer name d1
  ip link set d1 up
  ip link set d0 mtu 1500 gso_max_segs 1 up
  ip addr add 10.9.0.1/24 dev d0
  ip addr add fd09::1/64 dev d0 nodad
  ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev d0
  ip neigh add fd09::2 lladdr 02:00:00:00:00:02 dev d0`;

test('packets carry the IPv4 identification that txId foretold, and DF (both are under the ICRC)', (t) => {
  const seen = inNamespace<Record<'gso' | 'single' | 'zero' | 'marked' | 'large' | 'six', Run> & { mtu: number }>(
    t,
    SETUP,
    new URL('udp-netns-ids.ts', import.meta.url).pathname,
  );
  if (seen === null) return;
  assert.equal(seen.mtu, 1500);
  const v4 = (ids: number[], mark: string) =>
    ids.map((id, i) => `4 ${String.fromCharCode(97 + i)}. id ${id} DF ${mark}`);

  assert.deepEqual(seen.gso.ids, [0, 1, 2, 3, 0, 1]);
  assert.deepEqual(seen.gso.packets, v4(seen.gso.ids, 'tos 2 ttl 64'));
  assert.deepEqual(seen.single.ids, [0, 0, 0, 0, 0, 0]);
  assert.deepEqual(seen.single.packets, v4(seen.single.ids, 'tos 2 ttl 64'));
  assert.deepEqual(seen.zero.packets, v4([0, 1, 2], 'tos 0 ttl 64'));
  assert.deepEqual(seen.marked.packets, v4([0, 1], `tos ${0x6a} ttl 3`));
  assert.deepEqual(
    seen.six.packets,
    ['a', 'b', 'c'].map((c) => `6 ${c}. tos ${0x6a} ttl 3`),
  );

  // Larger than the interface takes: given up and counted, and no reason to stop segmenting.
  assert.deepEqual([seen.large.packets, seen.large.errors, seen.large.gso], [[], 3, true]);
});
