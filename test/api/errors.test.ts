// Each completion status that a program can meet, by its cause, and the asynchronous events that go with them.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { QpAttrMask, QpState, type SendRequest, WcError } from '../../src/api/index.ts';
import {
  assertQuiet,
  connect,
  connectedEnds,
  type End,
  eventOf,
  makeEnd,
  next,
  nextOk,
  nextStatus,
  openEnds,
  sleep,
  statuses,
  WIRINGS,
} from './fixture.ts';

const QUICK = { timeout: 8, retryCnt: 2 } as const; // 1 ms

type Make = (x: End, y: End) => SendRequest;

/**
 * What the requester gets, what the receiver gets for its receive request (null: nothing), and the event there: none where the
 * completion says it (C9-222.1.1).
 */
const CASES: readonly [name: string, make: Make, status: string, recvStatus: string | null, event: string | null][] = [
  [
    'a SEND longer than the receive buffer',
    (x, y) => {
      y.qp.postRecv({ sge: y.mr.sge(0, 10) });
      return { opcode: 'SEND', sge: x.mr.sge(0, 11) };
    },
    'REM_INV_REQ_ERR',
    'LOC_LEN_ERR',
    null,
  ],
  [
    'a SEND whose second packet is too long for the receive buffer',
    (x, y) => {
      y.qp.postRecv({ sge: y.mr.sge(0, 5000) });
      return { opcode: 'SEND', sge: x.mr.sge(0, 5001) };
    },
    'REM_INV_REQ_ERR',
    'LOC_LEN_ERR',
    null,
  ],
  [
    'a receive buffer with a wrong lkey',
    (x, y) => {
      y.qp.postRecv({ sge: { ...y.mr.sge(), lkey: y.mr.lkey ^ 1 } });
      return { opcode: 'SEND', sge: x.mr.sge(0, 11) };
    },
    'REM_OP_ERR',
    'LOC_PROT_ERR',
    null,
  ],
  [
    'a receive buffer in a region without LOCAL_WRITE',
    (x, y) => {
      const mr = y.pd.regMr(Buffer.alloc(16), { access: [] });
      y.qp.postRecv({ sge: mr.sge() });
      return { opcode: 'SEND', sge: x.mr.sge(0, 11) };
    },
    'REM_OP_ERR',
    'LOC_PROT_ERR',
    null,
  ],
  [
    'a SEND that invalidates no window',
    (x, y) => {
      y.qp.postRecv({ sge: y.mr.sge() });
      return { opcode: 'SEND_WITH_INV', sge: x.mr.sge(0, 11), invalidateRkey: y.mr.rkey };
    },
    'REM_ACCESS_ERR',
    'LOC_ACCESS_ERR',
    null,
  ],
  ...(['RDMA_WRITE', 'RDMA_READ', 'ATOMIC_FETCH_AND_ADD', 'ATOMIC_CMP_AND_SWP'] as const).flatMap(
    (opcode): (typeof CASES)[number][] => [
      [
        `${opcode} with a wrong rkey`,
        (x, y) => ({ opcode, sge: x.mr.sge(0, 8), remoteAddr: y.mr.addr, rkey: y.mr.rkey ^ 0x100 }),
        'REM_ACCESS_ERR',
        'WR_FLUSH_ERR',
        'QP_ACCESS_ERR',
      ],
      [
        `${opcode} beyond the region`,
        (x, y) => ({ opcode, sge: x.mr.sge(0, 8), remoteAddr: y.mr.addr + y.mr.length, rkey: y.mr.rkey }),
        'REM_ACCESS_ERR',
        'WR_FLUSH_ERR',
        'QP_ACCESS_ERR',
      ],
      [
        `${opcode} where the region has no remote rights`,
        (x, y) => {
          y.mr.setAccess(['LOCAL_WRITE']);
          return { opcode, sge: x.mr.sge(0, 8), remoteAddr: y.mr.addr, rkey: y.mr.rkey };
        },
        'REM_ACCESS_ERR',
        'WR_FLUSH_ERR',
        'QP_ACCESS_ERR',
      ],
      [
        `${opcode} with a region of another protection domain`,
        (x, y) => {
          const mr = y.device.allocPd().regMr(Buffer.alloc(8), { access: 15 });
          return { opcode, sge: x.mr.sge(0, 8), remoteAddr: mr.addr, rkey: mr.rkey };
        },
        'REM_ACCESS_ERR',
        'WR_FLUSH_ERR',
        'QP_ACCESS_ERR',
      ],
    ],
  ),
  [
    'an atomic operation at an address that is no multiple of 8',
    (x, y) => ({ opcode: 'ATOMIC_FETCH_AND_ADD', sge: x.mr.sge(0, 8), remoteAddr: y.mr.addr + 4, rkey: y.mr.rkey }),
    'REM_INV_REQ_ERR',
    'WR_FLUSH_ERR',
    'QP_REQ_ERR',
  ],
  [
    'a local SGE with a wrong lkey',
    (x) => ({ opcode: 'SEND', sge: { ...x.mr.sge(0, 8), lkey: x.mr.lkey ^ 0x100 } }),
    'LOC_PROT_ERR',
    null,
    null,
  ],
  [
    'a local SGE beyond the region',
    (x) => ({ opcode: 'SEND', sge: { ...x.mr.sge(x.mr.length - 8, 8), length: 9 } }),
    'LOC_PROT_ERR',
    null,
    null,
  ],
  [
    'a READ into a region without LOCAL_WRITE',
    (x, y) => {
      const mr = x.pd.regMr(Buffer.alloc(16), { access: [] });
      return { opcode: 'RDMA_READ', sge: mr.sge(), remoteAddr: y.mr.addr, rkey: y.mr.rkey };
    },
    'LOC_PROT_ERR',
    null,
    null,
  ],
  [
    'an atomic operation whose SGE takes less than 8 bytes',
    (x, y) => ({ opcode: 'ATOMIC_FETCH_AND_ADD', sge: x.mr.sge(0, 4), remoteAddr: y.mr.addr, rkey: y.mr.rkey }),
    'LOC_LEN_ERR',
    null,
    null,
  ],
  [
    'LOCAL_INV of a key that is no window’s',
    (x) => ({ opcode: 'LOCAL_INV', invalidateRkey: x.mr.rkey }),
    'LOC_QP_OP_ERR',
    null,
    null,
  ],
];

