// Unreliable connections, datagrams, address handles and multicast.
import { type Check, equal, fails, that } from '../check.ts';
import { type End, type Lab, NEVER_US, QKEY, way } from '../lab.ts';
import type { Facts, Hex, SendRequest } from '../side.ts';

const GRH = 40;

async function ahTo(from: End, to: Facts): Promise<number> {
  return from.side.createAh(from.pd, way(to));
}

/** Two UD queue pairs, and a request from the first to the second. */
async function datagrams(
  lab: Lab,
): Promise<{ a: End; b: End; to: Pick<SendRequest, 'ah' | 'remoteQpn' | 'remoteQkey'> }> {
  const [a, b] = await lab.pair('UD');
  return { a, b, to: { ah: await ahTo(a, b.facts), remoteQpn: b.qpn, remoteQkey: QKEY } };
}

/** A multicast group of the kind of address that the device has: IPv4 mapped, or IPv6 of transient, site-local scope. */
export function groupOf({ gid, port }: Facts): { gid: Hex; lid: number } {
  const mapped = gid.startsWith('00000000000000000000ffff');
  const group = mapped ? '00000000000000000000ffffef0104d3' : 'ff15000000000000000000000000c0de';
  return { gid: group, lid: port.linkLayer === 1 ? 0xc0de : 0 };
}

