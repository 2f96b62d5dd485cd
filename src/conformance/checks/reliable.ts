// Reliable connections: what arrives, and what is told when it cannot.
import { SendFlags } from '../../core/constants.ts';
import { type Check, equal, that } from '../check.ts';
import { NEVER_US, SOON_US } from '../lab.ts';

const MTU = 1024;
const SIZES = [0, 1, 3, MTU - 1, MTU, MTU + 1, 3 * MTU, 65536 + 5];

export const reliableChecks: readonly Check[] = [
  {
    name: 'RC: SEND delivers messages of any length, whole, in order, with and without immediate data',
    verbs: ['post_send', 'post_recv', 'poll_cq', 'modify_qp'],
    needs: ['RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC');
      await lab.a.fill(a.region.mr, 0, 1 << 17, 1);
      for (const [i, size] of SIZES.entries()) {
        await b.recv({ wrId: i, sge: [b.sge(0, 1 << 17)] });
        const immediate = i % 2 === 1;
        const opcode = immediate ? 'SEND_WITH_IMM' : 'SEND';
        await a.send({ wrId: i, opcode, imm: 0x01020304 + i, sge: [a.sge(0, size)] });
        equal(await a.statuses(), ['SUCCESS'], `SEND of ${size} bytes`);
        const [wc] = await b.received();
        equal([wc.status, wc.wrId, wc.byteLen], ['SUCCESS', i, size], `received, ${size} bytes`);
        equal(wc.flags & 2, immediate ? 2 : 0, 'IBV_WC_WITH_IMM');
        if (immediate) equal(wc.imm, 0x01020304 + i, 'immediate data');
        const [sent, got] = [await lab.a.bytes(a.region.mr, 0, size), await lab.b.bytes(b.region.mr, 0, size)];
        that(sent === got, `the bytes of ${size} are not those that were sent`);
      }
    },
  },
  {
    name: 'RC: bytes are gathered and scattered as the SGEs say, and may be given inline',
    verbs: ['post_send', 'post_recv'],
    needs: ['RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC');
      await lab.a.fill(a.region.mr, 0, 4096, 2);
      await b.recv({ sge: [b.sge(100, 10), b.sge(300, 2000)] });
      await a.send({ opcode: 'SEND', sge: [a.sge(0, 1500), a.sge(2000, 7)] });
      equal(await a.statuses(), ['SUCCESS'], 'SEND of two SGEs');
      equal((await b.received())[0].byteLen, 1507, 'length');
      const sent = (await lab.a.bytes(a.region.mr, 0, 1500)) + (await lab.a.bytes(a.region.mr, 2000, 7));
      const got = (await lab.b.bytes(b.region.mr, 100, 10)) + (await lab.b.bytes(b.region.mr, 300, 1497));
      that(sent === got, 'the bytes are not those that were sent');
      await b.recv({ sge: [b.sge(0, 64)] });
      await a.send({ opcode: 'SEND', flags: SendFlags.INLINE | SendFlags.SIGNALED, inline: '00112233445566' });
      equal(await a.statuses(), ['SUCCESS'], 'SEND inline');
      await b.received();
      equal(await lab.b.bytes(b.region.mr, 0, 7), '00112233445566', 'bytes given inline');
    },
  },
  {
    name: 'RC: WRITE and READ move bytes of any length, and the peer hears of neither; WRITE with immediate tells it',
    statements: ['C10-87'],
    verbs: ['post_send', 'poll_cq'],
    needs: ['RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC');
      await b.recv({ wrId: 9 });
      for (const [i, size] of SIZES.entries()) {
        await lab.a.fill(a.region.mr, 0, size, i + 1);
        await a.send({ opcode: 'RDMA_WRITE', sge: [a.sge(0, size)], ...b.there(8) });
        await a.send({ opcode: 'RDMA_READ', sge: [a.sge(1 << 17, size)], ...b.there(8) });
        const wcs = await a.sent(2);
        equal(
          wcs.map((wc) => [wc.status, wc.opcode]),
          [
            ['SUCCESS', 'RDMA_WRITE'],
            ['SUCCESS', 'RDMA_READ'],
          ],
          `${size} bytes`,
        );
        const [from, to, back] = [
          await lab.a.bytes(a.region.mr, 0, size),
          await lab.b.bytes(b.region.mr, 8, size),
          await lab.a.bytes(a.region.mr, 1 << 17, size),
        ];
        that(from === to, `the bytes of ${size} written are not those that were sent`);
        that(from === back, `the bytes of ${size} read are not those that were written`);
      }
      equal(await b.quiet(), [], 'receive completions');
      await a.send({ opcode: 'RDMA_WRITE_WITH_IMM', imm: 0xfeedface, sge: [a.sge(0, 2000)], ...b.there() });
      equal(await a.statuses(), ['SUCCESS'], 'WRITE with immediate');
      const [wc] = await b.received();
      equal([wc.wrId, wc.opcode, wc.imm, wc.byteLen], [9, 'RECV_RDMA_WITH_IMM', 0xfeedface, 2000], 'what tells of it');
    },
  },
  {
    name: 'RC: a READ or WRITE of length 0 succeeds with a key that means nothing',
    statements: ['C9-88'],
    verbs: ['post_send'],
    needs: ['RC'],
    async run(lab) {
      const [a] = await lab.pair('RC');
      for (const opcode of ['RDMA_WRITE', 'RDMA_READ']) await a.send({ opcode, remoteAddr: 123, rkey: 0xdead });
      equal(await a.statuses(2), ['SUCCESS', 'SUCCESS'], 'WRITE and READ');
    },
  },
  {
    name: 'atomics add, compare and swap, tell what was there, and ask for an address that is a multiple of 8',
    verbs: ['atomic'],
    needs: ['atomic', 'RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC');
      const op = async (opcode: string, compareAdd: string, swap: string): Promise<string> => {
        await a.send({ opcode, sge: [a.sge(0, 8)], ...b.there(), compareAdd, swap });
        equal(await a.statuses(), ['SUCCESS'], opcode);
        const bytes = Buffer.from(await lab.a.bytes(a.region.mr, 0, 8), 'hex');
        return String(bytes.readBigUInt64LE());
      };
      const all = String(2n ** 64n - 1n);
      equal(await op('ATOMIC_FETCH_AND_ADD', '5', '0'), '0', 'before adding 5');
      equal(await op('ATOMIC_FETCH_AND_ADD', all, '0'), '5', 'before adding 2^64-1');
      equal(await op('ATOMIC_CMP_AND_SWP', '3', '9'), '4', 'before a swap that does not match');
      equal(await op('ATOMIC_CMP_AND_SWP', '4', all), '4', 'before one that does');
      equal(await op('ATOMIC_FETCH_AND_ADD', '0', '0'), all, 'after it');
      try {
        await a.send({ opcode: 'ATOMIC_FETCH_AND_ADD', sge: [a.sge(0, 8)], ...b.there(4), compareAdd: '1' });
      } catch (error) {
        // A provider may look before it posts.
        return equal((error as { code?: string }).code, 'EINVAL', 'posting to an address that is no multiple of 8');
      }
      equal(await a.statuses(), ['REM_INV_REQ_ERR'], 'at an address that is no multiple of 8');
    },
  },
  {
    name: 'RC: a message that is longer than its receive buffers ends both queue pairs, and both are told',
    statements: ['C9-220'],
    verbs: ['poll_cq'],
    needs: ['RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC');
      await b.recv({ wrId: 1, sge: [b.sge(0, 10)] });
      await b.recv({ wrId: 2, sge: [b.sge(0, 10)] });
      await a.send({ wrId: 1, opcode: 'SEND', sge: [a.sge(0, 11)] });
      await a.send({ wrId: 2, opcode: 'SEND' });
      equal(await a.statuses(2), ['REM_INV_REQ_ERR', 'WR_FLUSH_ERR'], 'at the sender');
      equal(
        (await b.received(2)).map((wc) => wc.status),
        ['LOC_LEN_ERR', 'WR_FLUSH_ERR'],
        'at the receiver',
      );
      equal([await a.state(), await b.state()], ['ERR', 'ERR'], 'states');
      await b.recv({ wrId: 3 });
      equal(
        (await b.received()).map((wc) => [wc.wrId, wc.status]),
        [[3, 'WR_FLUSH_ERR']],
        'what is posted later',
      );
      await a.send({ wrId: 3, opcode: 'SEND' });
      equal(await a.statuses(), ['WR_FLUSH_ERR'], 'what is sent later');
    },
  },
  {
    name: 'RC: a request without rights is answered, ends the requester, and is an event where no completion can tell it',
    statements: ['C9-222.1.1'],
    verbs: ['get_async_event'],
    needs: ['RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC');
      await a.send({ opcode: 'RDMA_WRITE', sge: [a.sge(0, 8)], remoteAddr: b.region.addr, rkey: 1 });
      equal(await a.statuses(), ['REM_ACCESS_ERR'], 'at the requester');
      await b.event('QP_ACCESS_ERR', b.qp);
      equal(await a.state(), 'ERR', 'state of the requester');
    },
  },
  {
    name: 'RC: without a receive request the sender tries again, as often as it was told to, and then gives up',
    verbs: ['modify_qp', 'post_recv'],
    needs: ['RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC');
      await a.send({ opcode: 'SEND' });
      equal(await lab.a.poll(a.scq, 1, NEVER_US), [], 'completions before a receive request is posted');
      await b.recv();
      equal(await a.statuses(), ['SUCCESS'], 'when it was posted');
      await lab.a.reset();
      await lab.b.reset();
      const [c] = await lab.pair('RC', { attr: { rnrRetry: 0 } });
      await c.send({ opcode: 'SEND' });
      equal(await c.statuses(), ['RNR_RETRY_EXC_ERR'], 'with no retries');
    },
  },
  {
    name: 'RC: without an answer a request is repeated each 4.096 µs · 2^n, as often as told, and then fails',
    statements: ['C9-139', 'C9-140'],
    verbs: ['modify_qp'],
    needs: ['RC'],
    async run(lab) {
      const timeout = 12;
      const interval = 4.096 * 2 ** timeout;
      const [a, b] = await lab.pair('RC', { attr: { timeout, retryCnt: 2 } });
      // Nobody answers for a queue pair that is not there.
      await lab.b.destroy(b.qp);
      const began = await lab.a.now();
      await a.send({ opcode: 'SEND' });
      equal(await a.statuses(), ['RETRY_EXC_ERR'], 'without an answer');
      const waited = (await lab.a.now()) - began;
      // The request and its two repetitions have each waited.
      that(waited >= 3 * interval - 1, `it failed after ${waited} µs; three intervals are ${3 * interval} µs`);
      if (lab.wire !== null) equal(lab.wire.seen.filter((s) => s.from === 'a').length, 3, 'packets sent');
      await lab.a.reset();
      await lab.b.reset();
      const [c, d] = await lab.pair('RC', { attr: { timeout: 0 } });
      await lab.b.destroy(d.qp);
      await c.send({ opcode: 'SEND' });
      equal(await lab.a.poll(c.scq, 1, 200_000), [], 'completions with timeout 0');
    },
  },
  {
    name: 'RC: a request behind a fence waits for the READs before it',
    verbs: ['post_send'],
    needs: ['RC'],
    async run(lab) {
      const [a, b] = await lab.pair('RC');
      await lab.b.fill(b.region.mr, 0, 16384, 4);
      await a.send({ opcode: 'RDMA_READ', sge: [a.sge(0, 16384)], ...b.there() });
      // Sends back what the READ has brought: without the fence, what was there before.
      await a.send({
        opcode: 'RDMA_WRITE',
        flags: SendFlags.FENCE | SendFlags.SIGNALED,
        sge: [a.sge(0, 16384)],
        ...b.there(16384),
      });
      equal(
        (await lab.a.poll(a.scq, 2, SOON_US)).map((wc) => wc.status),
        ['SUCCESS', 'SUCCESS'],
        'READ and WRITE',
      );
      const [first, second] = [await lab.b.bytes(b.region.mr, 0, 16384), await lab.b.bytes(b.region.mr, 16384, 16384)];
      that(first === second, 'the WRITE took bytes that the READ had not brought yet');
    },
  },
];
