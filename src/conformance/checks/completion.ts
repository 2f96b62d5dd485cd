// Completion queues and events.
import { SendFlags } from '../../core/constants.ts';
import { type Check, equal, fails, that } from '../check.ts';
import { type End, type Lab, NEVER_US, SOON_US, steps } from '../lab.ts';

/** A connected pair whose second end receives on a CQ with a channel. */
async function watched(
  lab: Lab,
): Promise<{ a: End; cq: number; deliver(flags?: number): Promise<void>; events(): Promise<number> }> {
  const a = await lab.alone('RC');
  const b = await lab.b.allocPd();
  const channel = await lab.b.createChannel();
  const { cq } = await lab.b.createCq(16, channel);
  const { qp, qpn } = await lab.b.createQp({ pd: b, type: 'RC', sendCq: cq, recvCq: cq });
  const peer = await lab.b.facts();
  for (const attr of steps('RC', peer, qpn)) await lab.a.modifyQp(a.qp, attr);
  for (const attr of steps('RC', a.facts, a.qpn)) await lab.b.modifyQp(qp, attr);
  return {
    a,
    cq,
    deliver: async (flags = 0) => {
      await lab.b.postRecv(qp, {});
      await a.send({ opcode: 'SEND', flags: SendFlags.SIGNALED | flags });
      equal(await a.statuses(), ['SUCCESS'], 'SEND');
      await lab.b.wait(NEVER_US / 10);
    },
    events: () => lab.b.events(cq),
  };
}