export const unreliableChecks: readonly Check[] = [
  {
    name: 'UC: SEND and WRITE deliver messages of any length; what cannot be received is dropped, and the sender not told',
    verbs: ['post_send', 'post_recv', 'poll_cq'],
    needs: ['UC'],
    async run(lab) {
      const [a, b] = await lab.pair('UC');
      await lab.a.fill(a.region.mr, 0, 8192, 5);
      await b.recv({ sge: [b.sge(0, 8192)] });
      await a.send({ opcode: 'SEND', sge: [a.sge(0, 3000)] });
      equal((await b.received())[0].byteLen, 3000, 'SEND');
      await b.recv();
      await a.send({ opcode: 'RDMA_WRITE_WITH_IMM', imm: 77, sge: [a.sge(0, 5000)], ...b.there(16384) });
      equal((await b.received())[0].imm, 77, 'WRITE with immediate');
      for (const [offset, length] of [
        [0, 3000],
        [16384, 5000],
      ] as const) {
        const [from, to] = [await lab.a.bytes(a.region.mr, 0, length), await lab.b.bytes(b.region.mr, offset, length)];
        that(from === to, `the ${length} bytes that arrived are not those that were sent`);
      }
      await a.send({ opcode: 'SEND' });
      equal(await a.statuses(3), ['SUCCESS', 'SUCCESS', 'SUCCESS'], 'also without a receive request');
      await lab.b.wait(NEVER_US);
      await b.recv({ wrId: 4 });
      equal(await b.quiet(), [], 'what was sent too early');
      await a.send({ opcode: 'SEND' });
      equal((await b.received())[0].wrId, 4, 'and the queue pair goes on');
    },
  },
  {
    name: 'UD: a datagram arrives behind 40 bytes of route header, and tells who sent it',
    verbs: ['create_ah', 'destroy_ah', 'post_send', 'post_recv'],
    needs: ['UD'],
    async run(lab) {
      const { a, b, to } = await datagrams(lab);
      await lab.a.fill(a.region.mr, 0, 1024, 6);
      await b.recv({ sge: [b.sge(0, 2048)] });
      await a.send({ opcode: 'SEND_WITH_IMM', imm: 5, sge: [a.sge(0, 1000)], ...to });
      equal(await a.statuses(), ['SUCCESS'], 'SEND');
      const [wc] = await b.received();
      equal([wc.byteLen, wc.srcQp, wc.imm, wc.flags & 2], [GRH + 1000, a.qpn, 5, 2], 'length, source, immediate data');
      equal(await lab.b.bytes(b.region.mr, GRH, 1000), await lab.a.bytes(a.region.mr, 0, 1000), 'bytes');
      await lab.a.destroy(to.ah!);
      await fails(lab.a.destroy(to.ah!), ['ENOENT', 'EINVAL'], 'destroying the address handle again');
    },
  },
  {
    name: 'UD: a datagram with another Q_Key is dropped, one that finds no request or too small a buffer likewise',
    statements: ['C9-205'],
    verbs: ['post_recv', 'modify_qp'],
    needs: ['UD'],
    async run(lab) {
      const { a, b, to } = await datagrams(lab);
      const send = (change: Partial<SendRequest> = {}): Promise<void> =>
        a.send({ opcode: 'SEND', sge: [a.sge(0, 100)], ...to, ...change });
      await send();
      await lab.b.wait(NEVER_US);
      await b.recv({ wrId: 1, sge: [b.sge(0, GRH + 100)] });
      await send({ remoteQkey: QKEY + 1 });
      await send({ sge: [a.sge(0, 101)] });
      equal(await b.quiet(), [], 'what was not to be received');
      await send();
      equal(
        (await b.received()).map((wc) => [wc.wrId, wc.status]),
        [[1, 'SUCCESS']],
        'the next that fits',
      );
      equal(await a.statuses(4), ['SUCCESS', 'SUCCESS', 'SUCCESS', 'SUCCESS'], 'the sender is not told');
    },
  },
  {
    name: 'UD: a message that is longer than the MTU is not sent, and that is no error',
    statements: ['C10-93.1.1'],
    verbs: ['post_send'],
    needs: ['UD'],
    async run(lab) {
      const { a, b, to } = await datagrams(lab);
      await b.recv({ sge: [b.sge(0, 65536)] });
      await a.send({ opcode: 'SEND', sge: [a.sge(0, (128 << lab.facts.port.activeMtu) + 1)], ...to });
      equal(await a.statuses(), ['SUCCESS'], 'status');
      equal(await b.quiet(), [], 'what arrived');
      if (lab.wire !== null) equal(lab.wire.seen.length, 0, 'packets');
    },
  },
  {
    name: 'UD: a send asks for an address handle of its protection domain',
    statements: ['C10-10'],
    verbs: ['create_ah'],
    needs: ['UD'],
    async run(lab) {
      const { a, b, to } = await datagrams(lab);
      const ah = await lab.a.createAh(await lab.a.allocPd(), way(b.facts));
      await a.send({ opcode: 'SEND', ...to, ah });
      equal(await a.statuses(), ['LOC_QP_OP_ERR'], 'status');
    },
  },
  {
    name: 'an address handle is made for an address that can be sent to, and tells it',
    verbs: ['create_ah', 'query_ah'],
    needs: ['ah'],
    async run({ a, facts }) {
      const pd = await a.allocPd();
      const ah = await a.createAh(pd, { ...way(facts), sl: 3 });
      if (facts.verbs.includes('query_ah')) {
        const told = await a.queryAh(ah);
        equal([told.dgid, told.dlid, told.sl], [facts.gid, facts.port.lid, 3], 'what it tells');
      }
      await fails(a.createAh(pd, { dgid: '00'.repeat(16), dlid: 0 }), 'EINVAL', 'an address that is none');
      await fails(a.createAh(pd, { ...way(facts), sl: 16 }), 'EINVAL', 'service level 16');
      await fails(a.destroy(pd), 'EBUSY', 'deallocating its protection domain');
    },
  },
  {
    name: 'a datagram to a multicast group reaches the queue pairs that are attached to it, while they are',
    statements: ['o10-2.2.3'],
    verbs: ['attach_mcast', 'detach_mcast'],
    needs: ['ud-multicast', 'UD'],
    async run(lab) {
      const [a, b] = await lab.pair('UD');
      const { gid, lid } = groupOf(b.facts);
      const to = { ah: await lab.a.createAh(a.pd, { dgid: gid, dlid: lid }), remoteQpn: 0xffffff, remoteQkey: QKEY };
      for (let i = 0; i < 3; i++) await b.recv({ sge: [b.sge(0, 128)] });
      await a.send({ opcode: 'SEND', sge: [a.sge(0, 8)], ...to });
      equal(await b.quiet(), [], 'before it is attached');
      await lab.b.attachMcast(b.qp, gid, lid);
      await fails(lab.b.destroy(b.qp), 'EBUSY', 'destroying a queue pair that is in a group');
      await a.send({ opcode: 'SEND', sge: [a.sge(0, 8)], ...to });
      equal((await b.received())[0].byteLen, GRH + 8, 'while it is attached');
      await lab.b.detachMcast(b.qp, gid, lid);
      await a.send({ opcode: 'SEND', sge: [a.sge(0, 8)], ...to });
      equal(await b.quiet(), [], 'after it was detached');
      await fails(lab.b.detachMcast(b.qp, gid, lid), 'EINVAL', 'detaching again');
      await lab.b.destroy(b.qp);
    },
  },
  {
    name: 'only datagrams are for groups, and a group is a multicast address',
    verbs: ['attach_mcast'],
    needs: ['ud-multicast', 'UD', 'RC'],
    async run(lab) {
      const { gid, lid } = groupOf(lab.facts);
      const [rc, ud] = [await lab.alone('RC'), await lab.alone('UD')];
      await fails(lab.a.attachMcast(rc.qp, gid, lid), 'EINVAL', 'attaching an RC queue pair');
      await fails(lab.a.attachMcast(ud.qp, lab.facts.gid, lid), 'EINVAL', 'attaching to a unicast address');
    },
  },
  {
    name: 'a datagram that comes before the queue pair can receive is dropped',
    verbs: ['modify_qp'],
    needs: ['UD'],
    async run(lab) {
      const { a, b, to } = await datagrams(lab);
      await lab.b.modifyQp(b.qp, { state: 'RESET' });
      await lab.b.modifyQp(b.qp, { state: 'INIT', pkeyIndex: 0, port: 1, qkey: QKEY });
      await b.recv({ sge: [b.sge(0, 128)] });
      await a.send({ opcode: 'SEND', sge: [a.sge(0, 8)], ...to });
      equal(await lab.b.poll(b.rcq, 1, NEVER_US), [], 'what arrived in INIT');
    },
  },
];
