import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchange } from './udp-multicast-run.ts';
import { inNamespace } from './udp-netns.ts';

const SETUP = `
  echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad
  echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
  ip link set lo up
  ip link add d0 type veth peer name d1
  for d in d0 d1; do ip link set $d up; done
  while ip -6 addr | grep -q tentative; do sleep 0.1; done
  for i in 1 2 3; do ip addr add 10.9.0.$i/24 dev d0; ip addr add fd09::$i/64 dev d0 nodad; done`;

function verify(seen: Record<string, string[][]>, group: string, port: number): void {
  const line = (text: string, id: number, to: string | null = group) =>
    `${text} from sender to ${to} local 0 dport ${port} id ${id}`;
  const three = [line('one', 0), line('two', 1), line('3', 2)];
  assert.deepEqual(seen.nobody, [[], [], []]);
  assert.deepEqual(seen.both, [three, three, []], 'one copy each, though one joined twice');
  assert.deepEqual(seen.one, [[], [line('four', 0)], []]);
  assert.deepEqual(seen.unicast, [[line('unicast', 0, null)]]);
  assert.deepEqual(seen.self, [[], [line('five', 0)], [line('five', 0)]]);
  assert.deepEqual(seen.errors, [['0']]);
}

test('multicast on loopback', () => {
  verify(exchange(['127.0.44.1', '127.0.44.2', '127.0.44.3'], '239.9.9.9', 24794), '239.9.9.9', 24794);
});

test('multicast on an interface, IPv4 and IPv6, and link-local addresses', (t) => {
  const script = new URL('udp-multicast-run.ts', import.meta.url).pathname;
  const seen = inNamespace<Record<'v4' | 'v6' | 'linkLocal', Record<string, string[][]>> & { unicast: string[] }>(
    t,
    SETUP,
    script,
  );
  if (seen === null) return;
  verify(seen.v4, '239.9.9.9', 4791);
  verify(seen.v6, 'ff15::9:9', 4791);
  verify(seen.linkLocal, 'ff12::9:9', 4791);
  assert.deepEqual(seen.unicast, ['hello from here']);
});
