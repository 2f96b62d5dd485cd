// Regions and windows: rights, keys, invalidation, order of destruction.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  ALL_ACCESS,
  connectedEnds,
  type End,
  makeEnd,
  nextOk,
  nextStatus,
  openEnds,
  statuses,
  WIRINGS,
} from './fixture.ts';

const write = (x: End, remoteAddr: number, rkey: number, bytes = Buffer.of(1)): void =>
  x.qp.postSend({ opcode: 'RDMA_WRITE', inline: bytes, remoteAddr, rkey });

for (const wiring of WIRINGS) {
  suite(wiring, () => {
    test('a type 2 window opens a part of a region, until it is invalidated here', async (t) => {
      const [x, y] = await connectedEnds(t, wiring);
      const mw = y.pd.allocMw(2);
      assert.equal(mw.bound, false);
      const rkey = y.qp.bindMw(mw, { mr: y.mr, offset: 100, length: 50, access: ['REMOTE_WRITE'] }, { wrId: 5 });
      const wc = await nextOk(y.sendCq);
      assert.deepEqual([wc.wrId, wc.opcode], [5, 'BIND_MW']);
      assert.deepEqual([mw.bound, mw.rkey], [true, rkey]);
      assert.throws(() => y.mr.close(), { code: 'EBUSY' });
      assert.throws(() => y.mr.setAccess(['LOCAL_WRITE']), { code: 'EBUSY' });

      write(x, y.mr.addr + 100, rkey);
      write(x, y.mr.addr + 149, rkey, Buffer.of(2));
      assert.deepEqual(await statuses(x.sendCq, 2), ['SUCCESS', 'SUCCESS']);
      assert.deepEqual([y.mr.buffer[100], y.mr.buffer[149]], [1, 2]);

      y.qp.postSend({ opcode: 'LOCAL_INV', invalidateRkey: rkey });
      const inv = await nextOk(y.sendCq);
      assert.equal(inv.opcode, 'LOCAL_INV');
      assert.equal(mw.bound, false);
      write(x, y.mr.addr + 100, rkey, Buffer.of(9));
      assert.equal(await nextStatus(x.sendCq), 'REM_ACCESS_ERR');
      assert.equal(y.mr.buffer[100], 1);
      y.mr.setAccess(['LOCAL_WRITE']);
      mw.close();
      y.mr.close();
    });

    test('a peer’s SEND with Invalidate closes a type 2 window, and says which', async (t) => {
      const [x, y] = await connectedEnds(t, wiring);
      const mw = y.pd.allocMw(2);
      const rkey = y.qp.bindMw(mw, { mr: y.mr, access: ['REMOTE_READ'] });
      await nextOk(y.sendCq);
      y.qp.postRecv({ sge: y.mr.sge(0, 8192) });
      x.qp.postSend({ opcode: 'SEND_WITH_INV', sge: x.mr.sge(0, 5000), invalidateRkey: rkey });
      const wc = await nextOk(y.recvCq);
      assert.deepEqual([wc.invalidatedRkey, wc.imm, wc.byteLen], [rkey, null, 5000]);
      assert.equal(mw.bound, false);
      await nextOk(x.sendCq);
      x.qp.postSend({ opcode: 'RDMA_READ', sge: x.mr.sge(0, 1), remoteAddr: y.mr.addr, rkey });
      assert.equal(await nextStatus(x.sendCq), 'REM_ACCESS_ERR');
    });

    test('a window bound again has another key; one that is bound is not bound again', async (t) => {
      const [x, y] = await connectedEnds(t, wiring);
      const mw = y.pd.allocMw(2);
      const bind = { mr: y.mr, length: 8, access: ['REMOTE_WRITE'] } as const;
      const first = y.qp.bindMw(mw, bind, { signaled: false });
      y.qp.postSend({ opcode: 'LOCAL_INV', invalidateRkey: first, signaled: false });
      const second = y.qp.bindMw(mw, { ...bind, offset: 8 });
      await nextOk(y.sendCq);
      assert.notEqual(first, second);
      assert.equal(first >>> 8, second >>> 8);
      write(x, y.mr.addr + 8, second);
      await nextOk(x.sendCq);
      y.qp.bindMw(mw, bind);
      assert.equal(await nextStatus(y.sendCq), 'MW_BIND_ERR');
      assert.equal(y.qp.state, 'ERR');
    });

    test('a type 1 window is bound by a verb, rebound, unbound with length 0', async (t) => {
      const [x, y] = await connectedEnds(t, wiring);
      const mw = y.pd.allocMw(1);
      const rkey = y.qp.bindMw(mw, { mr: y.mr, length: 10, access: ['REMOTE_WRITE'] });
      assert.equal((await nextOk(y.sendCq)).opcode, 'BIND_MW');
      write(x, y.mr.addr + 9, rkey);
      await nextOk(x.sendCq);
      assert.equal(y.mr.buffer[9], 1);
      const again = y.qp.bindMw(mw, { mr: y.mr, offset: 10, length: 10, access: ['REMOTE_WRITE'] });
      await nextOk(y.sendCq);
      write(x, y.mr.addr + 10, again);
      await nextOk(x.sendCq);
      y.qp.bindMw(mw, { mr: y.mr, length: 0, access: 0 });
      await nextOk(y.sendCq);
      assert.equal(mw.bound, false);
      y.mr.setAccess(ALL_ACCESS);
      write(x, y.mr.addr + 10, again);
      assert.equal(await nextStatus(x.sendCq), 'REM_ACCESS_ERR');
    });

    test('a window has the rights it was bound with, not the region’s', async (t) => {
      for (const [access, opcode, allowed] of [
        [['REMOTE_READ'], 'RDMA_WRITE', false],
        [['REMOTE_READ'], 'RDMA_READ', true],
        [['REMOTE_WRITE'], 'RDMA_READ', false],
        [['REMOTE_WRITE'], 'ATOMIC_FETCH_AND_ADD', false],
        [['REMOTE_ATOMIC'], 'ATOMIC_FETCH_AND_ADD', true],
      ] as const) {
        const [x, y] = await connectedEnds(t, wiring);
        const rkey = y.qp.bindMw(y.pd.allocMw(), { mr: y.mr, access });
        await nextOk(y.sendCq);
        x.qp.postSend({ opcode, sge: x.mr.sge(0, 8), remoteAddr: y.mr.addr, rkey });
        assert.equal(await nextStatus(x.sendCq), allowed ? 'SUCCESS' : 'REM_ACCESS_ERR', `${access} ${opcode}`);
      }
    });

    test('setAccess gives and takes rights; the key stays', async (t) => {
      const [x, y] = await connectedEnds(t, wiring);
      const { rkey } = y.mr;
      y.mr.setAccess(['LOCAL_WRITE']);
      y.mr.setAccess(['LOCAL_WRITE', 'REMOTE_WRITE']);
      assert.equal(y.mr.rkey, rkey);
      write(x, y.mr.addr, rkey);
      await nextOk(x.sendCq);
      y.mr.setAccess(['LOCAL_WRITE']);
      write(x, y.mr.addr, rkey);
      assert.equal(await nextStatus(x.sendCq), 'REM_ACCESS_ERR');
    });

    test('a region that is gone is not reached', async (t) => {
      const [x, y] = await connectedEnds(t, wiring);
      const { addr, rkey } = y.mr;
      y.mr.close();
      write(x, addr, rkey);
      assert.equal(await nextStatus(x.sendCq), 'REM_ACCESS_ERR');
      assert.throws(() => y.mr.setAccess([]), { code: 'EINVAL' });
    });

    test('addresses count from iova, or from 0 with ZERO_BASED', async (t) => {
      const [x, y] = await connectedEnds(t, wiring);
      const bytes = Buffer.alloc(16);
      const at = y.pd.regMr(bytes, { access: ['LOCAL_WRITE', 'REMOTE_WRITE'], iova: 0x10_0000_0000 });
      const zero = y.pd.regMr(bytes, { access: ['LOCAL_WRITE', 'REMOTE_WRITE', 'ZERO_BASED'] });
      assert.deepEqual([at.addr, zero.addr], [0x10_0000_0000, 0]);
      write(x, 0x10_0000_0005, at.rkey, Buffer.of(5));
      write(x, 6, zero.rkey, Buffer.of(6));
      assert.deepEqual(await statuses(x.sendCq, 2), ['SUCCESS', 'SUCCESS']);
      assert.deepEqual([bytes[5], bytes[6]], [5, 6]);
    });

    test('views of all kinds are registered in place', async (t) => {
      const [x, y] = await connectedEnds(t, wiring);
      const shared = new SharedArrayBuffer(32);
      const words = new Uint32Array(8);
      const part = new DataView(new ArrayBuffer(64), 8, 16);
      for (const [memory, read] of [
        [shared, () => new Uint8Array(shared)[2]],
        [words, () => (words[0] >>> 16) & 255],
        [part, () => part.getUint8(2)],
        [new Uint8Array(8).buffer, null],
      ] as const) {
        const mr = y.pd.regMr(memory, { access: ['LOCAL_WRITE', 'REMOTE_WRITE'] });
        assert.equal(mr.length, memory.byteLength);
        write(x, mr.addr + 2, mr.rkey, Buffer.of(0xab));
        await nextOk(x.sendCq);
        assert.equal(read?.() ?? 0xab, 0xab);
        assert.equal(mr.buffer[2], 0xab);
      }
    });
  });
}

