import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QpAttrMask as M, QpState, QpType } from '../../src/core/constants.ts';
import { gidFromText } from '../../src/core/gid-text.ts';
import { MigState, type QpAttr } from '../../src/core/qp.ts';
import { allocPd, createCq, createQp, destroyQp, modifyQp, queryQp } from '../../src/core/verbs.ts';
import { address, av, CAP, errno } from './fake-driver.ts';
import { Fixture } from './fixture.ts';

const INIT_RC = M.STATE | M.PKEY_INDEX | M.PORT | M.ACCESS_FLAGS;
const RTR_RC = M.STATE | M.AV | M.PATH_MTU | M.DEST_QPN | M.RQ_PSN | M.MAX_DEST_RD_ATOMIC | M.MIN_RNR_TIMER;
const RTS_RC = M.STATE | M.TIMEOUT | M.RETRY_CNT | M.RNR_RETRY | M.SQ_PSN | M.MAX_QP_RD_ATOMIC;
const ATTR: Partial<QpAttr> = {
  pkeyIndex: 0,
  port: 1,
  accessFlags: 7,
  av: av(),
  pathMtu: 3,
  destQpn: 0xffffff,
  rqPsn: 0xffffff,
  sqPsn: 0,
  maxDestRdAtomic: 16,
  maxRdAtomic: 8,
  minRnrTimer: 31,
  timeout: 31,
  retryCnt: 7,
  rnrRetry: 7,
  qkey: 0x7fffffff,
};

test('capabilities within the device, parents of the context', (t) => {
  const f = new Fixture(t);
  const make = (change: object, cap = {}) =>
    createQp(f.pd, { type: QpType.RC, sendCq: f.cq, recvCq: f.cq, ...change, cap: { ...CAP, ...cap } });
  for (const field of ['maxSendWr', 'maxRecvWr', 'maxSendSge', 'maxRecvSge', 'maxInlineData']) {
    for (const value of [-1, 1.5, Number.NaN, 1000])
      assert.throws(() => make({}, { [field]: value }), errno('EINVAL', new RegExp(field)));
    destroyQp(make({}, { [field]: 0 }));
  }
  const foreign = createCq(f.open(), 1);
  assert.throws(() => make({ sendCq: foreign }), errno('EINVAL', /sendCq.*another context/));
  assert.throws(() => make({ recvCq: foreign }), errno('EINVAL', /recvCq/));
  assert.throws(() => make({ recvCq: null }), errno('EINVAL', /recvCq/));
  assert.throws(() => make({ type: 77 }), errno('EINVAL', /no queue pair type/));
  assert.throws(() => make({ type: QpType.RAW_PACKET }), errno('EOPNOTSUPP', /RAW_PACKET/));
});

test('EPERM: raw packets need CAP_NET_RAW, management QPs the management agent; one of these a port', (t) => {
  const f = new Fixture(t, { device: { qpTypes: [QpType.GSI, QpType.RAW_PACKET] } });
  assert.throws(() => f.qp(QpType.RAW_PACKET), errno('EPERM', /CAP_NET_RAW/));
  assert.throws(() => f.qp(QpType.GSI), errno('EPERM', /management/));
  const root = f.open({ owner: 'cm', rights: { netRaw: true, management: true } });
  const pd = allocPd(root);
  const cq = createCq(root, 1);
  const make = (type: number) => createQp(pd, { type, sendCq: cq, recvCq: cq, cap: CAP });
  make(QpType.RAW_PACKET);
  make(QpType.RAW_PACKET);
  const gsi = make(QpType.GSI);
  assert.throws(() => make(QpType.GSI), errno('EBUSY', /cm has/));
  destroyQp(gsi);
  make(QpType.GSI);
});

