// The packets of qib and hfi1, as they lie in UDP datagrams: read by Wireshark, and with what should not be there.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { DRIVERS, simulatedPair } from '../../src/conformance/index.ts';
import { FIRST_PSN, Lab, way } from '../../src/conformance/lab.ts';
import type { Machine } from '../../src/conformance/machine.ts';
import { HFI1_UDP_PORT, Hfi1 } from '../../src/drivers/hfi1/driver.ts';
import { addressOfLid, lidOf } from '../../src/drivers/lid/address.ts';
import type { LidDevice } from '../../src/drivers/lid/device.ts';
import { QIB_UDP_PORT, Qib } from '../../src/drivers/qib/driver.ts';
import { parseAddress } from '../../src/link/address.ts';
import { withCapture } from '../../src/link/capture.ts';
import type { Arrival } from '../../src/link/link.ts';
import { requireProgram } from '../helpers/debian.ts';

/** tshark gives some fields in hexadecimal, which ones depends on its version. */
const plain = (field: string): string => (Number.isNaN(Number(field)) ? field : String(Number(field)));
const LINKTYPE_USER0 = 147;
const IS_INFINIBAND = 'uat:user_dlts:"User 0 (DLT=147)","infiniband","0","","0",""';

/** What a device of `driver` sends and receives for one SEND of `bytes` bytes. */
async function datagrams(driver: 'qib' | 'hfi1', bytes: number): Promise<Buffer[]> {
  const seen: Buffer[] = [];
  const pair = simulatedPair({
    ...DRIVERS[driver],
    open: (link, clock, random) =>
      DRIVERS[driver].open(
        withCapture(link, {
          sent: (_flow, buf, offset, length) => void seen.push(Buffer.from(buf.subarray(offset, offset + length))),
          received: () => {},
        }),
        clock,
        random,
      ),
  });
  const lab = new Lab(pair.a, pair.b, await pair.a.facts(), pair.wire);
  const [a, b] = await lab.pair('RC');
  await lab.a.fill(a.region.mr, 0, bytes, 1);
  await b.recv({ sge: [b.sge(0, 4096)] });
  await a.send({ opcode: 'SEND', sge: [a.sge(0, bytes)] });
  await a.sent();
  await pair.close();
  return seen;
}

