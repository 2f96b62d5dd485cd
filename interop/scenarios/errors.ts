// What goes wrong on purpose. A scenario tells what both ends came to see; two Linux peers among themselves say what is right.

import { PeerError } from '../peer/peer.ts';
import {
  Access,
  ALL,
  type Connected,
  type End,
  type Env,
  QKEY,
  type Region,
  region,
  type WireOptions,
  wire,
} from './end.ts';
import { udQp } from './operations.ts';

/** Of one end: completions as `wr:STATUS` in order, the QP's state afterwards, asynchronous events. */
export interface Seen {
  readonly completions: readonly string[];
  readonly state: string;
  readonly events: readonly number[];
}

export interface Observation {
  readonly a: Seen;
  readonly b: Seen;
  /** Bytes that must not be written were written. */
  readonly damage?: boolean;
  /** The request was not even posted. */
  readonly refused?: boolean;
}

export type ErrorScenario = (a: End, b: End, env: Env) => Promise<Observation>;

interface Prepared {
  readonly at: { readonly a: Region; readonly b: Region };
  readonly qps: Connected;
}

// An emulated CPU may be late by tens of milliseconds: 0.27 s are time enough.
const QUICK: WireOptions = { both: { timeout: 16, retry: 2, rnr: 2, min_rnr: 5 } };

/** Completions of receive requests, which are numbered from 101, behind those of sends: of two queues there is no order. */
const inQueues = (x: { wr: number }, y: { wr: number }): number => (x.wr > 100 ? 1 : 0) - (y.wr > 100 ? 1 : 0);

async function see(end: End, ms: number, qp: string): Promise<Seen> {
  const wcs = (await end.peer.poll(64, ms, 250)).sort(inQueues);
  const { events } = await end.peer.do<{ events: number[] }>('events', { ms: 50 });
  const { state } = await end.peer.do<{ state: string }>('state', { qp }).catch(() => ({ state: 'gone' }));
  return { completions: wcs.map(({ wr, status }) => `${wr}:${status}`), state, events };
}

async function outcome(a: End, b: End, qp = 'q'): Promise<Observation> {
  return { a: await see(a, 4000, qp), b: await see(b, 250, qp) };
}

interface Setup {
  readonly wire?: WireOptions;
  /** Rights of b's region; default all. */
  readonly access?: number;
  /** Receive requests at b: how many and how long. */
  readonly receives?: number;
  readonly room?: number;
}

async function prepare(a: End, b: End, env: Env, setup: Setup = {}): Promise<Prepared> {
  const at = { a: await region(a, 'm', 65536), b: await region(b, 'm', 65536, setup.access ?? ALL) };
  const qps = await wire(a, b, env, { ...QUICK, ...setup.wire });
  const { receives = 2, room = 32768 } = setup;
  for (let i = 0; i < receives; i++) await b.peer.do('recv', { qp: 'q', wr: 101 + i, mr: 'm', off: 0, len: room });
  await b.peer.do('fill', { mr: 'm', byte: 0xee });
  return { at, qps };
}

type Args = Record<string, string | number | bigint>;

/** Posts what must fail, and a SEND behind it. */
function fails(make: (p: Prepared, env: Env) => Args, setup: Setup = {}): ErrorScenario {
  return async (a, b, env) => {
    const prepared = await prepare(a, b, env, setup);
    const refused = await a.peer.do('send', { qp: 'q', wr: 1, mr: 'm', len: 8, ...make(prepared, env) }).then(
      () => false,
      (error) => error instanceof PeerError,
    );
    await a.peer.do('send', { qp: 'q', op: 'SEND', wr: 2, mr: 'm', len: 8 });
    return { ...(refused ? { refused } : {}), ...(await outcome(a, b)) };
  };
}

const remote = ({ at }: Prepared): Args => ({ raddr: at.b.addr, rkey: at.b.rkey });
const WRONG_KEY = 0x00abcd00;

const untouchedBehind: ErrorScenario = async (a, b, env) => {
  const { at } = await prepare(a, b, env);
  const part = await region(b, 'p', 4096);
  await a.peer.do('send', {
    qp: 'q',
    op: 'RDMA_WRITE',
    wr: 1,
    mr: 'm',
    len: 3 * env.mtu,
    raddr: part.addr + 4096 - env.mtu,
    rkey: part.rkey,
  });
  await a.peer.do('send', { qp: 'q', op: 'SEND', wr: 2, mr: 'm', len: 8 });
  const seen = await outcome(a, b);
  const { bad } = await b.peer.do<{ bad: number }>('check', { mr: 'm', byte: 0xee });
  return { ...seen, damage: bad !== -1 && at.b.addr !== part.addr };
};

/** b's queue pair is changed before a sends. */
function peerIs(change: (b: End) => Promise<unknown>): ErrorScenario {
  return async (a, b, env) => {
    await prepare(a, b, env);
    await change(b);
    await a.peer.do('send', { qp: 'q', op: 'SEND', wr: 1, mr: 'm', len: 8 });
    await a.peer.do('send', { qp: 'q', op: 'SEND', wr: 2, mr: 'm', len: 8 });
    return outcome(a, b);
  };
}

