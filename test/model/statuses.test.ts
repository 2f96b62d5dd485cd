// Each status that a work completion of a reliable connection can have (ibv_poll_cq(3), IBTA 11.6.2), and what brings it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  Access,
  EventType,
  MwType,
  nameOf,
  QpAttrMask,
  QpState,
  SendFlags,
  WcStatus,
  type WcStatusName,
  WrOpcode,
} from '../../src/core/constants.ts';
import { LocalMemory } from '../../src/core/memory.ts';
import type { QpAttr } from '../../src/core/qp.ts';
import * as verbs from '../../src/core/verbs.ts';
import type { SoftQp } from '../../src/transport/qp.ts';
import { NAK_INV_RD_REQ } from '../../src/wire/aeth.ts';
import { BTH_LEN } from '../../src/wire/bth.ts';
import { RC_ACKNOWLEDGE, RC_ATOMIC_ACKNOWLEDGE, RC_READ_RESP_ONLY } from '../../src/wire/opcodes.ts';
import { connect, Fabric, type Node, sge } from '../transport/fabric.ts';
import { forge } from './forge.ts';

interface Pair {
  readonly f: Fabric;
  readonly a: Node;
  readonly b: Node;
  readonly qa: SoftQp;
  readonly qb: SoftQp;
}

function pair(attr: Partial<QpAttr> = {}): Pair {
  const f = new Fabric();
  const [a, b] = [f.node(), f.node()];
  const [qa, qb] = [a.createQp(), b.createQp()];
  connect(a, qa, b, qb, { rnrRetry: 1, retryCnt: 2, ...attr });
  return { f, a, b, qa, qb };
}

function send(p: Pair, size = 64, lkey?: number): void {
  const mr = p.a.regMr(size + 8);
  p.a.send(p.qa, { opcode: WrOpcode.SEND, sge: [{ ...sge(mr, 0, size), lkey: lkey ?? mr.lkey }] });
}

function add({ a, b, qa }: Pair, o: { at?: number; room?: number; access?: number } = {}): void {
  const cell = b.regMr(64, o.access);
  const target = { remoteAddr: cell.iova + (o.at ?? 0), rkey: cell.rkey, compareAdd: 1n };
  a.send(qa, { opcode: WrOpcode.ATOMIC_FETCH_AND_ADD, sge: [sge(a.regMr(64), 0, o.room ?? 8)], ...target });
}

function read({ a, b, qa }: Pair, opcode: number = WrOpcode.RDMA_READ): void {
  const from = b.regMr(64);
  a.send(qa, { opcode, sge: [sge(a.regMr(64), 0, 64)], remoteAddr: from.iova, rkey: from.rkey });
}

function bind({ a, qa }: Pair, access: number): void {
  const mw = verbs.allocMw(a.pd, MwType.TYPE_2);
  const mr = a.regMr(64, access);
  const range = { bindAddr: mr.iova, bindLength: 64, bindAccess: Access.REMOTE_READ };
  a.send(qa, { opcode: WrOpcode.BIND_MW, mw, bindRkey: verbs.nextKey(mw.rkey), bindMr: mr, ...range });
}

/** A region at the peer whose bytes are gone when they are wanted. */
function writeToNowhere({ a, b, qa }: Pair): void {
  const bytes = new ArrayBuffer(64, { maxByteLength: 64 });
  const mr = verbs.regMr(b.pd, new LocalMemory(bytes), { access: Access.LOCAL_WRITE | Access.REMOTE_WRITE, iova: 0 });
  bytes.resize(0);
  a.send(qa, { opcode: WrOpcode.RDMA_WRITE, sge: [sge(a.regMr(64), 0, 64)], remoteAddr: 0, rkey: mr.rkey });
}

type Row = [what: string, act: (p: Pair) => void, requester: WcStatusName, receiver?: WcStatusName];

