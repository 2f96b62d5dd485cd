// Two links join and leave a multicast group, a third sends to it. As a script it prints what came; used by udp-multicast.test.ts.
import type { Arrival } from '../../src/link/link.ts';
import { UdpLink } from '../../src/link/udp.ts';
import { addressBytes, addressText, localAddresses } from '../../src/os/addresses.ts';

/** What arrived at either member, as `text group local` lines, after each step. */
export function exchange(
  own: readonly [string, string, string],
  group: string,
  port: number,
): Record<string, string[][]> {
  const [a, b, sender] = own.map((address) => new UdpLink({ addresses: [address], port }));
  const to = addressBytes(group);
  const flow = sender.flow({ local: 0, dst: to, dport: port });
  const drain = (link: UdpLink) => {
    const lines: string[] = [];
    const receive = (x: Arrival) => {
      const text = x.buf.toString('latin1', x.off, x.off + x.len);
      const from = addressText(x.src) === sender.addresses[0].text ? 'sender' : addressText(x.src);
      lines.push(
        `${text} from ${from} to ${x.group && addressText(x.group)} local ${x.local} dport ${x.dport} id ${x.idGuess}`,
      );
    };
    for (let i = 0; i < 40; i++) link.poll(receive, 16);
    return lines;
  };
  const say = (...texts: string[]) => {
    for (const text of texts) {
      sender.tx.write(text, sender.reserve(flow, text.length), 'latin1');
      sender.commit();
    }
    sender.flush();
    return [drain(a), drain(b), drain(sender)];
  };
  try {
    const out: Record<string, string[][]> = { nobody: say('x') };
    a.join(0, to);
    a.join(0, to);
    b.join(0, to);
    out.both = say('one', 'two', '3');
    a.leave(0, to);
    a.leave(0, to);
    out.one = say('four');
    const direct = sender.flow({ local: 0, dst: b.addresses[0].bytes, dport: port });
    sender.tx.write('unicast', sender.reserve(direct, 7), 'latin1');
    sender.commit();
    sender.flush();
    out.unicast = [drain(b)];
    sender.join(0, to);
    out.self = say('five');
    out.errors = [[String(sender.stats.txErrors)]];
    return out;
  } finally {
    for (const link of [a, b, sender]) link.close();
  }
}

/** From one interface's link-local address to that of the other end of the cable. */
function linkLocalUnicast(): string[] {
  const [here, there] = ['d0', 'd1'].map((d) => localAddresses().find((a) => a.netdev === d && a.scope !== 0)!);
  const [a, b] = [here, there].map((own) => new UdpLink({ addresses: [own] }));
  const there1 = a.flow({ local: 0, dst: there.bytes, dport: 4791 });
  a.tx.write('hello', a.reserve(there1, 5), 'latin1');
  a.commit();
  a.flush();
  const seen: string[] = [];
  for (const end = Date.now() + 2000; seen.length === 0 && Date.now() < end; ) {
    b.poll((x) => {
      const known = addressText(x.src) === here.text;
      seen.push(`${x.buf.toString('latin1', x.off, x.off + x.len)} from ${known ? 'here' : addressText(x.src)}`);
    }, 1);
  }
  a.close();
  b.close();
  return seen;
}

if (import.meta.main) {
  const six = ['fd09::1', 'fd09::2', 'fd09::3'] as const;
  console.log(
    JSON.stringify({
      v4: exchange(['10.9.0.1', '10.9.0.2', '10.9.0.3'], '239.9.9.9', 4791),
      v6: exchange(six, 'ff15::9:9', 4791),
      linkLocal: exchange(six, 'ff12::9:9', 4791),
      unicast: linkLocalUnicast(),
    }),
  );
}