/** A file of packets from LRH to VCRC, of a link type that the reader is told the meaning of. */
function pcap(t: TestContext, packets: readonly Buffer[]): string {
  const dir = mkdtempSync(join(tmpdir(), 'lid-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b2c3d4, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(65535, 16);
  head.writeUInt32LE(LINKTYPE_USER0, 20);
  const records = packets.flatMap((packet) => {
    const record = Buffer.alloc(16);
    const whole = Buffer.concat([packet, Buffer.alloc(2)]);
    record.writeUInt32LE(whole.length, 8);
    record.writeUInt32LE(whole.length, 12);
    return [record, whole];
  });
  const file = join(dir, 'lid.pcap');
  writeFileSync(file, Buffer.concat([head, ...records]));
  return file;
}

describe('qib', () => {
  test('Wireshark reads LRH, GRH and BTH of its packets', async (t) => {
    if (!requireProgram(t, 'tshark', 'tshark')) return;
    const packets = await datagrams('qib', 1500);
    const fields = ['lrh.vl', 'lrh.lver', 'lrh.sl', 'lrh.lnh', 'lrh.dlid', 'lrh.pktlen', 'lrh.slid', 'grh.ipver']
      .concat(['grh.paylen', 'grh.nxthdr', 'grh.sgid', 'grh.dgid', 'bth.opcode', 'bth.p_key', 'bth.psn'])
      .flatMap((f) => ['-e', `infiniband.${f}`]);
    const out = execFileSync('tshark', ['-o', IS_INFINIBAND, '-r', pcap(t, packets), '-T', 'fields', ...fields], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const rows = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'));
    const [gid1, gid2] = ['fe80::211:7500:0:1', 'fe80::211:7500:0:2'];
    const row = (bytes: number, opcode: number, psn: number, from: string, to: string): string[] => [
      ...['0', '0', '0', '3', to === gid2 ? '2' : '1', String((8 + 40 + bytes) / 4), to === gid2 ? '1' : '2'],
      ...['6', String(bytes), '27', from, to, String(opcode), '65535', String(psn)],
    ];
    assert.deepEqual(
      rows.map((r) => r.map(plain)).map(String),
      [
        row(12 + 1024 + 4, 0, FIRST_PSN, gid1, gid2),
        row(12 + 476 + 4, 2, FIRST_PSN + 1, gid1, gid2),
        row(12 + 4 + 4, 17, FIRST_PSN + 1, gid2, gid1),
      ]
        .map((r) => r.map(plain))
        .map(String),
    );
  });

  test('the ICRC is the CRC-32 of the packet with VL, traffic class, flow label, hop limit and FECN masked (7.8.1)', async () => {
    for (const packet of await datagrams('qib', 100)) {
      const masked = Buffer.from(packet.subarray(0, -4));
      masked[0] |= 0xf0;
      masked.fill(0xff, 9, 12);
      masked[8] |= 0x0f;
      masked[15] = 0xff;
      masked[52] = 0xff;
      assert.equal(crc32(masked), packet.readUInt32LE(packet.length - 4));
    }
  });
});

test('hfi1: the 16B header has the L2 type, both LIDs, the P_Key of the BTH, and its length in flits', async () => {
  const [first, , ack] = await datagrams('hfi1', 1500);
  // Words as hfi1's parsing macros take them apart.
  const word = (p: Buffer, n: number): number => p.readUInt32LE(4 * n);
  assert.equal((word(first, 1) >>> 29) & 3, 2);
  assert.deepEqual([word(first, 0) & 0xfffff, word(first, 1) & 0xfffff], [1, 2]);
  assert.deepEqual([word(ack, 0) & 0xfffff, word(ack, 1) & 0xfffff], [2, 1]);
  assert.equal(word(first, 2) >>> 16, 0xffff);
  assert.equal(word(first, 2) & 0xff, 0x0a);
  assert.equal((word(first, 0) >>> 20) & 0x7ff, Math.ceil(first.length / 8));
});

describe('what does not belong there is dropped', () => {
  for (const [name, Driver, udpPort] of [
    ['qib', Qib, QIB_UDP_PORT],
    ['hfi1', Hfi1, HFI1_UDP_PORT],
  ] as const) {
    test(name, async () => {
      const machines: LidDevice[] = [];
      const arrivals: Arrival[] = [];
      const pair = simulatedPair({
        port: udpPort,
        open(link, clock, random): Machine {
          const poll = link.poll.bind(link);
          // Damages each datagram as `damage` says, after it has arrived.
          link.poll = (receive, budget) =>
            poll((arrival) => {
              arrivals.push(arrival);
              damage(arrival);
              receive(arrival);
            }, budget);
          const machine = new Driver({ link, clock, random });
          machines.push(machine);
          return machine;
        },
      });
      let damage: (arrival: Arrival) => void = () => {};
      const lab = new Lab(pair.a, pair.b, await pair.a.facts(), pair.wire);
      const [a, b] = await lab.pair('RC', { attr: { retryCnt: 0, timeout: 8 } });
      const port = machines[1].port;
      const change = (r: Arrival, to: Partial<Arrival>): void => void Object.assign(r, to);
      const flip = (r: Arrival, at: number): void => {
        r.buf[r.off + at] ^= 1;
      };
      const elsewhere = parseAddress('fd00::9').bytes;
      const cases: [what: string, (arrival: Arrival) => void, counter: 'icrcErrors' | 'misrouted'][] = [
        ['a bit flipped in the payload', (r) => flip(r, r.len - 6), 'icrcErrors'],
        ['a bit flipped in the link header', (r) => flip(r, 2), 'icrcErrors'],
        ['from another address than its LID is at', (r) => change(r, { src: elsewhere }), 'misrouted'],
        ['cut short', (r) => change(r, { len: 20 }), 'icrcErrors'],
      ];
      for (const [what, how, counter] of cases) {
        const before = port[counter];
        damage = (arrival) => (arrival.local === 0 && arrival.len > 90 ? how(arrival) : undefined);
        await b.recv({ sge: [b.sge(0, 64)] });
        await a.send({ opcode: 'SEND', sge: [a.sge(0, 64)] });
        assert.deepEqual(await a.statuses(), ['RETRY_EXC_ERR'], what);
        assert.equal(port[counter], before + 1, what);
        damage = () => {};
        await lab.reconnect('RC', a, b);
        await a.side.modifyQp(a.qp, { state: 'SQD' });
        await a.side.modifyQp(a.qp, { retryCnt: 0, timeout: 8 });
        await a.side.modifyQp(a.qp, { state: 'RTS' });
      }
      await pair.close();
    });
  }
});

test('an address vector without a GID is answered for: every packet carries a GRH', async () => {
  const pair = simulatedPair(DRIVERS.qib);
  const lab = new Lab(pair.a, pair.b, await pair.a.facts(), pair.wire);
  const [a, b] = await lab.pair('UD');
  const ah = await lab.a.createAh(a.pd, { ...way(b.facts), dgid: '00'.repeat(16) });
  await b.recv({ sge: [b.sge(0, 256)] });
  await a.send({ opcode: 'SEND', sge: [a.sge(0, 8)], ah, remoteQpn: b.qpn, remoteQkey: 0x11111111 });
  await b.received();
  const grh = Buffer.from(await lab.b.bytes(b.region.mr, 0, 40), 'hex');
  assert.equal(grh[6], 0x1b);
  assert.equal(grh.toString('hex', 24, 40), b.facts.gid);
  await pair.close();
});

test('LIDs and addresses', () => {
  assert.equal(lidOf(parseAddress('10.0.1.2')), 0x102);
  assert.equal(lidOf(parseAddress('fd00::c')), 12);
  for (const text of ['10.0.0.0', '10.0.192.1', 'fd00::'])
    assert.throws(() => lidOf(parseAddress(text)), { code: 'EINVAL' });
  assert.deepEqual([...addressOfLid(parseAddress('10.0.1.2'), 0x304)], [10, 0, 3, 4]);
  assert.deepEqual([...addressOfLid(parseAddress('10.0.1.2'), 0xc001)], [239, 192, 0xc0, 1]);
});
