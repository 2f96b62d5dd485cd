// What goes over the wire, where it can be seen, and what is made of packets that no device would send.
import { aethSyndrome, NAK_INV_REQ } from '../../wire/aeth.ts';
import { writeBth } from '../../wire/bth.ts';
import { opcodeHeaderLen, RC_READ_REQUEST, RC_SEND_FIRST, RC_SEND_ONLY, RC_WRITE_ONLY } from '../../wire/opcodes.ts';
import { writeReth } from '../../wire/reth.ts';
import { type Check, equal, that } from '../check.ts';
import { type End, FIRST_PSN, type Lab, NEVER_US, way } from '../lab.ts';
import type { Seen } from '../wire.ts';

const RETH_AT = 12;
const psn = (n: number): number => (FIRST_PSN + n) & 0xffffff;

/** A request to an end's queue pair, from the other. */
function request(opcode: number, to: End, number: number, payload = 0, pkey = to.facts.pkeys[0]): Buffer {
  const packet = Buffer.alloc(opcodeHeaderLen[opcode] + payload);
  writeBth(packet, 0, opcode, 0x40, pkey, to.qpn, true, psn(number));
  return packet;
}

function inject(lab: Lab, to: End, ...packets: Buffer[]): void {
  lab.wire!.inject('a', way(to.facts), packets);
}

/** Answers (ACK, NAK, READ response) of b since the wire was last cleared. */
const answers = (lab: Lab): Seen[] => lab.wire!.seen.filter((s) => s.from === 'b' && s.syndrome >= 0);

async function settle(lab: Lab): Promise<void> {
  await lab.b.wait(NEVER_US / 10);
  await lab.a.wait(NEVER_US / 10);
}

const wire = (name: string, statements: readonly string[], run: Check['run']): Check => ({
  ...{ name, statements, run },
  verbs: ['post_send', 'post_recv'],
  needs: ['wire', 'RC'],
});

export const packetChecks: readonly Check[] = [
  wire('reserved bits of the BTH are sent as 0, and ignored', ['C9-6'], async (lab) => {
    const [a, b] = await lab.pair('RC');
    await b.recv();
    const packet = request(RC_SEND_ONLY, b, 0);
    packet[4] = 0x3f;
    packet[8] |= 0x7f;
    inject(lab, b, packet);
    equal((await b.received())[0].status, 'SUCCESS', 'a SEND with all of them set');
    equal(await a.state(), 'RTS', 'state of the sender');
    await settle(lab);
    const sent = lab.wire!.seen.filter((s) => s.from === 'b');
    that(
      sent.every(({ packet: p }) => (p[4] & 0x3f) === 0 && (p[8] & 0x7f) === 0),
      'one was sent that is not 0',
    );
  }),
  wire('a packet with a P_Key that does not match is dropped', ['C9-43'], async (lab) => {
    const [, b] = await lab.pair('RC');
    await b.recv();
    inject(lab, b, request(RC_SEND_ONLY, b, 0, 0, b.facts.pkeys[0] ^ 0x0111));
    equal(await b.quiet(), [], 'receive completions');
    equal(answers(lab).length, 0, 'answers');
  }),
  wire('first packets are full, and none is longer than the MTU', ['C9-92'], async (lab) => {
    for (const [opcode, payload] of [
      [RC_SEND_FIRST, 1020],
      [RC_SEND_ONLY, 1028],
    ] as const) {
      const [, b] = await lab.pair('RC');
      await b.recv({ sge: [b.sge(0, 4096)] });
      inject(lab, b, request(opcode, b, 0, payload));
      await settle(lab);
      equal(
        answers(lab).map((s) => s.syndrome),
        [NAK_INV_REQ],
        `answers to opcode ${opcode} with ${payload} bytes`,
      );
      await lab.a.reset();
      await lab.b.reset();
    }
  }),
  wire('a RETH that announces more than 2^31 bytes is an invalid request', ['C9-94'], async (lab) => {
    for (const opcode of [RC_READ_REQUEST, RC_WRITE_ONLY]) {
      const [, b] = await lab.pair('RC');
      const packet = request(opcode, b, 0);
      writeReth(packet, RETH_AT, b.region.addr, b.region.rkey, 0x80000001);
      inject(lab, b, packet);
      await settle(lab);
      equal(
        answers(lab).map((s) => s.syndrome),
        [NAK_INV_REQ],
        `answers to opcode ${opcode}`,
      );
      await lab.a.reset();
      await lab.b.reset();
    }
  }),
  wire(
    'a duplicate SEND is acknowledged again, with the newest PSN, and not counted',
    ['C9-105', 'C9-148'],
    async (lab) => {
      const [a, b] = await lab.pair('RC');
      for (let i = 0; i < 2; i++) await b.recv();
      for (let i = 0; i < 2; i++) await a.send({ opcode: 'SEND' });
      await a.sent(2);
      await settle(lab);
      lab.wire!.seen.splice(0);
      inject(lab, b, request(RC_SEND_ONLY, b, 0));
      await settle(lab);
      const got = answers(lab).map((s) => [s.psn, s.syndrome & 0xe0, s.msn]);
      equal(got, [[psn(1), 0, 2]], 'PSN, syndrome and MSN of the answers');
      equal((await b.received(2)).length, 2, 'receive completions');
      equal(await b.quiet(), [], 'and no more');
    },
  ),
  wire('duplicate READs are answered in the order of their PSNs', ['C9-110'], async (lab) => {
    const [a, b] = await lab.pair('RC');
    for (let i = 0; i < 3; i++) await a.send({ opcode: 'RDMA_READ', sge: [a.sge(0, 8)], ...b.there() });
    await a.sent(3);
    await settle(lab);
    lab.wire!.seen.splice(0);
    const again = [2, 0, 1].map((i) => {
      const packet = request(RC_READ_REQUEST, b, i);
      writeReth(packet, RETH_AT, b.region.addr, b.region.rkey, 8);
      return packet;
    });
    inject(lab, b, ...again);
    await settle(lab);
    // Asked for in any order, answered in theirs; a device may answer a range again that one request covers.
    equal(
      answers(lab).map((s) => s.psn),
      [psn(0), psn(1), psn(2)],
      'PSNs of the answers',
    );
  }),
  wire('the MSN counts a READ when it is asked', ['C9-148'], async (lab) => {
    const [a, b] = await lab.pair('RC');
    await a.send({ opcode: 'RDMA_WRITE', sge: [a.sge(0, 2500)], ...b.there() });
    await a.send({ opcode: 'RDMA_READ', sge: [a.sge(0, 2500)], ...b.there() });
    equal(await a.statuses(2), ['SUCCESS', 'SUCCESS'], 'WRITE and READ');
    const read = answers(lab).find((s) => s.psn === psn(3));
    equal(read?.msn, 2, 'MSN of the first READ response');
    equal(aethSyndrome(read!.packet, 12) & 0x60, 0, 'its syndrome is an acknowledgement');
  }),
];

