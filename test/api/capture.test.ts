// The capture option: what is in the file is what was on the network, and other programs can read it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { type Device, openDevice } from '../../src/api/index.ts';
import { formatIp } from '../../src/wire/ip.ts';
import { uniqueAddresses } from '../helpers/address.ts';
import { requireProgram } from '../helpers/debian.ts';
import { repoUrl, runModule } from '../helpers/run.ts';
import { assertTsharkContent, framesWithIcrc, tsharkFields } from './capture-check.ts';
import { connect, makeEnd, nextOk, pattern } from './fixture.ts';

const dir = mkdtempSync(join(tmpdir(), 'infinitive-capture-'));
process.on('exit', () => rmSync(dir, { recursive: true, force: true }));

/** Some of everything: a batch of 1 MiB, each operation, imm, an RC NAK, UD. */
async function traffic(a: Device, b: Device): Promise<void> {
  const [x, y] = [makeEnd(a, { bytes: 1 << 20 }), makeEnd(b, { bytes: 1 << 20 })];
  connect(x, y);
  pattern(1 << 20).copy(x.mr.buffer);
  const remote = { remoteAddr: y.mr.addr, rkey: y.mr.rkey };
  y.qp.postRecv([{ sge: y.mr.sge() }, { sge: y.mr.sge() }]);
  x.qp.postSend([
    { opcode: 'RDMA_WRITE', sge: x.mr.sge(), ...remote },
    { opcode: 'SEND', sge: x.mr.sge(0, 33) },
    { opcode: 'RDMA_WRITE_WITH_IMM', sge: x.mr.sge(0, 5), ...remote, imm: 0xcafe },
    { opcode: 'RDMA_READ', sge: x.mr.sge(0, 10_000), ...remote },
    { opcode: 'ATOMIC_FETCH_AND_ADD', sge: x.mr.sge(0, 8), ...remote, compareAdd: 5n },
  ]);
  for (let i = 0; i < 5; i++) await nextOk(x.sendCq);
  for (let i = 0; i < 2; i++) await nextOk(y.recvCq);
  x.qp.postSend({ opcode: 'RDMA_READ', sge: x.mr.sge(0, 8), remoteAddr: 0, rkey: 0 });
  assert.equal((await x.sendCq.next()).status, 'REM_ACCESS_ERR');

  const [u, v] = [makeEnd(a, { type: 'UD' }), makeEnd(b, { type: 'UD' })];
  for (const { qp } of [u, v]) qp.activate({ qkey: 5 });
  v.qp.postRecv({ sge: v.mr.sge() });
  const ah = u.pd.createAh({ gid: v.qp.endpoint().gid });
  u.qp.postSend({ opcode: 'SEND', inline: Buffer.from('datagram'), ah, remoteQpn: v.qp.qpn, remoteQkey: 5 });
  await nextOk(v.recvCq);
}

const OPCODES = [
  'RDMA WRITE First',
  'RDMA WRITE Middle',
  'RDMA WRITE Last',
  'SEND Only',
  'RDMA WRITE Only with Immediate',
  'RDMA READ Request',
  'RDMA READ response First',
  'FetchAdd',
  'ATOMIC Acknowledge',
  'Acknowledge',
];

