// openDevice with each driver: the same program, other fabrics.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import {
  type Destination,
  type Device,
  type DriverName,
  listen,
  type OpenOptions,
  openDevice,
} from '../../src/api/index.ts';
import { listDevices } from '../../src/core/registry.ts';
import { lidAddresses } from '../helpers/address.ts';
import { connect, eventOf, makeEnd, nextOk, nextStatus, pattern } from './fixture.ts';

const PORTS = { hfi1: 24791, qib: 24792 } as const;

const lidOf = (address: string): number => {
  const [y, z] = address.split('.').slice(2).map(Number);
  return 256 * y + z;
};

async function pairOf(t: TestContext, options: OpenOptions): Promise<Device[]> {
  const devices = await Promise.all(lidAddresses(2).map((address) => openDevice({ address, ...options })));
  t.after(() => Promise.all(devices.map((device) => device.close())));
  return devices;
}

for (const driver of ['hfi1', 'qib'] as const) {
  suite(driver, () => {
    test('what it is', async (t) => {
      const [address] = lidAddresses(1);
      const device = await openDevice({ driver, address });
      t.after(() => device.close());
      assert.equal(device.driver, driver);
      assert.match(device.name, driver === 'hfi1' ? /^hfi1_\d$/ : /^qib\d$/);
      assert.deepEqual(device.missingVerbs, []);
      const { lid, linkLayer } = device.queryPort();
      assert.deepEqual([lid, linkLayer], [lidOf(address), 1]);
      assert.equal(device.gids.length, 1);
      assert.match(device.gids[0].gid, /^fe80::211:7500:0:[0-9a-f]+$/);
      assert.equal(device.mtu, 4096);
      const { qp } = makeEnd(device);
      assert.equal(qp.endpoint().lid, lid);
    });

    for (const type of ['RC', 'UC'] as const) {
      test(`${type}: connected by endpoints that are plain data`, async (t) => {
        const [a, b] = (await pairOf(t, { driver })).map((device) => makeEnd(device, { type }));
        const [toA, toB] = [a, b].map(({ qp }) => JSON.parse(JSON.stringify(qp.endpoint())));
        a.qp.connect(toB);
        b.qp.connect(toA);
        const bytes = pattern(20_000);
        bytes.copy(a.mr.buffer);
        b.qp.postRecv({ wrId: 7, sge: b.mr.sge() });
        a.qp.postSend({ opcode: 'SEND_WITH_IMM', imm: 5, sge: a.mr.sge(0, bytes.length) });
        const got = await nextOk(b.recvCq);
        assert.deepEqual([got.wrId, got.byteLen, got.imm], [7, bytes.length, 5]);
        assert.ok(b.mr.buffer.subarray(0, bytes.length).equals(bytes));
        await nextOk(a.sendCq);
        if (type === 'UC') return;
        a.mr.buffer.fill(0);
        a.qp.postSend({ opcode: 'RDMA_READ', sge: a.mr.sge(0, 20_000), ...remote(b.mr.remote()) });
        await nextOk(a.sendCq);
        assert.ok(a.mr.buffer.subarray(0, bytes.length).equals(bytes));
      });
    }

    test('UD: address handles by LID, and by LID and GID; a multicast group', async (t) => {
      const [a, b] = (await pairOf(t, { driver })).map((device) => makeEnd(device, { type: 'UD' }));
      for (const { qp } of [a, b]) qp.activate({ qkey: 0x1234 });
      const { lid, gid } = b.qp.endpoint();
      for (const to of [{ lid }, { lid, gid, sl: 3 }] as Destination[]) {
        const ah = a.pd.createAh(to);
        b.qp.postRecv({ sge: b.mr.sge() });
        a.qp.postSend({ opcode: 'SEND', inline: Buffer.from('hello'), ah, remoteQpn: b.qp.qpn, remoteQkey: 0x1234 });
        const got = await nextOk(b.recvCq);
        assert.deepEqual([got.byteLen, got.srcQp, got.hasGrh], [45, a.qp.qpn, true]);
        assert.equal(b.mr.buffer.toString('utf8', 40, 45), 'hello');
        assert.deepEqual([got.slid, got.sl], [a.qp.endpoint().lid, to.sl ?? 0]);
        // What a completion tells is enough to answer.
        a.qp.postRecv({ sge: a.mr.sge() });
        const back = b.pd.createAh({ lid: got.slid, sl: got.sl });
        b.qp.postSend({ opcode: 'SEND', inline: Buffer.of(1), ah: back, remoteQpn: got.srcQp, remoteQkey: 0x1234 });
        assert.deepEqual([(await nextOk(a.recvCq)).slid, (await nextOk(a.sendCq)).slid], [lid, 0]);
      }
      assert.throws(() => a.pd.createAh({ gid }), { code: 'EINVAL', message: /dlid is 0/ });
      assert.throws(() => a.pd.createAh({}), { code: 'EINVAL', message: /a gid, or a lid/ });
      assert.throws(() => b.qp.attachMcast('ff15::7'), { code: 'EINVAL' });
      b.qp.attachMcast('ff15::7', 0xc007);
      const group = a.pd.createAh({ gid: 'ff15::7', lid: 0xc007 });
      b.qp.postRecv({ sge: b.mr.sge() });
      const all = { ah: group, remoteQpn: 0xffffff, remoteQkey: 0x1234 };
      a.qp.postSend({ opcode: 'SEND', inline: Buffer.from('to all'), ...all });
      assert.equal((await nextOk(b.recvCq)).byteLen, 46);
      b.qp.detachMcast('ff15::7', 0xc007);
    });

    test('an endpoint without a LID is refused', async (t) => {
      const [a] = (await pairOf(t, { driver })).map((device) => makeEnd(device));
      const { lid: _, ...rest } = a.qp.endpoint();
      assert.throws(() => a.qp.connect(rest), { code: 'EINVAL', message: /dlid is 0/ });
    });

    test('capture, mtu, faults, counters', async (t) => {
      const capture = join(tmpdir(), `infinitive-drivers-${process.pid}-${driver}.pcapng`);
      const [a, b] = await pairOf(t, { driver, mtu: 1024, faults: { loss: 0.02, seed: 3 } });
      assert.deepEqual([a.mtu, b.mtu], [1024, 1024]);
      const [address] = lidAddresses(1);
      const c = await openDevice({ driver, address, capture });
      const [x, y, z] = [makeEnd(a), makeEnd(b), makeEnd(c)];
      connect(x, y, { timeout: 10 });
      for (let i = 0; i < 20; i++) x.qp.postSend({ opcode: 'RDMA_WRITE', sge: x.mr.sge(), ...remote(y.mr.remote()) });
      for (let i = 0; i < 20; i++) await nextOk(x.sendCq);
      const { retransmitted_pkts, sent_pkts, link } = a.counters;
      assert.ok(retransmitted_pkts > 0 && sent_pkts >= 20 * 64 && link.txBytes > 20 * 65536);
      z.qp.connect(z.qp.endpoint());
      z.qp.postSend({ opcode: 'RDMA_WRITE', sge: z.mr.sge(0, 64), ...remote(z.mr.remote(64, 64)) });
      await nextOk(z.sendCq);
      await c.close();
      const file = readFileSync(capture);
      const port = Buffer.alloc(2);
      port.writeUInt16BE(PORTS[driver]);
      assert.ok(file.includes(Buffer.concat([port, port])), 'from the port to the port of the driver');
    });

    test('failures and events that are made to come', async (t) => {
      const fail = ['wc:RNR_RETRY_EXC_ERR@after=1', 'verb:create_cq=ENOMEM@after=6', 'event:PORT_ERR@in=0.2'];
      const devices = await pairOf(t, { driver, fail });
      const event = eventOf(devices[0], 'PORT_ERR');
      const [a, b] = devices.map((device) => makeEnd(device));
      connect(a, b);
      for (const _ of [1, 2]) a.qp.postSend({ opcode: 'RDMA_WRITE', sge: a.mr.sge(0, 8), ...remote(b.mr.remote()) });
      assert.equal(await nextStatus(a.sendCq), 'SUCCESS');
      assert.equal(await nextStatus(a.sendCq), 'RNR_RETRY_EXC_ERR');
      assert.throws(() => Array.from({ length: 8 }, () => a.device.createCq()), { code: 'ENOMEM' });
      await event;
    });

    test('P_Keys: those of one partition talk, others do not', async (t) => {
      const [x, y] = lidAddresses(2);
      const open = async (address: string, pkeys: number[]): Promise<Device> => {
        const device = await openDevice({ driver, address, pkeys });
        t.after(() => device.close());
        return device;
      };
      const a = await open(x, [0x8001]);
      const b = await open(y, [0x8002, 0xffff]);
      assert.deepEqual(b.pkeys.slice(0, 3), [0x8002, 0xffff, 0]);
      const [p, q] = [makeEnd(a, { type: 'UC' }), makeEnd(b, { type: 'UC' })];
      connect(p, q);
      q.qp.postRecv({ sge: q.mr.sge() });
      p.qp.postSend({ opcode: 'SEND', inline: Buffer.from('x') });
      await nextOk(p.sendCq);
      const end = Date.now() + 5000;
      while (b.counters.bad_pkey === 0 && Date.now() < end) await new Promise(setImmediate);
      assert.equal(b.counters.bad_pkey, 1);
    });

    test('what it cannot be', async () => {
      const [address, other] = lidAddresses(2);
      const refused = (options: OpenOptions, message: RegExp): Promise<void> =>
        assert.rejects(openDevice({ driver, address, ...options }), { code: 'EINVAL', message });
      await refused({ address: [address, other] }, /2 addresses; a device of driver (hfi1|qib) has one/);
      await refused({ pkeys: [] }, /0 pkeys/);
      await refused({ pkeys: [0x8000] }, /pkey 32768/);
      await refused({ pkeys: new Array<number>(17).fill(1) }, /17 pkeys/);
      await refused({ mtu: 1000 }, /mtu is 1000/);
      assert.deepEqual(
        listDevices().filter((it) => it.driver === driver),
        [],
      );
    });

    test('connections by IP address are refused', async (t) => {
      const [a] = await pairOf(t, { driver });
      const server = async (): Promise<unknown> => listen({ device: a });
      await assert.rejects(server, { code: 'EOPNOTSUPP', message: /has LIDs: exchange endpoints/ });
    });
  });
}

const remote = ({ addr, rkey }: { addr: number; rkey: number }) => ({ remoteAddr: addr, rkey });

test('usnic is for user contexts only: refused in the core’s words, and nothing is left of it', async () => {
  const [address] = lidAddresses(1);
  for (const _ of [1, 2]) {
    await assert.rejects(openDevice({ driver: 'usnic', address }), {
      code: 'EOPNOTSUPP',
      message: /device usnic_0 is for user contexts only: its driver usnic lacks create_qp, .*poll_cq/,
    });
  }
  assert.deepEqual(listDevices(), []);
});

test('a driver that is not there; pkeys where there is one partition', async () => {
  const [address] = lidAddresses(1);
  const open = (options: object) => openDevice({ address, ...options });
  await assert.rejects(open({ driver: 'mlx5' as DriverName }), { code: 'EINVAL', message: /rxe, hfi1, qib, usnic/ });
  await assert.rejects(open({ pkeys: [0xffff] }), { code: 'EINVAL', message: /the default partition only/ });
});
