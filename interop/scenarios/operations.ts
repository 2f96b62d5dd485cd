// Every operation of RC, UC and UD, at the sizes where programs go wrong.
import { type End, type Env, equal, expect, QKEY, type Region, region, type Scenario, wire } from './end.ts';

const MIB = 1 << 20;
const GUARD = 64;
const ROOM = MIB + 8192;
const IMM = 0x8badf00d;

export const sizes = ({ mtu }: Env): number[] => [0, 1, mtu - 1, mtu, mtu + 1, MIB];

/** Both ends have a region `m` of room for the largest message. */
async function regions(a: End, b: End): Promise<{ a: Region; b: Region }> {
  return { a: await region(a, 'm', ROOM), b: await region(b, 'm', ROOM) };
}

/** What is about to be written is 0xee before, and so is what lies behind it. */
const clear = (end: End, len: number): Promise<unknown> =>
  end.peer.do('fill', { mr: 'm', off: 0, len: len + GUARD, byte: 0xee });

async function arrived(end: End, len: number, seed: number): Promise<void> {
  await end.peer.check('m', 0, len, seed);
  await end.peer.untouched('m', len, GUARD);
}

function sendOf(type: 'RC' | 'UC', imm: boolean): Scenario {
  return async (a, b, env) => {
    await regions(a, b);
    await wire(a, b, env, { type });
    for (const [i, len] of sizes(env).entries()) {
      await a.peer.fill('m', 0, len, i);
      await clear(b, len);
      await b.peer.do('recv', { qp: 'q', wr: 100 + i, mr: 'm', len: Math.max(len, 1) });
      await a.peer.do('send', {
        qp: 'q',
        op: imm ? 'SEND_WITH_IMM' : 'SEND',
        wr: i,
        mr: 'm',
        len,
        imm: imm ? IMM + i : undefined,
      });
      const [sent] = await a.peer.done();
      const [got] = await b.peer.done();
      equal([sent.wr, sent.opcode], [i, 'SEND'], 'sent');
      equal(
        [got.wr, got.opcode, got.len, got.imm],
        [100 + i, 'RECV', len, imm ? IMM + i : undefined],
        `received, ${len} bytes`,
      );
      await arrived(b, len, i);
    }
  };
}

function writeOf(type: 'RC' | 'UC', imm: boolean): Scenario {
  return async (a, b, env) => {
    const at = await regions(a, b);
    await wire(a, b, env, { type });
    for (const [i, len] of sizes(env).entries()) {
      await a.peer.fill('m', 0, len, i);
      await clear(b, len);
      // A receive request without room: the immediate takes none.
      if (imm) await b.peer.do('recv', { qp: 'q', wr: 100 + i });
      const op = imm ? 'RDMA_WRITE_WITH_IMM' : 'RDMA_WRITE';
      await a.peer.do('send', {
        qp: 'q',
        op,
        wr: i,
        mr: 'm',
        len,
        raddr: at.b.addr,
        rkey: at.b.rkey,
        imm: imm ? i : undefined,
      });
      const [sent] = await a.peer.done();
      equal([sent.wr, sent.opcode], [i, 'RDMA_WRITE'], 'written');
      if (imm) {
        const [got] = await b.peer.done();
        const expected = [100 + i, 'RECV_RDMA_WITH_IMM', len, i];
        equal([got.wr, got.opcode, got.len, got.imm], expected, `received, ${len} bytes`);
      } else if (type === 'UC') {
        // Nothing tells that it has arrived; what follows it does.
        await b.peer.do('recv', { qp: 'q', wr: 100 + i });
        await a.peer.do('send', { qp: 'q', op: 'SEND', wr: i });
        await a.peer.done();
        await b.peer.done();
      }
      await arrived(b, len, i);
    }
  };
}

