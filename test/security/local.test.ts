// What another program of the same host can do on the same device: nothing to what is not its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Access, MwType, QpAttrMask, QpState, QpType, WcStatus, WrOpcode } from '../../src/core/constants.ts';
import type { Context } from '../../src/core/context.ts';
import { LocalMemory } from '../../src/core/memory.ts';
import * as verbs from '../../src/core/verbs.ts';
import { SendWr } from '../../src/core/work.ts';
import type { SoftQp } from '../../src/transport/qp.ts';
import { bthOpcode } from '../../src/wire/bth.ts';
import { dethQkey } from '../../src/wire/deth.ts';
import { UD_SEND_ONLY } from '../../src/wire/opcodes.ts';
import { tap } from '../model/tap.ts';
import { ALL_ACCESS, activateUd, addressVector, connect, Fabric, type Node, sge, toRts } from '../transport/fabric.ts';

const M = QpAttrMask;

/** A second program on a node's device, without rights. */
function stranger(node: Node, limits = {}): Context {
  return verbs.openContext(node.rxe.device, { owner: 'mallory', contextClass: 'user', limits });
}

function queuePair(context: Context): SoftQp {
  const pd = verbs.allocPd(context);
  const cq = verbs.createCq(context, 16);
  const cap = { maxSendWr: 8, maxRecvWr: 8, maxSendSge: 2, maxRecvSge: 2, maxInlineData: 0 };
  return verbs.createQp(pd, { type: QpType.RC, sendCq: cq, recvCq: cq, cap }) as SoftQp;
}

function post(node: Node, qp: SoftQp, request: Partial<SendWr>): void {
  const wr = Object.assign(new SendWr(), { flags: 2 }, request);
  wr.numSge = wr.sge.length;
  node.rxe.device.ops.postSend(qp, wr);
  node.schedule();
}

test('objects of another context are not found by handle, nor taken as objects', () => {
  const f = new Fabric();
  const a = f.node();
  const mine = a.createQp();
  const mallory = stranger(a);
  for (const kind of ['qp', 'cq', 'pd', 'mr'] as const)
    assert.equal(mallory.handles.find(kind, mine.handle), undefined);
  const cq = verbs.createCq(mallory, 1);
  const pd = verbs.allocPd(mallory);
  const cap = { maxSendWr: 1, maxRecvWr: 1, maxSendSge: 1, maxRecvSge: 1, maxInlineData: 0 };
  const steal = (change: object): unknown =>
    verbs.createQp(pd, { type: QpType.RC, sendCq: cq, recvCq: cq, cap, ...change });
  for (const change of [{ sendCq: mine.sendCq }, { recvCq: mine.recvCq }]) {
    assert.throws(() => steal(change), { code: 'EINVAL', message: /another context/ });
  }
  verbs.closeContext(mallory);
  f.close();
});

test('a stolen key: neither as L_Key nor as R_Key does it reach memory of another protection domain', () => {
  const f = new Fabric();
  const [a, b] = [f.node(), f.node()];
  const secret = a.regMr(64);
  secret.bytes.fill(0x53);
  const mallory = stranger(a);
  const qm = queuePair(mallory);
  const qb = b.createQp();
  const loot = b.regMr(64);
  const link = (): void => {
    toRts(a, qm, b, qb.qpn);
    toRts(b, qb, a, qm.qpn);
  };
  link();
  b.recv(qb, { sge: [sge(loot, 0, 64)] });
  post(a, qm, { opcode: WrOpcode.SEND, sge: [sge(secret, 0, 64)] });
  f.run();
  assert.deepEqual(
    a.poll(qm.sendCq).map((wc) => wc.status),
    [WcStatus.LOC_PROT_ERR],
  );
  for (const [node, qp] of [
    [a, qm],
    [b, qb],
  ] as const)
    node.modify(qp, { state: QpState.RESET }, M.STATE);
  link();
  b.poll(qb.sendCq);
  b.send(qb, { opcode: WrOpcode.RDMA_READ, sge: [sge(loot, 0, 64)], remoteAddr: secret.iova, rkey: secret.rkey });
  f.run();
  assert.deepEqual(
    b.poll(qb.sendCq).map((wc) => wc.status),
    [WcStatus.REM_ACCESS_ERR],
  );
  assert.ok(loot.bytes.every((byte) => byte === 0));
  verbs.closeContext(mallory);
  f.close();
});

