// Memory regions: what registering grants, and to whom.
import { Access } from '../../core/constants.ts';
import { type Check, equal, fails, that } from '../check.ts';
import { ALL_ACCESS, type End, type Lab } from '../lab.ts';

const { LOCAL_WRITE, REMOTE_READ, REMOTE_WRITE, REMOTE_ATOMIC, ZERO_BASED } = Access;

/** What becomes of an operation of 8 bytes under these rights of the target. */
async function attempt(
  lab: Lab,
  access: number,
  opcode: string,
  change: (b: End) => object = () => ({}),
): Promise<string> {
  const [a, b] = await lab.pair('RC', {}, { access });
  await a.send({ opcode, sge: [a.sge(0, 8)], ...b.there(), compareAdd: '1', swap: '1', ...change(b) });
  const [status] = await a.statuses();
  await lab.a.reset();
  await lab.b.reset();
  return status;
}

export const memoryChecks: readonly Check[] = [
  {
    name: 'memory is registered with the rights asked for, and rights that contradict each other are refused',
    verbs: ['reg_user_mr', 'get_dma_mr', 'dereg_mr'],
    async run({ a }) {
      const pd = await a.allocPd();
      const [x, y] = [
        await a.regMr(pd, { length: 4096, access: LOCAL_WRITE | REMOTE_WRITE }),
        await a.regMr(pd, { length: 4096, access: 0, iova: 0x7000 }),
      ];
      that(x.lkey !== y.lkey && x.rkey !== y.rkey, 'two regions have one key');
      equal(y.addr, 0x7000, 'the address asked for');
      // 11.2.8.2 (Register Memory Region): remote writing needs local writing.
      for (const access of [REMOTE_WRITE, REMOTE_ATOMIC])
        await fails(a.regMr(pd, { length: 8, access }), 'EINVAL', `registering with rights ${access}`);
      await fails(a.regMr(pd, { length: 8, access: 1 << 15 }), 'EINVAL', 'registering with a right that is none');
      await a.destroy(x.mr);
      await fails(a.destroy(x.mr), ['ENOENT', 'EINVAL'], 'deregistering again');
      await a.destroy(y.mr);
    },
  },
  {
    name: 'a peer reaches what a region grants and nothing else',
    statements: ['C10-57'],
    verbs: ['reg_user_mr', 'post_send'],
    needs: ['RC'],
    async run(lab) {
      const cases: [right: number, opcode: string][] = [
        [LOCAL_WRITE | REMOTE_WRITE, 'RDMA_WRITE'],
        [REMOTE_READ, 'RDMA_READ'],
      ];
      for (const [access, opcode] of cases) {
        equal(await attempt(lab, access, opcode), 'SUCCESS', `${opcode} with the right`);
        const without = opcode === 'RDMA_READ' ? LOCAL_WRITE | REMOTE_WRITE : REMOTE_READ;
        equal(await attempt(lab, without, opcode), 'REM_ACCESS_ERR', `${opcode} without the right`);
      }
    },
  },
  {
    name: 'a key that is wrong, a range outside, a region of another protection domain, one that is deregistered: no access',
    statements: ['C10-56'],
    verbs: ['dereg_mr', 'post_send'],
    needs: ['RC'],
    async run(lab) {
      const refused = async (what: string, change: (b: End) => object): Promise<void> =>
        equal(await attempt(lab, ALL_ACCESS, 'RDMA_READ', change), 'REM_ACCESS_ERR', what);
      await refused('wrong key', (b) => ({ rkey: (b.region.rkey ^ 0x100) >>> 0 }));
      await refused('key with other low bits', (b) => ({ rkey: (b.region.rkey ^ 1) >>> 0 }));
      await refused('before the region', (b) => ({ remoteAddr: b.region.addr - 1 }));
      await refused('across its end', (b) => ({ remoteAddr: b.region.addr + b.region.length - 7 }));
      const [a, b] = await lab.pair('RC');
      const other = await lab.b.regMr(await lab.b.allocPd(), { length: 64, access: ALL_ACCESS });
      await a.send({ opcode: 'RDMA_READ', sge: [a.sge(0, 8)], remoteAddr: other.addr, rkey: other.rkey });
      equal(await a.statuses(), ['REM_ACCESS_ERR'], 'region of another protection domain');
      await lab.reconnect('RC', a, b);
      await lab.b.destroy(b.region.mr);
      await a.send({ opcode: 'RDMA_READ', sge: [a.sge(0, 8)], ...b.there() });
      equal(await a.statuses(), ['REM_ACCESS_ERR'], 'region that was deregistered');
    },
  },
  {
    name: 'a work request with an L_Key that does not reach its bytes fails, and ends the queue pair',
    verbs: ['post_send', 'poll_cq'],
    needs: ['RC'],
    async run(lab) {
      for (const change of [{ lkey: 1 }, { addr: 0 }, { length: (1 << 18) + 8 }]) {
        const [a, b] = await lab.pair('RC');
        await b.recv({ sge: [b.sge(0, 1 << 18), b.sge(0, 1 << 18)] });
        await a.send({ opcode: 'SEND', sge: [{ ...a.sge(0, 8), ...change }] });
        equal(await a.statuses(), ['LOC_PROT_ERR'], `SEND with ${JSON.stringify(change)}`);
        equal(await a.state(), 'ERR', 'state');
        await lab.a.reset();
        await lab.b.reset();
      }
    },
  },
  {
    name: 'a zero-based region is addressed from 0',
    verbs: ['reg_user_mr'],
    needs: ['RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC');
      const zero = await lab.b.regMr(b.pd, { length: 64, access: ALL_ACCESS | ZERO_BASED });
      equal(zero.addr, 0, 'its address');
      await lab.b.fill(zero.mr, 0, 64, 3);
      await a.send({ opcode: 'RDMA_READ', sge: [a.sge(0, 64)], remoteAddr: 0, rkey: zero.rkey });
      equal(await a.statuses(), ['SUCCESS'], 'READ');
      equal(await lab.a.bytes(a.region.mr, 0, 64), await lab.b.bytes(zero.mr, 0, 64), 'bytes');
    },
  },
  {
    name: 'a region is registered anew with other rights, another domain, other memory',
    verbs: ['rereg_user_mr'],
    needs: ['rereg-mr', 'RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC');
      const read = async (): Promise<string> => {
        await a.send({ opcode: 'RDMA_READ', sge: [a.sge(0, 8)], ...b.there() });
        const [status] = await a.statuses();
        if (status !== 'SUCCESS') await lab.reconnect('RC', a, b);
        return status;
      };
      equal(await read(), 'SUCCESS', 'as registered');
      await lab.b.reregMr(b.region.mr, { access: LOCAL_WRITE });
      equal(await read(), 'REM_ACCESS_ERR', 'without REMOTE_READ');
      await lab.b.reregMr(b.region.mr, { access: ALL_ACCESS });
      equal(await read(), 'SUCCESS', 'with REMOTE_READ again');
      const pd = await lab.b.allocPd();
      await lab.b.reregMr(b.region.mr, { pd });
      equal(await read(), 'REM_ACCESS_ERR', 'in another protection domain');
      await lab.b.reregMr(b.region.mr, { pd: b.pd, length: 16 });
      equal(await read(), 'SUCCESS', 'other memory');
      await fails(lab.b.reregMr(b.region.mr, { access: REMOTE_WRITE }), 'EINVAL', 'rights that contradict each other');
      equal(await read(), 'SUCCESS', 'as before the refusal');
    },
  },
];