const read: Scenario = async (a, b, env) => {
  const at = await regions(a, b);
  await wire(a, b, env);
  for (const [i, len] of sizes(env).entries()) {
    await b.peer.fill('m', 0, len, i);
    await clear(a, len);
    await a.peer.do('send', { qp: 'q', op: 'RDMA_READ', wr: i, mr: 'm', len, raddr: at.b.addr, rkey: at.b.rkey });
    const [got] = await a.peer.done();
    equal([got.wr, got.opcode, got.len], [i, 'RDMA_READ', len], 'read');
    await arrived(a, len, i);
  }
  // Several at once, which must not mix.
  const len = 3 * env.mtu + 1;
  await b.peer.fill('m', 0, 16 * len, 77);
  await clear(a, 16 * len);
  await a.peer.do('send', {
    qp: 'q',
    op: 'RDMA_READ',
    wr: 50,
    mr: 'm',
    len,
    raddr: at.b.addr,
    rkey: at.b.rkey,
    count: 16,
    step: len,
  });
  await a.peer.done(16);
  await arrived(a, 16 * len, 77);
};

const fetchAdd: Scenario = async (a, b, env) => {
  const at = await regions(a, b);
  await wire(a, b, env);
  const start = 0xfffffffffffffff0n;
  await b.peer.word('m', 8, start);
  for (let i = 0; i < 8; i++) {
    const before = BigInt.asUintN(64, start + BigInt(i) * 0x100000003n);
    const wr = { mr: 'm', off: 64, len: 8, raddr: at.b.addr + 8, rkey: at.b.rkey };
    await a.peer.do('send', { qp: 'q', op: 'ATOMIC_FETCH_AND_ADD', wr: i, ...wr, compare: 0x100000003 });
    const [got] = await a.peer.done();
    equal([got.wr, got.opcode, got.len], [i, 'FETCH_ADD', 8], 'completion');
    expect((await a.peer.word('m', 64)) === before, `the value before addition ${i} is not ${before}`);
    expect((await b.peer.word('m', 8)) === BigInt.asUintN(64, before + 0x100000003n), `the sum ${i} is wrong`);
  }
};

const cmpSwap: Scenario = async (a, b, env) => {
  const at = await regions(a, b);
  await wire(a, b, env);
  let value = 0x0123456789abcdefn;
  await b.peer.word('m', 16, value);
  for (const [i, compare] of [value, 5n, 0xfedcba9876543210n].entries()) {
    const swap = 0xfedcba9876543210n + BigInt(i);
    const wr = { mr: 'm', off: 64, len: 8, raddr: at.b.addr + 16, rkey: at.b.rkey };
    await a.peer.do('send', { qp: 'q', op: 'ATOMIC_CMP_AND_SWP', wr: i, ...wr, compare, swap });
    const [got] = await a.peer.done();
    equal([got.wr, got.opcode, got.len], [i, 'COMP_SWAP', 8], 'completion');
    expect((await a.peer.word('m', 64)) === value, `the value before swap ${i} is not ${value}`);
    if (compare === value) value = swap;
    expect((await b.peer.word('m', 16)) === value, `the value after swap ${i} is not ${value}`);
  }
};

/** A window of type 2 is bound by b, written through by a, invalidated by a's SEND, and then closed. */
const sendInvalidate: Scenario = async (a, b, env) => {
  const at = await regions(a, b);
  await wire(a, b, env);
  await b.peer.do('mw', { name: 'w', type: 2 });
  const { rkey } = await b.peer.do<Region>('bind', {
    qp: 'q',
    mw: 'w',
    mr: 'm',
    off: 4096,
    len: 12288,
    access: 6,
    wr: 9,
  });
  const [bound] = await b.peer.done();
  equal([bound.wr, bound.opcode], [9, 'BIND_MW'], 'bind');
  const len = 2 * env.mtu + 5;
  await a.peer.fill('m', 0, len, 3);
  await a.peer.do('send', { qp: 'q', op: 'RDMA_WRITE', wr: 1, mr: 'm', len, raddr: at.b.addr + 4096, rkey });
  await a.peer.done();
  await b.peer.check('m', 4096, len, 3);
  await b.peer.do('recv', { qp: 'q', wr: 100, mr: 'm', off: 65536, len });
  await a.peer.do('send', { qp: 'q', op: 'SEND_WITH_INV', wr: 2, mr: 'm', len, inv: rkey });
  await a.peer.done();
  const [got] = await b.peer.done();
  equal([got.opcode, got.len, got.inv], ['RECV', len, rkey], 'receive');
  await b.peer.check('m', 65536, len, 3);
  await a.peer.do('send', { qp: 'q', op: 'RDMA_WRITE', wr: 3, mr: 'm', len: 8, raddr: at.b.addr + 4096, rkey });
  const [refused] = await a.peer.poll(1);
  equal([refused?.wr, refused?.status], [3, 'REM_ACCESS_ERR'], 'a WRITE through the window that was invalidated');
};