for (const wiring of WIRINGS) {
  suite(wiring, () => {
    for (const [name, make, status, recvStatus, event] of CASES) {
      test(`${status}: ${name}`, async (t) => {
        const [x, y] = await connectedEnds(t, wiring);
        const request = make(x, y);
        if (recvStatus === 'WR_FLUSH_ERR') y.qp.postRecv({ wrId: 50, sge: y.mr.sge() });
        const events: string[] = [];
        y.device.on('async', ({ type, qpn }) => {
          if (qpn === y.qp.qpn) events.push(type);
        });
        x.qp.postSend([
          { ...request, wrId: 1 },
          { opcode: 'RDMA_WRITE', wrId: 2, signaled: false },
        ]);
        const wc = await next(x.sendCq);
        assert.deepEqual([wc.wrId, wc.status, wc.ok], [1, status, false]);
        assert.throws(
          () => wc.orThrow(),
          (e) => e instanceof WcError && e.status === status && e.message.includes(`: ${status}: `),
        );
        const flushed = await next(x.sendCq);
        assert.deepEqual([flushed.wrId, flushed.status], [2, 'WR_FLUSH_ERR']);
        assert.equal(x.qp.state, 'ERR');
        if (recvStatus !== null) {
          assert.equal(await nextStatus(y.recvCq), recvStatus);
          assert.equal(y.qp.state, 'ERR');
        }
        assert.deepEqual(events, event === null ? [] : [event]);
      });
    }

    test('RETRY_EXC_ERR: the peer’s QP is not there', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, {}, QUICK);
      y.qp.close();
      const start = performance.now();
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(1) });
      assert.equal(await nextStatus(x.sendCq), 'RETRY_EXC_ERR');
      const ms = performance.now() - start;
      // One transmission and two more, each waited for 4.096 µs · 2^8 and up to four times that (IBTA 9.7.6.1.3).
      assert.ok(ms >= 3 && ms < 1000, `${ms} ms`);
      assert.equal(x.device.counters.retransmitted_pkts, 2);
    });

    test('RETRY_EXC_ERR: the peer is in INIT; once in RTR it answers', async (t) => {
      const [a, b] = await openEnds(t, wiring);
      const [x, y] = [makeEnd(a), makeEnd(b)];
      y.qp.init();
      x.qp.connect(y.qp.endpoint(), QUICK);
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(1) });
      assert.equal(await nextStatus(x.sendCq), 'RETRY_EXC_ERR');
      const z = makeEnd(a);
      z.qp.connect(y.qp.endpoint(), { timeout: 12 });
      y.qp.postRecv({ sge: y.mr.sge() });
      z.qp.postSend({ opcode: 'SEND', inline: Buffer.of(1) });
      await sleep(5);
      y.qp.connect(z.qp.endpoint());
      await nextOk(z.sendCq);
      await nextOk(y.recvCq);
    });

    test('RNR_RETRY_EXC_ERR: no receive request is posted in time', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, {}, { rnrRetry: 2, minRnrTimer: 1 });
      x.qp.postSend({ opcode: 'SEND', wrId: 4, inline: Buffer.of(1) });
      const wc = await next(x.sendCq);
      assert.deepEqual([wc.wrId, wc.status], [4, 'RNR_RETRY_EXC_ERR']);
      assert.equal(y.device.counters.send_rnr_err, 3);
      assert.equal(y.qp.state, 'RTS', 'the receiver is not to blame');
    });

    test('a receiver that becomes ready in time is waited for', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, {}, { rnrRetry: 7, minRnrTimer: 1 });
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(1) });
      x.qp.postSend({ opcode: 'RDMA_WRITE_WITH_IMM', imm: 1, remoteAddr: y.mr.addr, rkey: y.mr.rkey, sge: x.mr.sge() });
      await assertQuiet(x.sendCq, 20);
      y.qp.postRecv({ sge: y.mr.sge() });
      await nextOk(x.sendCq);
      await nextOk(y.recvCq);
      await assertQuiet(x.sendCq, 20);
      y.qp.postRecv({});
      await nextOk(x.sendCq);
      assert.equal((await nextOk(y.recvCq)).imm, 1);
    });

    for (const [right, opcode] of [
      ['REMOTE_WRITE', 'RDMA_WRITE'],
      ['REMOTE_READ', 'RDMA_READ'],
      ['REMOTE_ATOMIC', 'ATOMIC_CMP_AND_SWP'],
    ] as const) {
      test(`a QP connected without ${right} refuses ${opcode}`, async (t) => {
        const [a, b] = await openEnds(t, wiring);
        const [x, y] = [makeEnd(a), makeEnd(b)];
        const others = (['REMOTE_WRITE', 'REMOTE_READ', 'REMOTE_ATOMIC'] as const).filter((r) => r !== right);
        connect(x, y, {}, { access: others });
        x.qp.postSend({ opcode, sge: x.mr.sge(0, 8), remoteAddr: y.mr.addr, rkey: y.mr.rkey });
        // IBTA 9.7.4.1; Linux's rxe (check_op_valid) and NICs differ in which of the two NAKs they send.
        assert.match(await nextStatus(x.sendCq), /^REM_(INV_REQ|ACCESS)_ERR$/);
      });
    }

    test('what precedes a request that fails locally completes first', async (t) => {
      const [x, y] = await connectedEnds(t, wiring);
      const good = { opcode: 'RDMA_READ', sge: x.mr.sge(0, 20_000), remoteAddr: y.mr.addr, rkey: y.mr.rkey } as const;
      const bad = { opcode: 'SEND', sge: { ...x.mr.sge(0, 8), lkey: 0 } } as const;
      x.qp.postSend([good, good, bad, good, { ...good, signaled: false }]);
      const expected = ['SUCCESS', 'SUCCESS', 'LOC_PROT_ERR', 'WR_FLUSH_ERR', 'WR_FLUSH_ERR'];
      assert.deepEqual(await statuses(x.sendCq, 5), expected);
    });

    test('to ERR: all that is posted is flushed, and what is posted from then on', async (t) => {
      const [x, y] = await connectedEnds(t, wiring);
      for (let i = 0; i < 3; i++) x.qp.postRecv({ wrId: i, sge: x.mr.sge() });
      for (let i = 10; i < 13; i++)
        x.qp.postSend({ opcode: 'SEND', wrId: i, inline: Buffer.of(1), signaled: i === 11 });
      x.qp.modify({ state: QpState.ERR }, QpAttrMask.STATE);
      for (const [cq, first] of [
        [x.recvCq, 0],
        [x.sendCq, 10],
      ] as const) {
        for (let i = first; i < first + 3; i++) {
          const wc = await next(cq);
          assert.deepEqual([wc.wrId, wc.status], [i, 'WR_FLUSH_ERR']);
        }
      }
      x.qp.postSend({ opcode: 'SEND', wrId: 20, signaled: false });
      x.qp.postRecv({ wrId: 21 });
      assert.deepEqual([(await next(x.sendCq)).wrId, (await next(x.recvCq)).wrId], [20, 21]);
      // From RESET it begins again.
      x.qp.modify({ state: QpState.RESET }, QpAttrMask.STATE);
      y.qp.modify({ state: QpState.RESET }, QpAttrMask.STATE);
      connect(x, y);
      y.qp.postRecv({ sge: y.mr.sge() });
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(9) });
      await nextOk(y.recvCq);
      assert.equal(y.mr.buffer[0], 9);
    });

    test('who waits is woken by what is flushed at once', async (t) => {
      const [x] = await connectedEnds(t, wiring);
      x.qp.modify({ state: QpState.ERR }, QpAttrMask.STATE);
      const received = next(x.recvCq, 500);
      await sleep(10);
      x.qp.postRecv({ wrId: 1 });
      assert.equal((await received).wrId, 1);
      const sent = next(x.sendCq, 500);
      await sleep(10);
      x.qp.postSend({ opcode: 'SEND', wrId: 2 });
      assert.equal((await sent).wrId, 2);
    });

    test('SQD: what has begun is finished, what is posted then waits; SQ_DRAINED says when', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, { bytes: 1 << 20 });
      const request = { opcode: 'RDMA_WRITE', sge: x.mr.sge(), remoteAddr: y.mr.addr, rkey: y.mr.rkey } as const;
      x.qp.postSend({ ...request, wrId: 1 });
      const drained = eventOf(x.device, 'SQ_DRAINED');
      const { STATE, EN_SQD_ASYNC_NOTIFY } = QpAttrMask;
      x.qp.modify({ state: QpState.SQD, enSqdAsyncNotify: true }, STATE | EN_SQD_ASYNC_NOTIFY);
      assert.equal(x.qp.state, 'SQD');
      x.qp.postSend({ ...request, wrId: 2 });
      assert.equal((await nextOk(x.sendCq)).wrId, 1);
      assert.equal((await drained).qpn, x.qp.qpn);
      await assertQuiet(x.sendCq);
      x.qp.modify({ state: QpState.RTS }, STATE);
      assert.equal((await nextOk(x.sendCq)).wrId, 2);
    });

    test('COMM_EST: a first message before the receiver is in RTS', async (t) => {
      const [a, b] = await openEnds(t, wiring);
      const [x, y] = [makeEnd(a), makeEnd(b)];
      x.qp.connect(y.qp.endpoint());
      const rts = y.qp.modify;
      // Goes as far as RTR only.
      y.qp.modify = function (attr, mask) {
        if (attr.state !== QpState.RTS) rts.call(this, attr, mask);
      };
      y.qp.connect(x.qp.endpoint());
      assert.equal(y.qp.state, 'RTR');
      y.qp.postRecv({ sge: y.mr.sge() });
      const established = eventOf(b, 'COMM_EST');
      x.qp.postSend({ opcode: 'SEND', inline: Buffer.of(1) });
      assert.equal((await established).qpn, y.qp.qpn);
      await nextOk(y.recvCq);
      await nextOk(x.sendCq);
    });

    test('a CQ that overruns: CQ_ERR, and QP_FATAL for each of its queue pairs', async (t) => {
      const [x, y] = await connectedEnds(t, wiring, { cqe: 3, maxSendWr: 64 });
      const cqErr = eventOf(x.device, 'CQ_ERR');
      const fatal = eventOf(x.device, 'QP_FATAL');
      const { cqe } = x.sendCq;
      assert.ok(cqe >= 3 && cqe < 64);
      for (let i = 0; i <= cqe; i++) {
        x.qp.postSend({ opcode: 'RDMA_WRITE', wrId: i, inline: Buffer.of(1), remoteAddr: y.mr.addr, rkey: y.mr.rkey });
      }
      await cqErr;
      assert.equal((await fatal).qpn, x.qp.qpn);
      assert.equal(x.qp.state, 'ERR');
      // Those that were in it can still be had.
      assert.deepEqual(
        x.sendCq.poll(100).map((wc) => wc.wrId),
        Array.from({ length: cqe }, (_, i) => i),
      );
      x.sendCq.resize(64);
    });
  });
}

