// In a namespace with an interface d0: sends over UdpLinks, and prints the packets that leave as JSON. Run by udp-id.test.ts.
import { UdpLink } from '../../src/link/udp.ts';
import { addressBytes, localAddress } from '../../src/os/addresses.ts';
import { check, libc } from '../../src/os/libc.ts';
import { addressOf, allocate } from '../../src/os/memory.ts';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const ETH_P_ALL = 0x0300; // network order
const SOCK_NONBLOCK = 0o4000;

const own = localAddress('10.9.0.1');
const tap = check(libc().socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, ETH_P_ALL), 'socket');
const sockaddr = allocate(20);
sockaddr.writeUInt16LE(AF_PACKET, 0);
sockaddr.writeUInt16LE(ETH_P_ALL, 2);
sockaddr.writeInt32LE(own.ifindex, 4);
check(libc().bind(tap, addressOf(sockaddr), 20), 'bind');

const frame = allocate(65536);
function packets(): string[] {
  const found: string[] = [];
  for (;;) {
    const length = libc().read(tap, addressOf(frame), frame.length);
    if (length < 0) return found;
    const type = frame.readUInt16BE(12);
    if (type === 0x0800 && frame[23] === 17) {
      const [id, fragment, udp] = [frame.readUInt16BE(18), frame.readUInt16BE(20), 14 + 20];
      const text = frame.toString('latin1', udp + 8, Math.min(length, udp + 8 + 2));
      found.push(`4 ${text} id ${id} ${fragment === 0x4000 ? 'DF' : fragment} tos ${frame[15]} ttl ${frame[22]}`);
    } else if (type === 0x86dd && frame[20] === 17) {
      const tclass = (frame.readUInt16BE(14) >> 4) & 255;
      found.push(`6 ${frame.toString('latin1', 62, 64)} tos ${tclass} ttl ${frame[21]}`);
    }
  }
}

function run(
  gso: boolean,
  own: string,
  to: string,
  sizes: number[],
  mark: { tos?: number; ttl?: number } = { tos: 2 },
) {
  const link = new UdpLink({ addresses: [own], gso });
  const flow = link.flow({ local: 0, dst: addressBytes(to), dport: 4791, ...mark });
  const ids = sizes.map((size, i) => {
    const at = link.reserve(flow, size);
    link.tx.fill(0x2e, at, at + size);
    link.tx.write(String.fromCharCode(97 + i), at, 'latin1');
    link.commit();
    return link.txId;
  });
  link.flush();
  link.close();
  return { ids, packets: packets(), errors: link.stats.txErrors, gso: link.gso };
}

packets();
const sizes = [1040, 1040, 1040, 40, 1040, 500];
console.log(
  JSON.stringify({
    mtu: own.mtu,
    gso: run(true, '10.9.0.1', '10.9.0.2', sizes),
    single: run(false, '10.9.0.1', '10.9.0.2', sizes),
    zero: run(true, '10.9.0.1', '10.9.0.2', [1040, 1040, 40], { tos: 0 }),
    marked: run(true, '10.9.0.1', '10.9.0.2', [1040, 1040], { tos: 0x6a, ttl: 3 }),
    large: run(true, '10.9.0.1', '10.9.0.2', [4112, 4112, 60]),
    six: run(true, 'fd09::1', 'fd09::2', [1040, 1040, 40], { tos: 0x6a, ttl: 3 }),
  }),
);