/** A window of type 1: bound, used, bound anew elsewhere, the old key refused. */
const windowType1: Scenario = async (a, b, env) => {
  const at = await regions(a, b);
  await wire(a, b, env);
  await b.peer.do('mw', { name: 'w', type: 1 });
  const write = async (rkey: number, off: number): Promise<string | undefined> => {
    await a.peer.do('send', { qp: 'q', op: 'RDMA_WRITE', wr: off, mr: 'm', len: 100, raddr: at.b.addr + off, rkey });
    return (await a.peer.poll(1))[0]?.status;
  };
  await a.peer.fill('m', 0, 100, 5);
  const bind = async (off: number): Promise<number> => {
    const { rkey } = await b.peer.do<Region>('bind', { qp: 'q', mw: 'w', mr: 'm', off, len: 200, access: 2, wr: off });
    await b.peer.done();
    return rkey;
  };
  const first = await bind(1024);
  equal(await write(first, 1024), 'SUCCESS', 'WRITE through the window');
  await b.peer.check('m', 1024, 100, 5);
  const second = await bind(4096);
  equal(await write(second, 4096), 'SUCCESS', 'WRITE through the window bound anew');
  await b.peer.check('m', 4096, 100, 5);
  equal(await write(first, 1024), 'REM_ACCESS_ERR', 'WRITE with the old key');
};

const inline: Scenario = async (a, b, env) => {
  const at = await regions(a, b);
  await wire(a, b, env);
  for (const [i, len] of [0, 1, 3, 64, 128].entries()) {
    await a.peer.fill('m', 0, len, i);
    await clear(b, len);
    await b.peer.do('recv', { qp: 'q', wr: 100, mr: 'm', len: Math.max(len, 1) });
    await a.peer.do('send', { qp: 'q', op: 'SEND', wr: 1, mr: 'm', len, inline: 1 });
    // The bytes are the device's already.
    await a.peer.do('fill', { mr: 'm', len: len + 1, byte: 0 });
    await a.peer.done();
    equal((await b.peer.done())[0].len, len, 'length');
    await arrived(b, len, i);
    await a.peer.fill('m', 0, len, i + 50);
    await a.peer.do('send', {
      qp: 'q',
      op: 'RDMA_WRITE',
      wr: 2,
      mr: 'm',
      len,
      inline: 1,
      raddr: at.b.addr,
      rkey: at.b.rkey,
    });
    await a.peer.done();
    await arrived(b, len, i + 50);
  }
};

/** Two scatter/gather elements at both ends, cut at odd places. */
const scatter: Scenario = async (a, b, env) => {
  await regions(a, b);
  await wire(a, b, env);
  const len = 2 * env.mtu + 3;
  for (const cut of [1, env.mtu - 1, env.mtu + 1]) {
    await a.peer.fill('m', 0, len, cut);
    await b.peer.do('fill', { mr: 'm', len: 65536, byte: 0xee });
    await b.peer.do('recv', { qp: 'q', wr: 1, mr: 'm', off: 0, len: len - cut, mr2: 'm', off2: len - cut, len2: cut });
    await a.peer.do('send', {
      qp: 'q',
      op: 'SEND',
      wr: 2,
      mr: 'm',
      off: 0,
      len: cut,
      mr2: 'm',
      off2: cut,
      len2: len - cut,
    });
    await a.peer.done();
    equal((await b.peer.done())[0].len, len, 'length');
    await arrived(b, len, cut);
  }
};