test('RC through its life', (t) => {
  const f = new Fixture(t);
  const qp = f.qp(QpType.RC);
  const to = (state: number, mask: number, change = {}) => modifyQp(qp, { ...ATTR, state, ...change }, mask);
  assert.equal(qp.state, QpState.RESET);
  assert.throws(() => to(QpState.RTS, RTS_RC), errno('EINVAL', /RESET to RTS is not a transition/));
  to(QpState.INIT, INIT_RC);
  assert.throws(() => to(QpState.RTR, RTR_RC & ~M.AV), errno('EINVAL', /needs AV/));
  to(QpState.RTR, RTR_RC);
  assert.throws(() => to(QpState.RTS, RTS_RC | M.QKEY), errno('EINVAL', /does not allow QKEY/));
  assert.throws(
    () => to(QpState.RTS, RTS_RC | M.CUR_STATE, { curState: QpState.RTS }),
    errno('EINVAL', /curState is RTS.*in RTR/),
  );
  to(QpState.RTS, RTS_RC | M.CUR_STATE, { curState: QpState.RTR });
  modifyQp(qp, { minRnrTimer: 5 }, M.MIN_RNR_TIMER);
  assert.equal(queryQp(qp).minRnrTimer, 5);
  to(QpState.SQD, M.STATE);
  to(QpState.SQD, M.TIMEOUT | M.PORT);
  to(QpState.RTS, M.STATE);
  to(QpState.ERR, M.STATE);
  assert.throws(() => to(QpState.RTS, M.STATE), errno('EINVAL', /ERR to RTS/));
  to(QpState.RESET, M.STATE);
  assert.deepEqual([qp.state, qp.attr.destQpn, qp.attr.av], [QpState.RESET, 0, null]);
  to(QpState.ERR, M.STATE);
  assert.deepEqual(f.driver.calls.filter((c) => c === 'modifyQp').length, 10);
});

test('what is wrong is refused before the driver hears of it', (t) => {
  const f = new Fixture(t);
  const qp = f.qp(QpType.RC);
  modifyQp(qp, { ...ATTR, state: QpState.INIT }, INIT_RC);
  modifyQp(qp, { ...ATTR, state: QpState.RTR }, RTR_RC);
  modifyQp(qp, { ...ATTR, state: QpState.RTS }, RTS_RC);
  modifyQp(qp, { state: QpState.SQD }, M.STATE);
  f.driver.calls.length = 0;
  const limits: [number, keyof QpAttr, number][] = [
    [M.RETRY_CNT, 'retryCnt', 7],
    [M.RNR_RETRY, 'rnrRetry', 7],
    [M.TIMEOUT, 'timeout', 31],
    [M.MIN_RNR_TIMER, 'minRnrTimer', 31],
    [M.MAX_QP_RD_ATOMIC, 'maxRdAtomic', 8],
    [M.MAX_DEST_RD_ATOMIC, 'maxDestRdAtomic', 16],
    [M.PKEY_INDEX, 'pkeyIndex', 0],
    [M.PORT, 'port', 1],
    [M.RQ_PSN, 'rqPsn', 0xffffff],
    [M.SQ_PSN, 'sqPsn', 0xffffff],
    [M.DEST_QPN, 'destQpn', 0xffffff],
    [M.PATH_MTU, 'pathMtu', 3],
  ];
  for (const [bit, name, most] of limits) {
    for (const value of [most + 1, -1, 0.5, Number.NaN, undefined]) {
      assert.throws(() => modifyQp(qp, { [name]: value }, bit), errno('EINVAL', new RegExp(name)));
    }
  }
  assert.throws(() => modifyQp(qp, { pathMtu: 0 }, M.PATH_MTU), errno('EINVAL', /pathMtu.*1024 bytes/));
  assert.throws(() => modifyQp(qp, { state: 7 }, M.STATE), errno('EINVAL', /state/));
  const alternate = { altAv: av(), altPkeyIndex: 0, altPort: 1, altTimeout: 14 };
  for (const [change, message] of [
    [{ altAv: undefined }, /altAv is not given/],
    [{ altAv: av({ dgid: new Uint8Array(16) }) }, /alternate path: .*all zeros/],
    [{ altPort: 2 }, /altPort/],
    [{ altPkeyIndex: 1 }, /altPkeyIndex/],
    [{ altTimeout: 32 }, /altTimeout/],
  ] as const) {
    assert.throws(() => modifyQp(qp, { ...alternate, ...change }, M.ALT_PATH), errno('EINVAL', message));
  }
  assert.throws(() => modifyQp(qp, { pathMigState: 3 }, M.PATH_MIG_STATE), errno('EINVAL', /pathMigState/));
  const vectors: [object, RegExp][] = [
    [{ sgidIndex: 1 }, /GID table of fake\d has no entry/],
    [{ sgidIndex: 128 }, /sgidIndex/],
    [{ port: 2 }, /av.port/],
    [{ sl: 16 }, /sl/],
    [{ flowLabel: 1 << 20 }, /flowLabel/],
    [{ hopLimit: 256 }, /hopLimit/],
    [{ trafficClass: -1 }, /trafficClass/],
    [{ dgid: new Uint8Array(4) }, /16 bytes/],
    [{ dgid: new Uint8Array(16) }, /all zeros/],
    [{ dgid: gidFromText('2001:db8::1') }, /2001:db8::1 cannot be reached from.*::ffff:127.0.0.1/],
    [{ dgid: gidFromText('239.0.0.1') }, /multicast/],
  ];
  for (const [change, message] of vectors)
    assert.throws(() => modifyQp(qp, { av: av(change) }, M.AV), errno('EINVAL', message));
  assert.throws(() => modifyQp(qp, { av: null }, M.AV), errno('EINVAL', /av is not given/));
  assert.throws(() => modifyQp(qp, {}, -1), errno('EINVAL', /mask/));
  assert.deepEqual(f.driver.calls, []);
});