test('misuse is refused at once, with a sentence that helps', async (t) => {
  const [device] = await openEnds(t, 'one device');
  const { pd, qp, mr, sendCq } = makeEnd(device);
  const ud = pd.createQp({ type: 'UD', sendCq });
  const refuses = (code: string, message: RegExp, action: () => unknown): void => {
    assert.throws(action, { name: 'VerbsError', code, message });
  };
  refuses('EINVAL', /RTS/, () => qp.postSend({ opcode: 'SEND' }));
  refuses('EINVAL', /RESET/, () => qp.postRecv({}));
  refuses('EINVAL', /activate/, () => ud.connect(qp.endpoint()));
  refuses('EINVAL', /connect/, () => qp.activate({ qkey: 1 }));
  refuses('EINVAL', /mtu 1500.*4096/, () => qp.connect(qp.endpoint(), { mtu: 1500 }));
  refuses('EINVAL', /family/, () => qp.connect({ ...qp.endpoint(), gid: 'fd00::1' }));
  refuses('EINVAL', /"SENT"/, () => qp.postSend({ opcode: 'SENT' as 'SEND' }));
  refuses('EINVAL', /"XRC"/, () => pd.createQp({ type: 'XRC' as 'RC', sendCq }));
  refuses('EINVAL', /"REMOTE"/, () => pd.regMr(Buffer.alloc(1), { access: ['REMOTE' as 'LOCAL_WRITE'] }));
  refuses('EINVAL', /LOCAL_WRITE/, () => pd.regMr(Buffer.alloc(1), { access: ['REMOTE_WRITE'] }));
  refuses('EINVAL', /wrId/, () => ud.postSend({ opcode: 'SEND', wrId: -1 }));
  refuses('EINVAL', /remoteAddr/, () => qp.postSend({ opcode: 'RDMA_WRITE', remoteAddr: 0.5 }));
  refuses('EINVAL', /not within/, () => mr.sge(0, mr.length + 1));
  refuses('EINVAL', /not within/, () => mr.sge(-1));
  refuses('EINVAL', /maxSendWr/, () => pd.createQp({ type: 'RC', sendCq, maxSendWr: -1 }));
  refuses('EINVAL', /cqe/, () => device.createCq({ cqe: 0 }));
  refuses('EINVAL', /GID/, () => qp.endpoint(99));
  refuses('EPERM', /CAP_NET_RAW/, () => ud.activate({ qkey: 0x80000000 }));
  qp.connect(qp.endpoint());
  for (let i = 0; i < qp.cap.maxRecvWr; i++) qp.postRecv({});
  refuses('ENOMEM', /receive queue is full/, () => qp.postRecv({}));
  refuses('EINVAL', /SGE/, () => qp.postSend({ opcode: 'SEND', sge: [mr.sge(0, 1), mr.sge(0, 1)] }));
  refuses('EINVAL', /type 2|type 1|RC/, () => ud.bindMw(pd.allocMw(1), { mr, access: [] }));
});

test('when one of a list is refused, those before it go and those after it do not', async (t) => {
  const [x, y] = await connectedEnds(t, 'udp', { maxInlineData: 8 });
  const max = x.qp.cap.maxInlineData;
  const remote = { opcode: 'RDMA_WRITE', remoteAddr: y.mr.addr, rkey: y.mr.rkey } as const;
  const list = [1, max + 1, 1].map((n, i) => ({ ...remote, wrId: i, inline: Buffer.alloc(n, 0x55) }));
  assert.throws(() => x.qp.postSend(list), { code: 'ENOMEM' });
  assert.equal((await nextOk(x.sendCq)).wrId, 0);
  assert.equal(y.mr.buffer[0], 0x55);
  await assertQuiet(x.sendCq);
});