export const partitionChecks: readonly Check[] = [
  {
    name: 'queue pairs of different partitions do not hear each other, those of one do',
    statements: ['C9-43'],
    verbs: ['modify_qp', 'query_pkey'],
    needs: ['pkeys', 'RC', 'UD'],
    async run(lab) {
      const { pkeys } = lab.facts;
      const base = pkeys[0] & 0x7fff;
      const other = pkeys.findIndex((key) => (key & 0x7fff) !== 0 && (key & 0x7fff) !== base && (key & 0x8000) !== 0);
      const apart = { attr: { pkeyIndex: other, retryCnt: 0, timeout: 8 } };
      const [a, b] = await lab.pair('RC', { attr: { retryCnt: 0, timeout: 8 } }, apart);
      await b.recv();
      await a.send({ opcode: 'SEND' });
      equal(await a.statuses(), ['RETRY_EXC_ERR'], 'from one partition to another');
      await lab.a.reset();
      await lab.b.reset();
      const [c, d] = await lab.pair('RC', apart);
      await d.recv();
      await c.send({ opcode: 'SEND' });
      equal(await c.statuses(), ['SUCCESS'], 'in one partition');
    },
  },
  {
    name: 'two limited members of a partition do not hear each other; a full and a limited one do',
    statements: ['C9-43'],
    verbs: ['modify_qp'],
    needs: ['pkeys', 'RC'],
    async run(lab) {
      const limited = lab.facts.pkeys.findIndex((key) => key !== 0 && (key & 0x8000) === 0);
      const full = lab.facts.pkeys.indexOf(lab.facts.pkeys[limited] | 0x8000);
      that(limited >= 0 && full >= 0, 'the table of P_Keys has no partition with both memberships');
      for (const [x, y, status] of [
        [full, limited, 'SUCCESS'],
        [limited, full, 'SUCCESS'],
        [limited, limited, 'RETRY_EXC_ERR'],
      ] as const) {
        const attr = { retryCnt: 0, timeout: 8 };
        const [a, b] = await lab.pair('RC', { attr: { ...attr, pkeyIndex: x } }, { attr: { ...attr, pkeyIndex: y } });
        await b.recv();
        await a.send({ opcode: 'SEND' });
        equal(await a.statuses(), [status], `P_Key indices ${x} and ${y}`);
        await lab.a.reset();
        await lab.b.reset();
      }
    },
  },
];
