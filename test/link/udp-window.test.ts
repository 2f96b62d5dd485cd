import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UdpLink } from '../../src/link/udp.ts';
import { DATAGRAM_OVERHEAD, windowOf } from '../../src/link/udp-window.ts';
import { addressBytes } from '../../src/os/addresses.ts';

const PORT = 24792;

// The steps of what the kernel charges lie between these sizes (see udp-window.ts).
const SIZES = [1, 16, 64, 197, 198, 280, 645, 646, 1040, 1669, 1670, 2064, 3717, 3718, 4112, 7813, 7814, 9000];

for (const gso of [true, false]) {
  for (const gro of [true, false]) {
    test(`what is in the window is not lost while nobody reads: gso ${gso}, gro ${gro}`, () => {
      for (const batch of [1, 2, 3, 16, 64]) for (const size of SIZES) fill({ gso, gro }, size, batch);
    });
  }
}

test('nor with the small buffer that an ordinary user is allowed by default', () => {
  for (const size of SIZES) for (const batch of [1, 8]) fill({ rcvbuf: 212992 }, size, batch);
});

test('a receiver that falls behind again and again loses nothing', () => {
  for (const size of [64, 1040, 4112]) fill({ rcvbuf: 212992 }, size, 4, 20);
});

function fill(options: object, size: number, batch: number, rounds = 1): void {
  const a = new UdpLink({ addresses: ['127.0.42.1'], port: PORT, ...options });
  const b = new UdpLink({ addresses: ['127.0.42.2'], port: PORT, ...options });
  try {
    const flow = a.flow({ local: 0, dst: addressBytes('127.0.42.2'), dport: PORT });
    const room = Math.floor(b.window / (size + DATAGRAM_OVERHEAD));
    assert.ok(room > 10, `window ${b.window}`);
    let sent = 0;
    let got = 0;
    const receive = () => {
      got++;
    };
    for (let round = 0; round < rounds; round++) {
      while (sent - got < room) {
        for (let i = 0; i < batch && sent - got < room && a.reserve(flow, size) >= 0; i++) {
          a.commit();
          sent++;
        }
        assert.ok(a.flush());
      }
      // All of it in the last round, before that only some: the kernel gives memory back late.
      const wanted = round === rounds - 1 ? sent : got + Math.ceil((sent - got) / 3);
      for (let empty = 0; got < wanted && empty < 10; ) if (b.poll(receive, 8) === 0) empty++;
    }
    assert.equal(got, sent, `lost of ${sent} datagrams of ${size} bytes in batches of ${batch}`);
  } finally {
    a.close();
    b.close();
  }
}

test('the window is in proportion to the buffer that the kernel gave', () => {
  assert.equal(windowOf(425984), 141994);
  const link = new UdpLink({ addresses: ['127.0.42.1'], port: PORT, rcvbuf: 100_000 });
  assert.equal(link.window, windowOf(200_000));
  link.close();
});