export const completionChecks: readonly Check[] = [
  {
    name: 'a completion queue has room for what was asked for; none, and more than there is, are refused',
    verbs: ['create_cq', 'destroy_cq'],
    async run({ a, facts }) {
      const asked = Math.min(200, facts.attributes.maxCqe);
      const { cq, cqe } = await a.createCq(asked);
      that(cqe >= asked, `cqe is ${cqe}, ${asked} were asked for`);
      equal(await a.poll(cq, 1, 0), [], 'an empty queue has no completions');
      await fails(a.createCq(0), 'EINVAL', 'a queue of 0');
      await fails(a.createCq(facts.attributes.maxCqe + 1), 'EINVAL', 'a queue of more than maxCqe');
      await a.destroy(cq);
      await fails(a.destroy(cq), ['ENOENT', 'EINVAL'], 'destroying it again');
    },
  },
  {
    name: 'a completion queue that a queue pair uses is not destroyed',
    statements: ['C11-17'],
    verbs: ['destroy_cq', 'destroy_qp'],
    async run(lab) {
      const a = await lab.alone();
      for (const cq of [a.scq, a.rcq]) await fails(lab.a.destroy(cq), 'EBUSY', 'destroying it');
      await lab.a.destroy(a.qp);
      for (const cq of [a.scq, a.rcq]) await lab.a.destroy(cq);
    },
  },
  {
    name: 'completions come in order, each once, and no more than are asked for',
    verbs: ['poll_cq'],
    needs: ['RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC');
      for (let i = 0; i < 6; i++) await b.recv({ wrId: 100 + i });
      for (let i = 0; i < 6; i++) await a.send({ wrId: i, opcode: 'SEND' });
      equal(
        (await a.sent(6)).map((wc) => wc.wrId),
        [0, 1, 2, 3, 4, 5],
        'send completions',
      );
      const first = await b.received(2);
      const rest = await b.received(4);
      equal(
        [...first, ...rest].map((wc) => wc.wrId),
        [100, 101, 102, 103, 104, 105],
        'receive completions',
      );
      equal(
        first.map((wc) => [wc.opcode, wc.qpn]),
        [
          ['RECV', b.qpn],
          ['RECV', b.qpn],
        ],
        'opcode and QPN',
      );
      equal(await b.quiet(), [], 'and no more');
    },
  },
  {
    name: 'a request that asks for no completion makes none, unless it fails',
    verbs: ['poll_cq'],
    needs: ['RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC');
      await b.recv();
      await b.recv();
      await a.send({ wrId: 1, opcode: 'SEND', flags: 0 });
      await a.send({ wrId: 2, opcode: 'SEND' });
      equal(
        (await a.sent()).map((wc) => wc.wrId),
        [2],
        'completions',
      );
      await a.send({ wrId: 3, opcode: 'RDMA_READ', flags: 0, sge: [a.sge(0, 8)], remoteAddr: 0, rkey: 1 });
      equal(
        (await a.sent()).map((wc) => [wc.wrId, wc.status]),
        [[3, 'REM_ACCESS_ERR']],
        'one that failed',
      );
    },
  },
  {
    name: 'a queue pair that signals all makes a completion for each request',
    verbs: ['create_qp'],
    needs: ['RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC', { sqSigAll: true });
      await b.recv();
      await a.send({ wrId: 7, opcode: 'SEND', flags: 0 });
      equal(
        (await a.sent()).map((wc) => wc.wrId),
        [7],
        'completions',
      );
    },
  },
  {
    name: 'an armed queue raises one event at its next completion, and none before or after',
    verbs: ['req_notify_cq', 'create_comp_channel'],
    needs: ['RC'],
    async run(lab) {
      const { cq, deliver, events } = await watched(lab);
      await deliver();
      equal(await events(), 0, 'events before it is armed');
      await lab.b.poll(cq, 16, 0);
      await lab.b.notify(cq, false);
      await deliver();
      equal(await events(), 1, 'events after it was armed');
      await deliver();
      equal(await events(), 1, 'events after the next completion');
    },
  },
  {
    name: 'armed for solicited completions it raises an event for those alone',
    verbs: ['req_notify_cq'],
    needs: ['RC'],
    async run(lab) {
      const { cq, deliver, events } = await watched(lab);
      await lab.b.notify(cq, true);
      await deliver();
      equal(await events(), 0, 'events after a completion that was not solicited');
      await deliver(SendFlags.SOLICITED);
      equal(await events(), 1, 'events after one that was');
    },
  },
  {
    name: 'a queue without a channel is not armed; a channel that a queue uses is not destroyed',
    verbs: ['create_comp_channel', 'create_cq'],
    async run({ a }) {
      await fails(a.notify((await a.createCq(4)).cq, false), 'EINVAL', 'arming it');
      const channel = await a.createChannel();
      const { cq } = await a.createCq(4, channel);
      await fails(a.destroy(channel), 'EBUSY', 'destroying the channel');
      await a.destroy(cq);
      await a.destroy(channel);
    },
  },
  {
    name: 'a queue that is resized keeps its completions, and is not made too small for them',
    verbs: ['resize_cq'],
    needs: ['resize-cq', 'RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC', { cqe: 16 });
      for (let i = 0; i < 6; i++) await b.recv({ wrId: i });
      for (let i = 0; i < 6; i++) await a.send({ opcode: 'SEND' });
      await a.sent(6);
      await lab.b.wait(NEVER_US / 10);
      await fails(lab.b.resizeCq(b.rcq, 1), 'EINVAL', 'too small for what waits');
      await fails(lab.b.resizeCq(b.rcq, lab.facts.attributes.maxCqe + 1), 'EINVAL', 'more than maxCqe');
      that((await lab.b.resizeCq(b.rcq, 200)) >= 200, 'it is smaller than asked for');
      equal(
        (await b.received(6)).map((wc) => wc.wrId),
        [0, 1, 2, 3, 4, 5],
        'completions',
      );
    },
  },
  {
    name: 'a queue that overruns fails, and its queue pairs with it, and both are told',
    statements: ['C9-218', 'C11-37'],
    verbs: ['poll_cq', 'get_async_event'],
    needs: ['RC'],
    async run(lab) {
      const pd = await lab.b.allocPd();
      const { cq, cqe } = await lab.b.createCq(2);
      const cap = { maxSendWr: cqe + 1, maxRecvWr: cqe + 1 };
      const a = await lab.alone('RC', { cqe: 2 * cqe + 2, cap });
      const { qp, qpn } = await lab.b.createQp({ pd, type: 'RC', sendCq: cq, recvCq: cq, cap });
      for (const attr of steps('RC', await lab.b.facts(), qpn)) await lab.a.modifyQp(a.qp, attr);
      for (const attr of steps('RC', a.facts, a.qpn)) await lab.b.modifyQp(qp, attr);
      for (let i = 0; i <= cqe; i++) await lab.b.postRecv(qp, {});
      for (let i = 0; i <= cqe; i++) await a.send({ opcode: 'SEND' });
      const types: string[] = [];
      for (let i = 0; i < 8 && !(types.includes('CQ_ERR') && types.includes('QP_FATAL')); i++)
        types.push(...(await lab.b.asyncEvents(1, SOON_US)).map((e) => e.type));
      that(types.includes('CQ_ERR') && types.includes('QP_FATAL'), `events were ${types}`);
      equal((await lab.b.queryQp(qp)).state, 'ERR', 'state of its queue pair');
    },
  },
];