test('objects that others stand on are EBUSY; in the right order all goes', async (t) => {
  const [device] = await openEnds(t, 'one device');
  const { pd, sendCq, recvCq, mr, qp } = makeEnd(device);
  const srq = pd.createSrq({ maxWr: 1 });
  const second = pd.createQp({ type: 'RC', sendCq, srq });
  for (const object of [sendCq, recvCq, srq, pd]) assert.throws(() => object.close(), { code: 'EBUSY' });
  qp.close();
  recvCq.close();
  assert.throws(() => sendCq.close(), { code: 'EBUSY' });
  second.close();
  for (const object of [sendCq, srq, mr]) object.close();
  const ah = pd.createAh({ gid: '127.0.0.1' });
  const mw = pd.allocMw();
  assert.throws(() => pd.close(), { code: 'EBUSY' });
  ah.close();
  mw.close();
  pd.close();
  assert.deepEqual(device.resources(), []);
  for (const object of [qp, recvCq, second, sendCq, srq, mr, ah, mw, pd]) object.close();
  assert.throws(() => device.allocPd().createQp({ type: 'RC', sendCq }), { code: 'EINVAL' });
});

test('using closes in the reverse order; await using closes the device', async (t) => {
  const [device] = await openEnds(t, 'one device');
  {
    using pd = device.allocPd();
    using cq = device.createCq();
    using _mr = pd.regMr(Buffer.alloc(8));
    using _qp = pd.createQp({ type: 'RC', sendCq: cq });
    using _srq = pd.createSrq({ maxWr: 1 });
    using _mw = pd.allocMw(1);
    using _ah = pd.createAh({ gid: device.gids[0].gid });
    assert.equal(device.resources().length, 7);
  }
  assert.deepEqual(device.resources(), []);
});

test('what is listed says what there is and whose it is', async (t) => {
  const [device] = await openEnds(t, 'one device', { owner: 'a test' });
  const { qp } = makeEnd(device);
  const listed = device.resources();
  assert.deepEqual(new Set(listed.map((r) => r.kind)), new Set(['pd', 'cq', 'mr', 'qp']));
  assert.ok(JSON.stringify(listed).includes('a test'));
  assert.ok(JSON.stringify(listed.find((r) => r.kind === 'qp')).includes(String(qp.qpn)));
});
