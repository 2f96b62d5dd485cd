// Memory windows.
import { Access } from '../../core/constants.ts';
import { type Check, equal, fails } from '../check.ts';
import { ALL_ACCESS, type End, type Lab } from '../lab.ts';
import type { Region } from '../side.ts';

interface BindCase {
  readonly type?: 1 | 2;
  readonly regionAccess?: number;
  readonly bindAccess?: number;
  readonly at?: number;
  readonly length?: number;
  readonly foreign?: 'region' | 'window';
  readonly twice?: boolean;
}

const WINDOW = 4096;
/** The next key of a window: its low eight bits are the consumer's to choose. */
const nextKey = (rkey: number): number => ((rkey & ~0xff) | ((rkey + 1) & 0xff)) >>> 0;

/** Posts a bind on a queue pair of its own; its status. */
async function bind(lab: Lab, o: BindCase): Promise<string> {
  const [a] = await lab.pair('RC');
  const other = await lab.a.allocPd();
  const access = o.regionAccess ?? ALL_ACCESS;
  const region = await lab.a.regMr(o.foreign === 'region' ? other : a.pd, { length: WINDOW, access });
  const { mw, rkey } = await lab.a.allocMw(o.foreign === 'window' ? other : a.pd, o.type ?? 2);
  let status = await post(a, region, mw, rkey, o, o.length ?? WINDOW);
  if (o.twice) status = await post(a, region, mw, nextKey(rkey), o, WINDOW);
  await lab.a.reset();
  await lab.b.reset();
  return status;
}

async function post(a: End, region: Region, mw: number, rkey: number, o: BindCase, length: number): Promise<string> {
  await a.send({
    opcode: 'BIND_MW',
    mw,
    rkey,
    bindMr: region.mr,
    bindAddr: region.addr + (o.at ?? 0),
    bindLength: length,
    bindAccess: o.bindAccess ?? Access.REMOTE_READ,
    bindRkey: nextKey(rkey),
  });
  return (await a.statuses())[0];
}

const type2 = (name: string, statements: readonly string[], o: BindCase, status = 'MW_BIND_ERR'): Check => ({
  name,
  statements,
  verbs: [],
  needs: o.type === 1 ? ['mw-type-1', 'RC'] : ['mw-type-2', 'RC'],
  async run(lab) {
    equal(await bind(lab, o), status, 'status of the bind');
  },
});

export const windowChecks: readonly Check[] = [
  {
    name: 'a window of type 1 is bound, reached, bound elsewhere, and deallocated; what was bound before is not reached',
    statements: ['C10-68', 'C10-76.2.1', 'C10-77'],
    verbs: ['alloc_mw', 'dealloc_mw', 'bind_mw'],
    needs: ['mw-type-1', 'RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC');
      const { mw } = await lab.b.allocMw(b.pd, 1);
      const keys: number[] = [];
      for (const offset of [0, 2048]) {
        const grant = { mr: b.region.mr, addr: b.region.addr + offset, length: 64, access: Access.REMOTE_READ };
        keys.push(await lab.b.bindMw(b.qp, mw, grant));
        equal((await b.sent())[0].status, 'SUCCESS', 'bind');
      }
      const reach = async (rkey: number, offset: number, opcode = 'RDMA_READ'): Promise<string> => {
        await a.send({ opcode, sge: [a.sge(0, 8)], remoteAddr: b.region.addr + offset, rkey });
        const [status] = await a.statuses();
        if (status !== 'SUCCESS') await lab.reconnect('RC', a, b);
        return status;
      };
      equal(await reach(keys[1], 2048), 'SUCCESS', 'new key, new range');
      equal(await reach(keys[0], 0), 'REM_ACCESS_ERR', 'old key, old range');
      equal(await reach(keys[0], 2048), 'REM_ACCESS_ERR', 'old key, new range');
      equal(await reach(keys[1], 0), 'REM_ACCESS_ERR', 'new key, old range');
      equal(await reach(keys[1], 2048, 'RDMA_WRITE'), 'REM_ACCESS_ERR', 'a right it was not bound with');
      await fails(lab.b.destroy(b.region.mr), 'EBUSY', 'deregistering a region with a window');
      await lab.b.destroy(mw);
      equal(await reach(keys[1], 2048), 'REM_ACCESS_ERR', 'a window that is gone');
      await lab.b.destroy(b.region.mr);
    },
  },
  {
    name: 'a window of type 2 is reached through the queue pair it is bound to, until it is invalidated',
    statements: ['o10-37.2.43'],
    verbs: ['alloc_mw', 'dealloc_mw'],
    needs: ['mw-type-2', 'RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC');
      const { mw, rkey } = await lab.b.allocMw(b.pd, 2);
      const key = nextKey(rkey);
      equal(await post(b, b.region, mw, rkey, {}, WINDOW), 'SUCCESS', 'bind');
      await a.send({ opcode: 'RDMA_READ', sge: [a.sge(0, 8)], remoteAddr: b.region.addr, rkey: key });
      equal(await a.statuses(), ['SUCCESS'], 'through the queue pair');
      await b.recv();
      await a.send({ opcode: 'SEND_WITH_INV', imm: key });
      equal(await a.statuses(), ['SUCCESS'], 'SEND with Invalidate');
      const [wc] = await b.received();
      equal([wc.flags & 8, wc.imm], [8, key], 'the key that was invalidated, in the completion');
      await a.send({ opcode: 'RDMA_READ', sge: [a.sge(0, 8)], remoteAddr: b.region.addr, rkey: key });
      equal(await a.statuses(), ['REM_ACCESS_ERR'], 'after it was invalidated');
    },
  },
  type2('a bind that keeps all rules succeeds', [], {}, 'SUCCESS'),
  type2('a window of another protection domain is not bound', ['C10-72'], { foreign: 'window' }),
  type2('a region of another protection domain is not bound to', ['C10-72'], { foreign: 'region' }),
  type2('a region without MW_BIND is not bound to', ['C10-73'], { regionAccess: ALL_ACCESS & ~Access.MW_BIND }),
  type2('no window that can be written, of a region that cannot', ['C10-74'], {
    regionAccess: Access.MW_BIND,
    bindAccess: Access.REMOTE_WRITE,
  }),
  type2('no window that ends behind its region', ['C10-75'], { at: 1 }),
  type2('no window of type 1 is zero-based', ['o10-36.2.2'], {
    type: 1,
    bindAccess: Access.REMOTE_READ | Access.ZERO_BASED,
  }),
  type2('a window of type 2 that is bound is not bound again', ['o10-37.2.30'], { twice: true }),
  type2('a window of type 1 may be bound again', [], { type: 1, twice: true }, 'SUCCESS'),
  type2('a window of type 2 is not unbound with length 0', ['o10-37.2.40'], { length: 0 }),
  {
    name: 'neither a region registered by a user nor a window of type 1 is invalidated',
    statements: ['o10-37.2.13', 'o10-37.2.26'],
    verbs: [],
    needs: ['mw-type-1', 'mw-type-2', 'RC'],
    async run(lab) {
      for (const kind of ['region', 'window'] as const) {
        const [a] = await lab.pair('RC');
        const key = kind === 'region' ? a.region.rkey : (await lab.a.allocMw(a.pd, 1)).rkey;
        await a.send({ opcode: 'LOCAL_INV', imm: key });
        equal(await a.statuses(), ['LOC_QP_OP_ERR'], `LOCAL_INV of a ${kind}`);
        await lab.a.reset();
        await lab.b.reset();
      }
    },
  },
];