test('the driver gets an address vector of its own', (t) => {
  const f = new Fixture(t);
  const qp = f.qp(QpType.RC);
  const given = av();
  modifyQp(qp, { ...ATTR, state: QpState.INIT }, INIT_RC);
  modifyQp(qp, { ...ATTR, state: QpState.RTR, av: given }, RTR_RC);
  given.dgid.fill(0);
  assert.deepEqual(qp.attr.av?.dgid, gidFromText('127.0.0.2'));
});

test('queue pairs that go one way share their address vector, which a query does not give away', (t) => {
  const f = new Fixture(t);
  const [one, two, three] = ['127.0.0.2', '127.0.0.2', '127.0.0.3'].map((address) => {
    const qp = f.qp(QpType.RC);
    modifyQp(qp, { ...ATTR, state: QpState.INIT }, INIT_RC);
    modifyQp(qp, { ...ATTR, state: QpState.RTR, av: av({ dgid: gidFromText(address) }) }, RTR_RC);
    return qp;
  });
  assert.equal(one.attr.av, two.attr.av);
  assert.notEqual(one.attr.av, three.attr.av);
  queryQp(one).av!.dgid.fill(0);
  assert.deepEqual(two.attr.av?.dgid, gidFromText('127.0.0.2'));
});

test('IBTA 10.2.5: privileged Q_Keys need CAP_NET_RAW', (t) => {
  const f = new Fixture(t);
  const init = M.STATE | M.PKEY_INDEX | M.PORT | M.QKEY;
  const attr = { ...ATTR, state: QpState.INIT, qkey: 0x80010000 };
  assert.throws(() => modifyQp(f.qp(QpType.UD), attr, init), errno('EPERM', /CAP_NET_RAW/));
  const root = f.open({ rights: { netRaw: true } });
  const cq = createCq(root, 1);
  const qp = createQp(allocPd(root), { type: QpType.UD, sendCq: cq, recvCq: cq, cap: CAP });
  modifyQp(qp, attr, init);
  assert.equal(qp.attr.qkey, 0x80010000);
  assert.throws(() => modifyQp(qp, { qkey: 2 ** 32 }, M.QKEY), errno('EINVAL', /qkey/));
});

test('an alternate path and the migration state are kept and told, as Linux rxe does (rxe_qp_from_attr, rxe_qp_to_attr)', (t) => {
  const f = new Fixture(t);
  const qp = f.qp(QpType.RC);
  assert.equal(qp.attr.pathMigState, MigState.MIGRATED);
  const altAv = av({ dgid: gidFromText('::ffff:127.0.0.3') });
  const alternate = { altAv, altPkeyIndex: 0, altPort: 1, altTimeout: 14 };
  modifyQp(qp, { ...ATTR, state: QpState.INIT }, INIT_RC);
  modifyQp(qp, { ...ATTR, ...alternate, state: QpState.RTR }, RTR_RC | M.ALT_PATH);
  modifyQp(qp, { ...ATTR, pathMigState: MigState.REARM, state: QpState.RTS }, RTS_RC | M.PATH_MIG_STATE);
  altAv.dgid.fill(0);
  const { attr } = qp;
  assert.deepEqual(attr.altAv?.dgid, gidFromText('::ffff:127.0.0.3'));
  assert.deepEqual([attr.altPort, attr.altTimeout, attr.pathMigState], [1, 14, MigState.REARM]);
});

test('a GID of the other family: the sgid decides', (t) => {
  const f = new Fixture(t);
  f.device.gids.add(address('2001:db8::7'));
  const qp = f.qp(QpType.RC);
  modifyQp(qp, { ...ATTR, state: QpState.INIT }, INIT_RC);
  modifyQp(qp, { ...ATTR, state: QpState.RTR, av: av({ sgidIndex: 1, dgid: gidFromText('2001:db8::8') }) }, RTR_RC);
});