/** The receive request comes while the sender waits. */
const rnrRecovers: ErrorScenario = async (a, b, env) => {
  await prepare(a, b, env, { receives: 0, wire: { both: { timeout: 14, retry: 2, rnr: 7, min_rnr: 20 } } });
  await a.peer.do('send', { qp: 'q', op: 'SEND', wr: 1, mr: 'm', len: 2 * env.mtu });
  await new Promise((resolve) => setTimeout(resolve, 100));
  await b.peer.do('recv', { qp: 'q', wr: 101, mr: 'm' });
  return outcome(a, b);
};

const badQkey: ErrorScenario = async (a, b) => {
  await region(a, 'm', 4096);
  await region(b, 'm', 4096);
  await udQp(a, 'q');
  const { qpn } = await udQp(b, 'q');
  await a.peer.do('ah', { name: 'ah', gid: b.gid, sgid: a.sgid });
  await b.peer.do('recv', { qp: 'q', wr: 101, mr: 'm' });
  await a.peer.do('send', { qp: 'q', wr: 1, mr: 'm', len: 8, ah: 'ah', rqpn: qpn, rqkey: QKEY ^ 0xff });
  return outcome(a, b);
};

/** A datagram longer than the receive request has room for, then one that fits. */
const udTooLong: ErrorScenario = async (a, b) => {
  await region(a, 'm', 4096);
  await region(b, 'm', 4096);
  await udQp(a, 'q');
  const { qpn } = await udQp(b, 'q');
  await a.peer.do('ah', { name: 'ah', gid: b.gid, sgid: a.sgid });
  await b.peer.do('recv', { qp: 'q', wr: 101, mr: 'm', len: 100 });
  await b.peer.do('recv', { qp: 'q', wr: 102, mr: 'm', len: 100 });
  for (const [i, len] of [61, 60].entries())
    await a.peer.do('send', { qp: 'q', wr: 1 + i, mr: 'm', len, ah: 'ah', rqpn: qpn });
  return outcome(a, b);
};

/** UC tells the sender nothing, whatever becomes of it; then a SEND that is right. */
function ucSilent(make: (p: Prepared, env: Env) => Args, setup: Setup = {}): ErrorScenario {
  return fails(make, { ...setup, wire: { type: 'UC', access: setup.wire?.access } });
}

const windowGone: ErrorScenario = async (a, b, env) => {
  const { at } = await prepare(a, b, env);
  await b.peer.do('mw', { name: 'w', type: 2 });
  const { rkey } = await b.peer.do<Region>('bind', { qp: 'q', mw: 'w', mr: 'm', access: 2, wr: 9 });
  await b.peer.done();
  await b.peer.do('send', { qp: 'q', op: 'LOCAL_INV', wr: 10, inv: rkey });
  await b.peer.done();
  await a.peer.do('send', { qp: 'q', op: 'RDMA_WRITE', wr: 1, mr: 'm', len: 8, raddr: at.b.addr, rkey });
  return outcome(a, b);
};

/** The region has the room, the window has not. */
const beyondWindow: ErrorScenario = async (a, b, env) => {
  const { at } = await prepare(a, b, env);
  await b.peer.do('mw', { name: 'w', type: 2 });
  const { rkey } = await b.peer.do<Region>('bind', { qp: 'q', mw: 'w', mr: 'm', len: 64, access: 2, wr: 9 });
  await b.peer.done();
  await a.peer.do('send', { qp: 'q', op: 'RDMA_WRITE', wr: 1, mr: 'm', len: 65, raddr: at.b.addr, rkey });
  return outcome(a, b);
};