for (const [name, link, offload, devices] of [
  ['memory', 'auto', true, 2],
  ['udp with segmentation offload', 'udp', true, 2],
  ['udp without', 'udp', false, 2],
  ['dgram', 'dgram', false, 2],
  ['one device', 'udp', true, 1],
] as const) {
  suite(name, () => {
    test('every packet of both ends is in both files, with valid ICRCs; tshark agrees', async (t) => {
      const addresses = uniqueAddresses(devices);
      const files = addresses.map((address) => join(dir, `${link}-${address}.pcapng`));
      const opened = await Promise.all(
        addresses.map((address, i) => openDevice({ address, link, offload, capture: files[i] })),
      );
      await traffic(opened[0], opened[opened.length - 1]);
      await new Promise((resolve) => setTimeout(resolve, 10));
      const counters = opened.map((d) => d.counters);
      for (const device of opened) await device.close();

      const captures = files.map((file) => framesWithIcrc(file));
      for (const [i, frames] of captures.entries()) {
        const { sent_pkts, rcvd_pkts } = counters[i];
        assert.equal(frames.length, devices === 2 ? sent_pkts + rcvd_pkts : sent_pkts);
        assert.equal(
          sent_pkts,
          counters[0].retransmitted_pkts + frames.filter((f) => formatIp(f.ip.src) === addresses[i]).length,
        );
      }
      const seen = new Set(captures[0].map((f) => f.packet.name));
      for (const opcode of OPCODES) {
        assert.ok(
          [...seen].some((s) => s.toLowerCase().includes(opcode.toLowerCase())),
          `${opcode} in ${[...seen]}`,
        );
      }
      // Both ends saw the same packets.
      const keys = captures.map((frames) =>
        frames.map((f) => `${formatIp(f.ip.src)} ${f.packet.bth.opcode} ${f.packet.bth.psn} ${f.packet.icrc}`).sort(),
      );
      assert.deepEqual(keys[0], keys[keys.length - 1]);

      if (!requireProgram(t, 'tshark', 'tshark')) return;
      assertTsharkContent(files[0], captures[0].length);
      const [ud] = tsharkFields(files[0], 'infiniband.deth', [
        'ip.src',
        'ip.dst',
        'infiniband.deth.q_key',
        'udp.dstport',
      ]);
      assert.deepEqual(ud, [addresses[0], addresses[devices - 1], '0x0000000000000005', '4791']);
      // Times go forward, and are of today.
      const times = tsharkFields(files[0], 'infiniband.bth', ['frame.time_epoch']).map(([s]) => Number(s));
      assert.ok(Math.abs(times[0] - Date.now() / 1000) < 60);
      assert.deepEqual(
        times,
        times.toSorted((p, q) => p - q),
      );
    });
  });
}

test('what is lost on purpose is in the sender’s file only', async () => {
  const [a, b] = uniqueAddresses(2);
  const files = [a, b].map((address) => join(dir, `faults-${address}.pcapng`));
  const faults = { loss: 0.2, seed: 3, direction: 'tx' } as const;
  const x = makeEnd(await openDevice({ address: a, faults, capture: files[0] }), { bytes: 1 << 18 });
  const y = makeEnd(await openDevice({ address: b, capture: files[1] }), { bytes: 1 << 18 });
  connect(x, y, { timeout: 9, mtu: 1024 });
  x.qp.postSend({ opcode: 'RDMA_WRITE', sge: x.mr.sge(), remoteAddr: y.mr.addr, rkey: y.mr.rkey });
  await nextOk(x.sendCq);
  for (const { device } of [x, y]) await device.close();
  const from = (file: string): number => framesWithIcrc(file).filter((f) => formatIp(f.ip.src) === a).length;
  const [sent, arrived] = files.map(from);
  assert.ok(arrived >= 256 && sent > arrived * 1.1 && sent < arrived * 1.5, `${sent} sent, ${arrived} arrived`);
});

for (const end of ['process.exit(0)', "setTimeout(() => process.kill(process.pid, 'SIGKILL'), 50)"]) {
  test(`a program that ends by ${end} leaves what was captured`, async () => {
    const [address] = uniqueAddresses(1);
    const file = join(dir, `end-${address}.pcapng`);
    await runModule(`
      import { openDevice } from '${repoUrl('src/api/index.ts')}';
      const device = await openDevice({ address: '${address}', capture: '${file}' });
      const pd = device.allocPd();
      const cq = device.createCq();
      const [x, y] = [1, 2].map(() => pd.createQp({ type: 'RC', sendCq: cq }));
      x.connect(y.endpoint());
      y.connect(x.endpoint());
      y.postRecv({});
      x.postSend({ opcode: 'SEND' });
      for (let i = 0; i < 2; i++) (await cq.next()).orThrow();
      ${end};
    `);
    assert.deepEqual(
      framesWithIcrc(file).map((f) => f.packet.name),
      ['RC SEND Only', 'RC Acknowledge'],
    );
  });
}
