// A READ that is asked for again, as Linux rxe answers it (duplicate_request in rxe_resp.c): only what lies within one READ
// that it was asked for before, and no further back than that was last repeated from. Anything else it drops without a word.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { WcStatus, WrOpcode } from '../../src/core/constants.ts';
import type { Parcel } from '../../src/link/parcel.ts';
import { Random } from '../../src/link/random.ts';
import type { SimLink } from '../../src/link/sim-link.ts';
import { psnDiff } from '../../src/transport/psn.ts';
import { BTH_LEN, bthOpcode, bthPsn } from '../../src/wire/bth.ts';
import { RC_READ_REQUEST } from '../../src/wire/opcodes.ts';
import { rethDmaLen, rethVa } from '../../src/wire/reth.ts';
import { connect, Fabric, fill, sge } from './fabric.ts';

const MTU = 1024;
const BYTES = 256 * 1024;
const FIRST_PSN = 0xfffff0;

/** What rxe remembers of a READ (struct resp_res). */
interface Resource {
  readonly first: number;
  readonly last: number;
  readonly length: number;
  from: number;
}

/** Does rxe answer this READ request? Keeps as many resources as `max`. */
function answers(
  resources: Resource[],
  expected: { psn: number },
  max: number,
  psn: number,
  va: number,
  length: number,
): boolean {
  const packets = Math.max(1, Math.ceil(length / MTU));
  const last = (psn + packets - 1) & 0xffffff;
  if (psn === expected.psn) {
    expected.psn = (last + 1) & 0xffffff;
    resources.push({ first: psn, last, length, from: va });
    if (resources.length > max) resources.shift();
    return true;
  }
  // What is ahead of its turn is NAKed.
  if (psnDiff(psn, expected.psn) > 0) return true;
  const of = resources.find((r) => psnDiff(psn, r.first) >= 0 && psnDiff(psn, r.last) <= 0);
  if (of === undefined || va < of.from || length > of.length || va + length > of.from + of.length) return false;
  of.from = va;
  return true;
}

for (const loss of [0.01, 0.05, 0.1]) {
  it(`a long READ with ${loss * 100} % lost each way is repeated in such a way that rxe answers`, () => {
    let repeated = 0;
    for (let seed = 1; seed <= 10; seed++) {
      const f = new Fabric({ seed });
      const [a, b] = [f.node(), f.node()];
      const [qa, qb] = [a.createQp(), b.createQp()];
      connect(a, qa, b, qb, { maxRdAtomic: 4, maxDestRdAtomic: 4 });
      const into = a.regMr(BYTES);
      const from = b.regMr(fill(Buffer.alloc(BYTES), seed));
      const random = new Random(seed);
      const resources: Resource[] = [];
      const expected = { psn: FIRST_PSN };
      const refused: string[] = [];
      const transmit = f.sim.transmit.bind(f.sim);
      f.sim.transmit = (link: SimLink, parcel: Parcel, departed: number) => {
        if (random.chance(loss)) return;
        const { buf } = parcel;
        if (link === a.link && bthOpcode(buf, 0) === RC_READ_REQUEST) {
          const [psn, va, length] = [bthPsn(buf, 0), rethVa(buf, BTH_LEN), rethDmaLen(buf, BTH_LEN)];
          if (!answers(resources, expected, 4, psn, va, length)) {
            refused.push(`PSN ${psn}, ${length} bytes at ${va - from.iova}`);
            return;
          }
        }
        transmit(link, parcel, departed);
      };
      a.send(qa, { opcode: WrOpcode.RDMA_READ, sge: [sge(into, 0, BYTES)], remoteAddr: from.iova, rkey: from.rkey });
      f.run(60_000_000);
      assert.deepEqual(refused, [], `seed ${seed}`);
      const [done] = a.poll(qa.sendCq);
      assert.equal(done?.status, WcStatus.SUCCESS, `seed ${seed}`);
      assert.ok(into.bytes.equals(from.bytes), `seed ${seed}`);
      repeated += a.rxe.engine.counters.retransmitted_pkts;
      f.close();
    }
    assert.ok(repeated > 0);
  });
}