test('a type 2 window is for its queue pair alone, and for nobody once that is gone', () => {
  const f = new Fabric();
  const [a, b] = [f.node(), f.node()];
  const [qa, qb] = [a.createQp(), b.createQp()];
  const [other, qo] = [b.createQp(), a.createQp()];
  connect(a, qa, b, qb);
  connect(a, qo, b, other);
  const region = b.regMr(64);
  const mw = verbs.allocMw(b.pd, MwType.TYPE_2);
  const rkey = verbs.nextKey(mw.rkey);
  b.send(qb, {
    ...{ opcode: WrOpcode.BIND_MW, mw, bindMr: region, bindAddr: region.iova, bindLength: 64 },
    ...{ bindAccess: Access.REMOTE_READ, bindRkey: rkey },
  });
  f.run();
  const to = a.regMr(64);
  const read = (qp: SoftQp): number => {
    a.send(qp, { opcode: WrOpcode.RDMA_READ, sge: [sge(to, 0, 8)], remoteAddr: region.iova, rkey });
    f.run();
    return a.poll(qp.sendCq)[0].status;
  };
  assert.equal(read(qa), WcStatus.SUCCESS);
  assert.equal(read(qo), WcStatus.REM_ACCESS_ERR, 'the same protection domain, another queue pair');
  verbs.destroyQp(qb);
  assert.equal(mw.mr, null, 'unbound with its queue pair');
  f.close();
});

test('rights: privileged Q_Keys, raw packets and management queue pairs are refused without them', () => {
  const f = new Fabric();
  const a = f.node();
  const mallory = stranger(a);
  const pd = verbs.allocPd(mallory);
  const cq = verbs.createCq(mallory, 4);
  const cap = { maxSendWr: 1, maxRecvWr: 1, maxSendSge: 1, maxRecvSge: 1, maxInlineData: 0 };
  const make = (type: number): SoftQp => verbs.createQp(pd, { type, sendCq: cq, recvCq: cq, cap }) as SoftQp;
  assert.throws(() => make(QpType.GSI), { code: 'EPERM' });
  for (const type of [QpType.SMI, QpType.RAW_PACKET]) {
    assert.throws(
      () => make(type),
      (error: { code: string }) => ['EPERM', 'EOPNOTSUPP'].includes(error.code),
    );
  }
  const ud = make(QpType.UD);
  const init = M.STATE | M.PKEY_INDEX | M.PORT | M.QKEY;
  assert.throws(() => verbs.modifyQp(ud, { state: QpState.INIT, pkeyIndex: 0, port: 1, qkey: 0x80010000 }, init), {
    code: 'EPERM',
  });
  verbs.closeContext(mallory);
  f.close();
});

test('a work request cannot send with a privileged Q_Key either: the queue pair’s own goes out instead (IBTA 10.2.5)', () => {
  const f = new Fabric();
  const [a, b] = [f.node(), f.node()];
  const qp = a.createQp(QpType.UD);
  activateUd(a, qp, 0x2222);
  const qkeys: number[] = [];
  tap(f.sim, (_, { buf }) => {
    if (bthOpcode(buf, 0) === UD_SEND_ONLY) qkeys.push(dethQkey(buf, 12));
  });
  const ah = verbs.createAh(a.pd, addressVector(b)!);
  for (const remoteQkey of [0x80010000, 0xffffffff, 0x1111])
    a.send(qp, { opcode: WrOpcode.SEND, ah, remoteQpn: 1, remoteQkey });
  f.run();
  assert.deepEqual(qkeys, [0x2222, 0x2222, 0x1111]);
  f.close();
});

test('limits: what one context may hold does not run out for another', () => {
  const f = new Fabric();
  const a = f.node();
  const mallory = stranger(a, { pd: 2, mr: 3, cq: 2, qp: 1, ah: 1, registeredBytes: 4096 });
  const pd = verbs.allocPd(mallory);
  verbs.allocPd(mallory);
  assert.throws(() => verbs.allocPd(mallory), { code: 'ENOMEM', message: /the limit of mallory is 2/ });
  const register = (bytes: number): unknown =>
    verbs.regMr(pd, new LocalMemory(new ArrayBuffer(bytes)), { access: 0, iova: 64 });
  register(4000);
  assert.throws(() => register(97), { code: 'ENOMEM' });
  register(96);
  const ah = (): unknown => verbs.createAh(pd, addressVector(a)!);
  ah();
  assert.throws(ah, { code: 'ENOMEM' });
  for (let i = 0; i < 8; i++) a.createQp();
  verbs.closeContext(mallory);
  assert.equal(a.rxe.device.counts.ah, 0, 'what it held is free again');
  f.close();
});

test('events go to those whose objects they are about', () => {
  const f = new Fabric();
  const [a, b] = [f.node(), f.node()];
  const [qa, qb] = [a.createQp(), b.createQp()];
  connect(a, qa, b, qb);
  const mallory = stranger(b);
  const heard: unknown[] = [];
  mallory.onAsyncEvent = (event) => void heard.push(event);
  a.send(qa, { opcode: WrOpcode.RDMA_WRITE, sge: [sge(a.regMr(8, ALL_ACCESS), 0, 8)], remoteAddr: 0, rkey: 1 });
  f.run();
  assert.ok(b.events.length > 0);
  assert.deepEqual(heard, []);
  verbs.closeContext(mallory);
  f.close();
});
