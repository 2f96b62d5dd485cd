// All operations of RC in turn, several at once, on a cable that is not kind to them; every byte is looked at.
import { type End, equal, expect, region, type Scenario, wire } from './end.ts';

const SLOT = 32768;
const AT_ONCE = 4;
const GUARD = 64;

/** The slots of `end` from `first` on, each with a pattern of its own. */
async function fillSlots(end: End, first: number, len: number, seed: number): Promise<void> {
  for (let i = 0; i < AT_ONCE; i++) await end.peer.fill('m', (first + i) * SLOT, len, seed + i);
}

async function checkSlots(end: End, first: number, len: number, seed: number): Promise<void> {
  for (let i = 0; i < AT_ONCE; i++) {
    const off = (first + i) * SLOT;
    await end.peer.check('m', off, len, seed + i);
    if (len + GUARD <= SLOT) await end.peer.untouched('m', off + len, GUARD);
  }
}

/** The longest messages come `laps` times: 500 packets and their answers each. */
export const mixed =
  (laps: number): Scenario =>
  async (a, b, env) => {
    await region(a, 'm', 20 * SLOT);
    const { addr, rkey } = await region(b, 'm', 20 * SLOT);
    // 67 ms; seven times in vain is improbable at 10 % loss, and progress starts the count anew.
    await wire(a, b, env, { both: { timeout: 14, retry: 7, rnr: 7, min_rnr: 12 } });
    const done = (n: number): Promise<unknown> => a.peer.done(n, 40_000);
    for (const [round, len] of [1, env.mtu + 1, ...Array<number>(laps).fill(SLOT)].entries()) {
      const seed = 100 * round;
      const each = { qp: 'q', mr: 'm', len, count: AT_ONCE, step: SLOT };
      await fillSlots(a, 0, len, seed);
      await b.peer.do('fill', { mr: 'm', byte: 0xee });
      for (let i = 0; i < AT_ONCE; i++)
        await b.peer.do('recv', { qp: 'q', wr: 100 + i, mr: 'm', off: i * SLOT, len: SLOT });
      await b.peer.do('recv', { qp: 'q', wr: 200, count: AT_ONCE });
      await a.peer.do('send', { ...each, op: 'SEND_WITH_IMM', wr: 10, imm: round });
      await a.peer.do('send', { ...each, op: 'RDMA_WRITE', wr: 20, raddr: addr + 4 * SLOT, rkey });
      await a.peer.do('send', { ...each, op: 'RDMA_WRITE_WITH_IMM', wr: 30, imm: 7, raddr: addr + 8 * SLOT, rkey });
      await done(3 * AT_ONCE);
      const got = await b.peer.done(2 * AT_ONCE, 10_000);
      const expected = [100, 101, 102, 103, 200, 201, 202, 203].map((wr) => [wr, wr < 200 ? round : 7]);
      equal(
        got.map(({ wr, imm }) => [wr, imm]),
        expected,
        'receives and their immediates',
      );
      for (const first of [0, 4, 8]) await checkSlots(b, first, len, seed);

      await fillSlots(b, 12, len, seed + 50);
      await a.peer.do('fill', { mr: 'm', off: 16 * SLOT, len: AT_ONCE * SLOT, byte: 0xee });
      await a.peer.do('send', { ...each, op: 'RDMA_READ', wr: 40, off: 16 * SLOT, raddr: addr + 12 * SLOT, rkey });
      await done(AT_ONCE);
      await checkSlots(a, 16, len, seed + 50);

      await b.peer.word('m', 0, 1000n);
      for (let i = 0; i < 8; i++) {
        const wr = { wr: 50 + i, mr: 'm', off: 8 * i, len: 8, raddr: addr, rkey, compare: 1 };
        await a.peer.do('send', { qp: 'q', op: 'ATOMIC_FETCH_AND_ADD', ...wr });
      }
      await done(8);
      const sums: bigint[] = [];
      for (let i = 0; i < 8; i++) sums.push(await a.peer.word('m', 8 * i));
      equal(
        sums.map(String),
        Array.from({ length: 8 }, (_, i) => String(1000 + i)),
        'what was there before each addition',
      );
      expect((await b.peer.word('m', 0)) === 1008n, 'the sum is wrong');
    }
  };