/** Many requests of all kinds posted at once; the fence makes the SEND carry what the READ before it has brought. */
const many: Scenario = async (a, b, env) => {
  const at = await regions(a, b);
  await wire(a, b, env);
  const len = env.mtu + 100;
  await a.peer.fill('m', 0, 64 * len, 1);
  await b.peer.fill('m', 600_000, len, 2);
  await b.peer.do('recv', { qp: 'q', wr: 100, mr: 'm', off: 500_000, len: 2 * len, count: 21 });
  const remote = { raddr: at.b.addr, rkey: at.b.rkey };
  await a.peer.do('send', { qp: 'q', op: 'RDMA_WRITE', wr: 0, mr: 'm', len, ...remote, count: 64, step: len });
  await a.peer.do('send', { qp: 'q', op: 'SEND', wr: 100, mr: 'm', len, count: 20 });
  await a.peer.do('send', {
    qp: 'q',
    op: 'RDMA_READ',
    wr: 200,
    mr: 'm',
    off: 700_000,
    len,
    raddr: at.b.addr + 600_000,
    rkey: at.b.rkey,
  });
  await a.peer.do('send', {
    qp: 'q',
    op: 'SEND_WITH_IMM',
    wr: 300,
    mr: 'm',
    off: 700_000,
    len,
    imm: 4,
    fence: 1,
    solicited: 1,
  });
  const order = (await a.peer.done(86)).map(({ wr }) => wr);
  equal(
    order,
    [...order].sort((x, y) => x - y),
    'order of completions',
  );
  const got = await b.peer.done(21);
  equal(
    got.map(({ wr }) => wr),
    Array.from({ length: 21 }, (_, i) => 100 + i),
    'order of receives',
  );
  equal(got[20].imm, 4, 'immediate');
  await b.peer.check('m', 500_000, len, 2);
  await b.peer.check('m', 0, 64 * len, 1);
};

/** Both send to each other at once, 1 MiB in each direction. */
const bothWays: Scenario = async (a, b, env) => {
  await regions(a, b);
  await wire(a, b, env);
  const len = 65536;
  for (const end of [a, b]) {
    await end.peer.fill('m', 0, 8 * len, end === a ? 1 : 2);
    for (let i = 0; i < 8; i++) await end.peer.do('recv', { qp: 'q', wr: 100 + i, mr: 'm', off: (8 + i) * len, len });
  }
  await Promise.all(
    [a, b].map((end) => end.peer.do('send', { qp: 'q', op: 'SEND', wr: 0, mr: 'm', len, count: 8, step: len })),
  );
  for (const end of [a, b]) await end.peer.done(16);
  for (const end of [a, b]) await end.peer.check('m', 8 * len, 8 * len, end === a ? 2 : 1);
};

const srq: Scenario = async (a, b, env) => {
  await regions(a, b);
  await b.peer.do('srq', { name: 's' });
  const qpns: number[] = [];
  for (const name of ['q1', 'q2', 'q3']) qpns.push((await wire(a, b, env, { name, qpB: { srq: 's' } })).b.qpn);
  const len = env.mtu + 1;
  await a.peer.fill('m', 0, len, 9);
  await b.peer.do('recv', { srq: 's', wr: 0, mr: 'm', off: 0, len: 4096 + len, count: 6 });
  await b.peer.do('arm', { srq: 's', limit: 2 });
  for (let i = 0; i < 6; i++) {
    await b.peer.do('fill', { mr: 'm', len: len + GUARD, byte: 0xee });
    await a.peer.do('send', { qp: `q${(i % 3) + 1}`, op: 'SEND_WITH_IMM', wr: i, mr: 'm', len, imm: i });
    await a.peer.done();
    const [got] = await b.peer.done();
    equal([got.wr, got.qpn, got.len, got.imm], [i, qpns[i % 3], len, i], 'receive');
    await arrived(b, len, 9);
  }
  equal(await b.peer.do('events', { ms: 500 }), { events: [15] }, 'events (SRQ_LIMIT_REACHED)');
};

const GRH = 40;

