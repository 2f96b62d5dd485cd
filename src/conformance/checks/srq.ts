// Shared receive queues.
import { DeviceCap } from '../../core/constants.ts';
import { type Check, equal, fails, that } from '../check.ts';
import { NEVER_US } from '../lab.ts';

export const srqChecks: readonly Check[] = [
  {
    name: 'a shared receive queue is made, queried, and not destroyed while a queue pair receives from it',
    verbs: ['create_srq', 'query_srq', 'destroy_srq'],
    needs: ['srq', 'RC'],
    async run(lab) {
      const end = await lab.alone('RC', { srq: 5 });
      const told = await lab.a.querySrq(end.srq);
      that(told.maxWr >= 5, `maxWr is ${told.maxWr}`);
      equal(told.limit, 0, 'limit');
      await fails(lab.a.destroy(end.srq), 'EBUSY', 'destroying it');
      const { maxSrqWr, maxSrqSge } = lab.facts.attributes;
      for (const limits of [
        { maxWr: maxSrqWr + 1, maxSge: 1 },
        { maxWr: 4, maxSge: maxSrqSge + 1 },
        { maxWr: 0, maxSge: 1 },
      ])
        await fails(lab.a.createSrq(end.pd, { ...limits, limit: 0 }), 'EINVAL', JSON.stringify(limits));
      await lab.a.destroy(end.qp);
      await lab.a.destroy(end.srq);
    },
  },
  {
    name: 'its requests are taken in order by any of its queue pairs; a queue pair that has one takes no others',
    verbs: ['post_srq_recv'],
    needs: ['srq', 'RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC', {}, { srq: 8 });
      await fails(lab.b.postRecv(b.qp, {}), 'EINVAL', 'posting to the queue pair');
      await lab.a.fill(a.region.mr, 0, 200, 8);
      for (let i = 0; i < 3; i++) await lab.b.postRecv(b.srq, { wrId: i, sge: [b.sge(i * 1000, 200)] });
      for (let i = 0; i < 3; i++) await a.send({ opcode: 'SEND', sge: [a.sge(0, 200)] });
      equal(await a.statuses(3), ['SUCCESS', 'SUCCESS', 'SUCCESS'], 'SENDs');
      equal(
        (await b.received(3)).map((wc) => [wc.wrId, wc.byteLen]),
        [
          [0, 200],
          [1, 200],
          [2, 200],
        ],
        'completions',
      );
      equal(await lab.b.bytes(b.region.mr, 2000, 200), await lab.a.bytes(a.region.mr, 0, 200), 'bytes');
    },
  },
  {
    name: 'its limit raises one event when fewer requests are left',
    verbs: ['modify_srq', 'get_async_event'],
    needs: ['srq', 'RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC', {}, { srq: 8 });
      for (let i = 0; i < 4; i++) await b.recv();
      await lab.b.modifySrq(b.srq, { limit: 3 });
      await a.send({ opcode: 'SEND' });
      await b.received();
      equal(await lab.b.asyncEvents(1, NEVER_US), [], 'events with as many left as the limit');
      await a.send({ opcode: 'SEND' });
      await b.event('SRQ_LIMIT_REACHED', b.srq);
      equal((await lab.b.querySrq(b.srq)).limit, 0, 'the limit, which must be armed anew');
      await fails(lab.b.modifySrq(b.srq, { limit: 1 << 20 }), 'EINVAL', 'a limit of more than it holds');
    },
  },
  {
    name: 'it is resized where SRQ_RESIZE is claimed, and keeps its requests',
    verbs: ['modify_srq'],
    needs: ['srq', 'RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC', {}, { srq: 8 });
      await b.recv({ wrId: 5 });
      const resize = lab.b.modifySrq(b.srq, { maxWr: 100 });
      if ((lab.facts.attributes.deviceCapFlags & DeviceCap.SRQ_RESIZE) === 0)
        return fails(resize, ['EOPNOTSUPP', 'EINVAL'], 'resizing');
      await resize;
      that((await lab.b.querySrq(b.srq)).maxWr >= 100, 'it is smaller than asked for');
      await a.send({ opcode: 'SEND' });
      equal(
        (await b.received()).map((wc) => wc.wrId),
        [5],
        'completions',
      );
    },
  },
  {
    name: 'Last WQE Reached is raised for a queue pair with a shared receive queue that goes to error',
    statements: ['o11-5.2.5'],
    verbs: ['get_async_event'],
    needs: ['srq', 'RC'],
    async run(lab) {
      const [, b] = await lab.pair('RC', {}, { srq: 8 });
      await b.recv({ wrId: 1 });
      await lab.b.modifyQp(b.qp, { state: 'ERR' });
      await b.event('QP_LAST_WQE_REACHED', b.qp);
      equal(await b.quiet(), [], 'what is on the shared queue stays there');
    },
  },
];
