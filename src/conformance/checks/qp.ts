// Queue pairs: making them, their states and attributes, and what may be posted when.
import { type Check, equal, fails, that } from '../check.ts';
import { type End, FIRST_PSN, QKEY, steps } from '../lab.ts';

/** Refused for want of a right, of the type, or (uverbs) of a type that programs may name. */
const NOT_YOURS = ['EPERM', 'EOPNOTSUPP', 'EINVAL'];
const TYPES = ['RC', 'UC', 'UD'] as const;

/** An end's own facts: the queue pair may be connected to itself to walk through the states. */
async function walk(end: End, type: string, upTo: 'INIT' | 'RTR' | 'RTS'): Promise<void> {
  for (const attr of steps(type, end.facts, end.qpn)) {
    await end.side.modifyQp(end.qp, attr);
    if (attr.state === upTo) return;
  }
}

export const qpChecks: readonly Check[] = [
  {
    name: 'a queue pair has what was asked for at least; what is more than the device has is refused',
    verbs: ['create_qp', 'destroy_qp'],
    async run(lab) {
      const { a, facts } = lab;
      const pd = await a.allocPd();
      const { cq } = await a.createCq(16);
      const type = facts.qpTypes.find((t) => TYPES.includes(t as 'RC'))!;
      const base = { pd, type, sendCq: cq, recvCq: cq };
      const cap = { maxSendWr: 5, maxRecvWr: 7, maxSendSge: 2, maxRecvSge: 1, maxInlineData: 32 };
      const made = await a.createQp({ ...base, cap });
      for (const key of Object.keys(cap) as (keyof typeof cap)[])
        that(made.cap[key] >= cap[key], `${key} is ${made.cap[key]}, ${cap[key]} were asked for`);
      const other = await a.createQp(base);
      that(made.qpn !== other.qpn, 'two queue pairs have one number');
      that(made.qpn > 1 && made.qpn < 0xffffff, `QPN ${made.qpn}`);
      const { maxQpWr, maxSge } = facts.attributes;
      for (const more of [{ maxSendWr: maxQpWr + 1 }, { maxRecvWr: maxQpWr + 1 }, { maxSendSge: maxSge + 1 }])
        await fails(a.createQp({ ...base, cap: more }), 'EINVAL', `asking for ${JSON.stringify(more)}`);
      await fails(a.destroy(pd), 'EBUSY', 'deallocating its protection domain');
      await a.destroy(made.qp);
      await a.destroy(other.qp);
      await fails(a.destroy(other.qp), ['ENOENT', 'EINVAL'], 'destroying it again');
    },
  },
  {
    name: 'queue pairs are made of the types the device claims, and of no other',
    verbs: ['create_qp'],
    async run({ a, facts }) {
      const pd = await a.allocPd();
      const { cq } = await a.createCq(16);
      for (const type of TYPES) {
        const attempt = a.createQp({ pd, type, sendCq: cq, recvCq: cq });
        if (facts.qpTypes.includes(type)) await attempt;
        else await fails(attempt, ['EOPNOTSUPP', 'EINVAL'], `type ${type}, which is not claimed`);
      }
      await fails(a.createQp({ pd, type: 'RAW_PACKET', sendCq: cq, recvCq: cq }), NOT_YOURS, 'RAW_PACKET');
      await fails(a.createQp({ pd, type: 'GSI', sendCq: cq, recvCq: cq }), NOT_YOURS, 'GSI');
    },
  },
  {
    name: 'a new queue pair is in RESET; nothing is posted to receive before INIT',
    statements: ['C10-20', 'C10-97.2.1'],
    verbs: ['create_qp', 'modify_qp', 'post_recv'],
    async run(lab) {
      const type = lab.facts.qpTypes.find((t) => TYPES.includes(t as 'RC'))!;
      const end = await lab.alone(type);
      if (lab.facts.verbs.includes('query_qp')) equal(await end.state(), 'RESET', 'state');
      await fails(end.recv(), 'EINVAL', 'postRecv in RESET');
      await walk(end, type, 'INIT');
      await end.recv();
    },
  },
  {
    // IBTA 10.3.1
    name: 'nothing is posted to send before RTS',
    verbs: ['post_send'],
    async run(lab) {
      const type = lab.facts.qpTypes.find((t) => TYPES.includes(t as 'RC'))!;
      const end = await lab.alone(type);
      await fails(end.send({ opcode: 'SEND' }), 'EINVAL', 'postSend in RESET');
      await walk(end, type, 'INIT');
      await fails(end.send({ opcode: 'SEND' }), 'EINVAL', 'postSend in INIT');
    },
  },
  {
    name: 'the states are gone through in order, each with the attributes it needs',
    verbs: ['modify_qp'],
    async run(lab) {
      for (const type of TYPES.filter((t) => lab.facts.qpTypes.includes(t))) {
        const end = await lab.alone(type);
        const [init, rtr, rts] = steps(type, end.facts, end.qpn);
        const refuse = (attr: object, what: string): Promise<void> =>
          fails(end.side.modifyQp(end.qp, attr), 'EINVAL', `${type}: ${what}`);
        await refuse(rtr, 'RESET to RTR');
        await refuse(rts, 'RESET to RTS');
        for (const [attr, what] of [
          [init, 'INIT'],
          [rtr, 'RTR'],
          [rts, 'RTS'],
        ] as const) {
          for (const key of Object.keys(attr).filter((k) => k !== 'state'))
            await refuse({ ...attr, [key]: undefined }, `${what} without ${key}`);
          await refuse({ ...attr, pkeyIndex: 9999 }, `${what} with a P_Key index that is none`);
          await end.side.modifyQp(end.qp, attr);
        }
        await refuse(init, 'RTS to INIT');
        await end.side.modifyQp(end.qp, { state: 'ERR' });
        await refuse(rts, 'ERR to RTS');
        await end.side.modifyQp(end.qp, { state: 'RESET' });
        await end.side.modifyQp(end.qp, init);
      }
    },
  },
  {
    name: 'a query tells what was set',
    verbs: ['query_qp'],
    async run(lab) {
      for (const type of TYPES.filter((t) => lab.facts.qpTypes.includes(t))) {
        const end = await lab.alone(type);
        await walk(end, type, 'RTS');
        const told = await lab.a.queryQp(end.qp);
        equal([told.state, told.sqPsn], ['RTS', FIRST_PSN], `${type}: state and send PSN`);
        if (type === 'UD') equal(told.qkey, QKEY, 'Q_Key');
        else equal([told.destQpn, told.rqPsn, told.pathMtu], [end.qpn, FIRST_PSN, 3], `${type}: destination, PSN, MTU`);
        if (type === 'RC') equal([told.timeout, told.retryCnt, told.rnrRetry], [14, 7, 7], 'timeout and retries');
      }
    },
  },
  {
    name: 'a queue takes as many requests as it has room for, and no more SGEs than it was made for',
    verbs: ['post_recv', 'post_send'],
    async run(lab) {
      const type = lab.facts.qpTypes.find((t) => TYPES.includes(t as 'RC'))!;
      const end = await lab.alone(type, { cap: { maxRecvWr: 4, maxRecvSge: 2, maxSendSge: 2, maxInlineData: 16 } });
      await walk(end, type, 'RTS');
      const sge = (n: number): object => ({ sge: Array.from({ length: n }, () => end.sge(0, 8)) });
      await fails(end.recv(sge(9)), ['EINVAL', 'ENOMEM'], 'receive request of 9 SGEs');
      await fails(end.send({ opcode: 'SEND', ...sge(9) }), ['EINVAL', 'ENOMEM'], 'send request of 9 SGEs');
      const posted = async (): Promise<number> => {
        for (let n = 0; n < 1024; n++) {
          try {
            await end.recv(sge(1));
          } catch (error) {
            equal((error as { code?: string }).code, 'ENOMEM', 'a full queue');
            return n;
          }
        }
        return Number.POSITIVE_INFINITY;
      };
      const room = await posted();
      that(room >= 4 && room < 1024, `room for ${room} receive requests, 4 were asked for`);
    },
  },
  {
    name: 'the send queue is drained in SQD, and goes on in RTS',
    verbs: ['modify_qp', 'get_async_event'],
    needs: ['RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC');
      await b.recv();
      await b.recv();
      await a.send({ wrId: 1, opcode: 'SEND' });
      await a.sent();
      await lab.a.modifyQp(a.qp, { state: 'SQD', enSqdAsyncNotify: true });
      await a.event('SQ_DRAINED', a.qp);
      await a.send({ wrId: 2, opcode: 'SEND' });
      equal(await lab.a.poll(a.scq, 1, 2000), [], 'completions in SQD');
      await lab.a.modifyQp(a.qp, { state: 'RTS' });
      equal(
        (await a.sent()).map((wc) => [wc.wrId, wc.status]),
        [[2, 'SUCCESS']],
        'completions in RTS again',
      );
    },
  },
];