/** UD: unicast of all sizes that a datagram can have, with and without immediate; a wrong Q_Key brings nothing. */
const datagram: Scenario = async (a, b, env) => {
  await regions(a, b);
  const [qa, qb] = [await udQp(a), await udQp(b)];
  await a.peer.do('ah', { name: 'ah', gid: b.gid, sgid: a.sgid });
  for (const [i, len] of [0, 1, 255, env.mtu - 1, env.mtu].entries()) {
    for (const imm of [undefined, 0xfffffff0 + i]) {
      await a.peer.fill('m', 0, len, i);
      await clear(b, len + GRH);
      await b.peer.do('recv', { qp: 'u', wr: 100 + i, mr: 'm', len: len + GRH });
      const op = imm === undefined ? 'SEND' : 'SEND_WITH_IMM';
      const to = { ah: 'ah', rqpn: qb.qpn };
      // What has the wrong key comes first, and is not taken.
      await a.peer.do('send', { qp: 'u', op, wr: 1, mr: 'm', len, imm, ...to, rqkey: QKEY + 1 });
      await a.peer.do('send', { qp: 'u', op, wr: 2, mr: 'm', len, imm, ...to });
      await a.peer.done(2);
      const [got] = await b.peer.done();
      const expected = [100 + i, 'RECV', len + GRH, imm, qa.qpn];
      equal([got.wr, got.opcode, got.len, got.imm, got.srcQp], expected, `datagram of ${len} bytes`);
      await b.peer.check('m', GRH, len, i);
      await b.peer.untouched('m', GRH + len, GUARD);
    }
  }
};

export function udQp(end: End, name = 'u'): Promise<{ qpn: number }> {
  return end.peer.do<{ qpn: number }>('qp', { name, type: 'UD' }).then(async (qp) => {
    await end.peer.do('init', { qp: name, qkey: QKEY });
    await end.peer.do('connect', { qp: name });
    return qp;
  });
}

const multicast: Scenario = async (a, b, env) => {
  await regions(a, b);
  const qa = await udQp(a);
  await udQp(b);
  const group = env.family === 4 ? '::ffff:239.77.0.9' : 'ff15::7709';
  await b.peer.do('mcast', { qp: 'u', gid: group });
  await a.peer.do('ah', { name: 'ah', gid: group, sgid: a.sgid });
  for (const [i, len] of [1, env.mtu].entries()) {
    await a.peer.fill('m', 0, len, i);
    await clear(b, len + GRH);
    await b.peer.do('recv', { qp: 'u', wr: i, mr: 'm', len: len + GRH });
    await a.peer.do('send', { qp: 'u', op: 'SEND_WITH_IMM', wr: i, mr: 'm', len, imm: i, ah: 'ah', rqpn: 0xffffff });
    await a.peer.done();
    const [got] = await b.peer.done();
    equal([got.wr, got.len, got.imm, got.srcQp], [i, len + GRH, i, qa.qpn], 'datagram');
    await b.peer.check('m', GRH, len, i);
  }
  await b.peer.do('mcast', { qp: 'u', gid: group, leave: 1 });
  await b.peer.do('recv', { qp: 'u', wr: 9, mr: 'm', len: 4096 });
  await a.peer.do('send', { qp: 'u', op: 'SEND', wr: 9, mr: 'm', len: 5, ah: 'ah', rqpn: 0xffffff });
  await a.peer.done();
  equal((await b.peer.poll(1, 200)).length, 0, 'datagrams after leaving');
};

export const OPERATIONS: Readonly<Record<string, Scenario>> = {
  'RC SEND': sendOf('RC', false),
  'RC SEND with immediate': sendOf('RC', true),
  'RC WRITE': writeOf('RC', false),
  'RC WRITE with immediate': writeOf('RC', true),
  'RC READ': read,
  'RC FETCH_ADD': fetchAdd,
  'RC CMP_SWAP': cmpSwap,
  'RC SEND with invalidate, window type 2': sendInvalidate,
  'RC window type 1': windowType1,
  'RC inline': inline,
  'RC scatter/gather': scatter,
  'RC many at once, fence': many,
  'RC both ways at once': bothWays,
  'RC SRQ': srq,
  'UC SEND': sendOf('UC', false),
  'UC SEND with immediate': sendOf('UC', true),
  'UC WRITE': writeOf('UC', false),
  'UC WRITE with immediate': writeOf('UC', true),
  'UD SEND, with immediate': datagram,
  'UD multicast': multicast,
};