export const ERRORS: Readonly<Record<string, ErrorScenario>> = {
  'RNR until retries run out, SEND': fails(() => ({ op: 'SEND' }), { receives: 0 }),
  'RNR until retries run out, WRITE with immediate': fails(
    (p) => ({ op: 'RDMA_WRITE_WITH_IMM', ...remote(p), imm: 1 }),
    { receives: 0 },
  ),
  'RNR, then a receive request': rnrRecovers,
  'WRITE, wrong rkey': fails((p) => ({ op: 'RDMA_WRITE', ...remote(p), rkey: WRONG_KEY })),
  'READ, wrong rkey': fails((p) => ({ op: 'RDMA_READ', ...remote(p), rkey: WRONG_KEY })),
  'FETCH_ADD, wrong rkey': fails((p) => ({ op: 'ATOMIC_FETCH_AND_ADD', ...remote(p), rkey: WRONG_KEY })),
  'WRITE of 0 bytes, wrong rkey': fails((p) => ({ op: 'RDMA_WRITE', ...remote(p), rkey: WRONG_KEY, len: 0 })),
  'READ of 0 bytes, wrong rkey': fails((p) => ({ op: 'RDMA_READ', ...remote(p), rkey: WRONG_KEY, len: 0 })),
  'WRITE out of bounds, several packets': untouchedBehind,
  'WRITE before the region': fails((p) => ({ op: 'RDMA_WRITE', ...remote(p), raddr: p.at.b.addr - 4 })),
  'READ out of bounds': fails((p, { mtu }) => ({
    op: 'RDMA_READ',
    ...remote(p),
    raddr: p.at.b.addr + 65536 - mtu,
    len: 2 * mtu,
  })),
  'WRITE, region without the right': fails((p) => ({ op: 'RDMA_WRITE', ...remote(p) }), {
    access: Access.LOCAL_WRITE | Access.REMOTE_READ,
  }),
  'READ, region without the right': fails((p) => ({ op: 'RDMA_READ', ...remote(p) }), { access: Access.LOCAL_WRITE }),
  'CMP_SWAP, region without the right': fails((p) => ({ op: 'ATOMIC_CMP_AND_SWP', ...remote(p) }), { access: 7 }),
  'WRITE, QP without the right': fails((p) => ({ op: 'RDMA_WRITE', ...remote(p) }), { wire: { access: 4 } }),
  'READ, QP without the right': fails((p) => ({ op: 'RDMA_READ', ...remote(p) }), { wire: { access: 2 } }),
  'FETCH_ADD, QP without the right': fails((p) => ({ op: 'ATOMIC_FETCH_AND_ADD', ...remote(p) }), {
    wire: { access: 6 },
  }),
  'FETCH_ADD, address not a multiple of 8': fails((p) => ({
    op: 'ATOMIC_FETCH_AND_ADD',
    ...remote(p),
    raddr: p.at.b.addr + 4,
  })),
  'SEND longer than the receive buffer, one packet': fails(() => ({ op: 'SEND', len: 101 }), { room: 100 }),
  'SEND longer than the receive buffer, several packets': fails((_, { mtu }) => ({ op: 'SEND', len: 4 * mtu }), {
    room: 2500,
  }),
  'SEND with invalidate, wrong rkey': fails(() => ({ op: 'SEND_WITH_INV', inv: WRONG_KEY })),
  'SEND with invalidate of a region': fails(({ at }) => ({ op: 'SEND_WITH_INV', inv: at.b.rkey })),
  'WRITE, window invalidated': windowGone,
  'WRITE beyond the window': beyondWindow,
  'SEND, wrong lkey': fails(() => ({ op: 'SEND', lkey: WRONG_KEY })),
  'SEND, beyond the region': fails(() => ({ op: 'SEND', off: 65530, len: 100 })),
  'READ into a region without LOCAL_WRITE': async (a, b, env) => {
    const { at } = await prepare(a, b, env);
    await region(a, 'r', 4096, 0);
    await a.peer.do('send', { qp: 'q', op: 'RDMA_READ', wr: 1, mr: 'r', len: 8, raddr: at.b.addr, rkey: at.b.rkey });
    return outcome(a, b);
  },
  'receive into a region without LOCAL_WRITE': async (a, b, env) => {
    await prepare(a, b, env, { receives: 0 });
    await region(b, 'r', 4096, 0);
    await b.peer.do('recv', { qp: 'q', wr: 101, mr: 'r' });
    await b.peer.do('recv', { qp: 'q', wr: 102, mr: 'm' });
    await a.peer.do('send', { qp: 'q', op: 'SEND', wr: 1, mr: 'm', len: 8 });
    await a.peer.do('send', { qp: 'q', op: 'SEND', wr: 2, mr: 'm', len: 8 });
    return outcome(a, b);
  },
  'peer QP in ERR': peerIs((b) => b.peer.do('state', { qp: 'q', to: 'ERR' })),
  'peer QP in RESET': peerIs((b) => b.peer.do('state', { qp: 'q', to: 'RESET' })),
  'peer QP destroyed': peerIs((b) => b.peer.do('destroy', { qp: 'q' })),
  'own QP to ERR while requests wait': async (a, b, env) => {
    await prepare(a, b, env, { receives: 0, wire: { both: { timeout: 14, retry: 7, rnr: 7, min_rnr: 26 } } });
    await a.peer.do('recv', { qp: 'q', wr: 201, mr: 'm' });
    await a.peer.do('send', { qp: 'q', op: 'SEND', wr: 1, mr: 'm', len: 8, count: 3 });
    await a.peer.do('state', { qp: 'q', to: 'ERR' });
    return outcome(a, b);
  },
  'UD, wrong Q_Key': badQkey,
  'UD, datagram longer than the receive buffer': udTooLong,
  'UC WRITE, wrong rkey': ucSilent((p) => ({ op: 'RDMA_WRITE', ...remote(p), rkey: WRONG_KEY })),
  'UC WRITE, QP without the right': ucSilent((p) => ({ op: 'RDMA_WRITE', ...remote(p) }), { wire: { access: 0 } }),
  'UC SEND longer than the receive buffer': ucSilent((_, { mtu }) => ({ op: 'SEND', len: 4 * mtu }), { room: 2500 }),
  'UC SEND, no receive request': ucSilent(() => ({ op: 'SEND' }), { receives: 0 }),
};