const ROWS: Row[] = [
  ['a request that is carried out', (p) => read(p), 'SUCCESS'],
  ['an ATOMIC with an SGE of 4 bytes', (p) => add(p, { room: 4 }), 'LOC_LEN_ERR'],
  ['a message longer than the receive request', (p) => recvAnd(p, 63, () => send(p)), 'REM_INV_REQ_ERR', 'LOC_LEN_ERR'],
  ['an opcode that does not exist', (p) => p.a.send(p.qa, { opcode: 12 }), 'LOC_QP_OP_ERR'],
  ['LOCAL_INV of a key that is no window', (p) => p.a.send(p.qa, { opcode: WrOpcode.LOCAL_INV }), 'LOC_QP_OP_ERR'],
  ['a key of no region in an SGE', (p) => send(p, 64, 0x42), 'LOC_PROT_ERR'],
  [
    'a READ into a region without LOCAL_WRITE',
    ({ a, b, qa }) => {
      const from = b.regMr(64);
      const to = { remoteAddr: from.iova, rkey: from.rkey, sge: [sge(a.regMr(64, 0), 0, 64)] };
      a.send(qa, { opcode: WrOpcode.RDMA_READ, ...to });
    },
    'LOC_PROT_ERR',
  ],
  [
    'a receive request into a region without LOCAL_WRITE',
    (p) => recvAnd(p, 64, () => send(p), Access.REMOTE_READ),
    'REM_OP_ERR',
    'LOC_PROT_ERR',
  ],
  [
    'a queue pair that its program puts in error',
    (p) => {
      p.f.sim.partition(p.a.link, p.b.link);
      send(p);
      p.a.modify(p.qa, { state: QpState.ERR }, QpAttrMask.STATE);
    },
    'WR_FLUSH_ERR',
  ],
  ['a bind to a region without MW_BIND', (p) => bind(p, Access.REMOTE_READ), 'MW_BIND_ERR'],
  [
    'a READ response of the wrong length',
    (p) => {
      forge(p.f.sim, RC_READ_RESP_ONLY, (parcel) => (parcel.len -= 4));
      read(p);
    },
    'BAD_RESP_ERR',
  ],
  [
    'a READ response to an ATOMIC',
    (p) => {
      forge(p.f.sim, RC_ATOMIC_ACKNOWLEDGE, ({ buf }) => (buf[0] = RC_READ_RESP_ONLY));
      add(p);
    },
    'BAD_RESP_ERR',
  ],
  [
    'SEND_WITH_INV of a key that the receiver does not have',
    (p) => recvAnd(p, 0, () => p.a.send(p.qa, { opcode: WrOpcode.SEND_WITH_INV, imm: 0x42 })),
    'REM_ACCESS_ERR',
    'LOC_ACCESS_ERR',
  ],
  ['an ATOMIC at an odd address', (p) => add(p, { at: 4 }), 'REM_INV_REQ_ERR'],
  ['an ATOMIC on a region without REMOTE_ATOMIC', (p) => add(p, { access: Access.REMOTE_READ }), 'REM_ACCESS_ERR'],
  ['memory of the peer that is gone', (p) => writeToNowhere(p), 'REM_OP_ERR'],
  [
    'a peer that is not there',
    (p) => {
      p.f.sim.partition(p.a.link, p.b.link);
      send(p);
    },
    'RETRY_EXC_ERR',
  ],
  ['a receiver that is not ready', (p) => send(p), 'RNR_RETRY_EXC_ERR'],
  [
    'a NAK "invalid RD request"',
    (p) => {
      forge(p.f.sim, RC_ACKNOWLEDGE, ({ buf }) => (buf[BTH_LEN] = NAK_INV_RD_REQ));
      read(p, WrOpcode.RDMA_WRITE);
    },
    'REM_INV_RD_REQ_ERR',
  ],
];

function recvAnd({ b, qb }: Pair, room: number, then: () => void, access?: number): void {
  b.recv(qb, { sge: [sge(b.regMr(64, access), 0, room)] });
  then();
}

// Reliable datagrams (EE contexts, RDD), which nobody implements, and what no requirement of RC leads to.
const NOT_OF_RC: readonly WcStatusName[] = [
  ...(['LOC_EEC_OP_ERR', 'LOC_RDD_VIOL_ERR', 'INV_EECN_ERR', 'INV_EEC_STATE_ERR', 'REM_ABORT_ERR'] as const),
  ...(['FATAL_ERR', 'RESP_TIMEOUT_ERR', 'GENERAL_ERR'] as const),
];

describe('statuses of work completions', () => {
  for (const [what, act, requester, receiver] of ROWS) {
    it(`${requester}${receiver === undefined ? '' : ` and ${receiver}`}: ${what}`, () => {
      const p = pair();
      act(p);
      p.f.run();
      const names = (node: Node, cq: SoftQp['sendCq']): string[] =>
        node.poll(cq).map((wc) => nameOf(WcStatus, wc.status));
      assert.deepEqual(names(p.a, p.qa.sendCq), [requester]);
      if (receiver !== undefined) assert.deepEqual(names(p.b, p.qb.recvCq), [receiver]);
      const failed = requester !== 'SUCCESS';
      assert.equal(p.qa.state, failed ? QpState.ERR : QpState.RTS);
      if (failed) {
        // What is posted to it now is flushed, signalled or not (ibv_post_send(3), C10-42).
        p.a.send(p.qa, { wrId: 9, opcode: WrOpcode.SEND, flags: SendFlags.FENCE });
        p.a.recv(p.qa, { wrId: 10 });
        p.f.run();
        assert.deepEqual(
          [...p.a.poll(p.qa.sendCq)].map((wc) => [wc.wrId, nameOf(WcStatus, wc.status)]),
          [
            [9, 'WR_FLUSH_ERR'],
            [10, 'WR_FLUSH_ERR'],
          ],
        );
      }
      p.f.close();
    });
  }

  it('are all of them, but for those that RC does not have', () => {
    const seen = new Set(ROWS.flatMap(([, , requester, receiver]) => [requester, receiver]));
    const missing = Object.keys(WcStatus).filter((name) => !seen.has(name as WcStatusName));
    assert.deepEqual(missing.sort(), [...NOT_OF_RC].sort());
  });

  it('tells the responder of an access error while a READ is being answered, too (IBTA 11.6.3.2)', {}, () => {
    const p = pair();
    const from = p.b.regMr(200_000);
    const to = p.a.regMr(200_000);
    p.a.send(p.qa, {
      opcode: WrOpcode.RDMA_READ,
      sge: [sge(to, 0, 200_000)],
      remoteAddr: from.iova,
      rkey: from.rkey,
    });
    p.f.run(2.3);
    verbs.deregMr(from);
    p.f.run();
    assert.equal(p.a.poll(p.qa.sendCq)[0].status, WcStatus.REM_ACCESS_ERR);
    assert.deepEqual(
      p.b.events.map((e) => e.type),
      [EventType.QP_ACCESS_ERR],
    );
    p.f.close();
  });
});
