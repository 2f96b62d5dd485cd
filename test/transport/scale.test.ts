// A thousand connections between a hundred simulated nodes, all kinds of operations at once, one packet in a hundred lost.
import assert from 'node:assert/strict';
import { createHash, type Hash } from 'node:crypto';
import { it } from 'node:test';
import { QpType, WcStatus, WrOpcode } from '../../src/core/constants.ts';
import type { MemoryRegion } from '../../src/core/mr.ts';
import { Random } from '../../src/link/random.ts';
import type { SoftQp } from '../../src/transport/qp.ts';
import { ICRC_LEN } from '../../src/wire/icrc.ts';
import { OPF_ATOMIC, OPF_RETH, opcodeAtomicEthOff, opcodeFlags, opcodeRethOff } from '../../src/wire/opcodes.ts';
import { tap } from '../model/tap.ts';
import { connect, Fabric, fill, type Node, sge } from './fabric.ts';

type Region = MemoryRegion & { readonly bytes: Buffer };
interface End {
  readonly node: Node;
  readonly qp: SoftQp;
}
interface Job {
  readonly kind: 'send' | 'write' | 'read' | 'add';
  readonly size: number;
}
interface Connection {
  readonly ends: [End, End];
  readonly jobs: Job[];
  /** What is sent and written, where it arrives; what is read, and where that arrives. */
  readonly source: Region;
  readonly target: Region;
  readonly store: Region;
  readonly copy: Region;
  readonly counter: Region;
}

const KINDS = ['send', 'write', 'read', 'add'] as const;
const MOST = 6000;
const ADD_OF = (job: number): bigint => BigInt(job + 1);

/** RETH and AtomicETH have the key behind the address. */
const KEY_OFF = 8;

/** Hashes all packets sent, and when. Keys are drawn by the core from node:crypto, so they, and the ICRCs, are left out. */
function record(fabric: Fabric, hash: Hash): void {
  const scratch = Buffer.alloc(9000);
  tap(fabric.sim, (from, { buf, len }, departed) => {
    const size = len - ICRC_LEN;
    buf.copy(scratch, 0, 0, size);
    const opcode = buf[0];
    const key = opcodeFlags[opcode] & OPF_ATOMIC ? opcodeAtomicEthOff[opcode] : opcodeRethOff[opcode];
    if (opcodeFlags[opcode] & (OPF_RETH | OPF_ATOMIC)) scratch.fill(0, key + KEY_OFF, key + KEY_OFF + 4);
    hash.update(`${from.index} ${departed} `).update(scratch.subarray(0, size));
  });
}

function open(a: Node, b: Node, jobs: Job[], id: number, pathMtu: number): Connection {
  const cap = { maxSendWr: jobs.length, maxRecvWr: jobs.length };
  const cq = [a.createCq(64), b.createCq(64)];
  const ends: [End, End] = [
    { node: a, qp: a.createQp(QpType.RC, cq[0], cap) },
    { node: b, qp: b.createQp(QpType.RC, cq[1], cap) },
  ];
  connect(a, ends[0].qp, b, ends[1].qp, { pathMtu, timeout: 9, retryCnt: 7 });
  const room = jobs.length * MOST;
  return {
    ends,
    jobs,
    source: a.regMr(fill(Buffer.alloc(room), id)),
    target: b.regMr(room),
    store: b.regMr(fill(Buffer.alloc(room), ~id)),
    copy: a.regMr(room),
    counter: b.regMr(8),
  };
}

function post({ ends: [a, b], jobs, source, target, store, copy, counter }: Connection): void {
  for (const [i, { kind, size }] of jobs.entries()) {
    const at = i * MOST;
    const from = { wrId: i, sge: [sge(source, at, size)] };
    const back = { wrId: i, sge: [sge(copy, at, kind === 'add' ? 8 : size)] };
    if (kind === 'send') {
      b.node.recv(b.qp, { wrId: i, sge: [sge(target, at, MOST)] });
      a.node.send(a.qp, { ...from, opcode: WrOpcode.SEND });
    } else if (kind === 'write') {
      a.node.send(a.qp, { ...from, opcode: WrOpcode.RDMA_WRITE, remoteAddr: target.iova + at, rkey: target.rkey });
    } else if (kind === 'read') {
      a.node.send(a.qp, { ...back, opcode: WrOpcode.RDMA_READ, remoteAddr: store.iova + at, rkey: store.rkey });
    } else {
      const cell = { remoteAddr: counter.iova, rkey: counter.rkey, compareAdd: ADD_OF(i) };
      a.node.send(a.qp, { ...back, opcode: WrOpcode.ATOMIC_FETCH_AND_ADD, ...cell });
    }
  }
}

function verify({ ends: [a, b], jobs, source, target, store, copy, counter }: Connection): void {
  const expected = jobs.map((_, i) => [i, WcStatus.SUCCESS]);
  assert.deepEqual(
    a.node.poll(a.qp.sendCq).map((wc) => [wc.wrId, wc.status]),
    expected,
  );
  const arrived = b.node.poll(b.qp.recvCq).map((wc) => [wc.wrId, wc.status, wc.byteLen]);
  assert.deepEqual(
    arrived,
    jobs.flatMap(({ kind, size }, i) => (kind === 'send' ? [[i, WcStatus.SUCCESS, size]] : [])),
  );
  let sum = 0n;
  for (const [i, { kind, size }] of jobs.entries()) {
    const at = i * MOST;
    const [x, y] = kind === 'read' ? [store, copy] : [source, target];
    if (kind === 'add') {
      assert.equal(copy.bytes.readBigUInt64LE(at), sum);
      sum += ADD_OF(i);
    } else assert.ok(x.bytes.subarray(at, at + size).equals(y.bytes.subarray(at, at + size)), `${kind} ${i}`);
  }
  assert.equal(counter.bytes.readBigUInt64LE(0), sum);
}

function play(seed: number, nodeCount: number, qpPairs: number): { trace: string; lost: number } {
  const random = new Random(seed);
  const below = (n: number): number => Math.floor(random.float() * n);
  const fabric = new Fabric({ seed, loss: 0.01, jitterUs: 1 });
  const hash = createHash('sha256');
  record(fabric, hash);
  const nodes = Array.from({ length: nodeCount }, () => fabric.node());
  const connections = Array.from({ length: qpPairs }, (_, id) => {
    const a = below(nodeCount);
    const b = (a + 1 + below(nodeCount - 1)) % nodeCount;
    const jobs = Array.from({ length: 1 + below(8) }, () => ({ kind: KINDS[below(4)], size: below(MOST + 1) }));
    return open(nodes[a], nodes[b], jobs, id, 1 + below(5));
  });
  for (const connection of connections) post(connection);
  fabric.run(30_000_000);
  for (const connection of connections) verify(connection);
  const { lost } = fabric.sim.counters;
  fabric.close();
  return { trace: hash.digest('hex'), lost };
}

it('a thousand QPs between a hundred nodes, 1 % loss: all requests complete, every byte is right', () => {
  const { lost } = play(1, 100, 500);
  assert.ok(lost > 100, `${lost} packets lost`);
});

it('the same seed gives the same packets at the same times, another seed others', () => {
  const first = play(7, 20, 60).trace;
  assert.equal(play(7, 20, 60).trace, first);
  assert.notEqual(play(8, 20, 60).trace, first);
});
