// A peer that is slow, with much room in the queues before it: what waits there must not take longer than the retries last, or
// one packet that is lost ends the connection. (An emulated kernel at a full window had 1800 packets waiting, 0.7 s of work.)
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { WcStatus, WrOpcode } from '../../src/core/constants.ts';
import { connect, Fabric, sge } from './fabric.ts';

const SIZE = 262144;
const MESSAGES = 60;
const WINDOW = 4 << 20;
/** Bytes per microsecond: a window of 4 MiB takes 0.84 s, seven retries 0.54 s. */
const SLOW = 5;

it('a loss at a slow peer is made good within the retries', () => {
  const f = new Fabric();
  const a = f.node({ window: WINDOW });
  const b = f.node({ window: WINDOW, bandwidth: SLOW, queueBytes: 64 << 20 });
  const [qa, qb] = [a.createQp(), b.createQp()];
  connect(a, qa, b, qb, { timeout: 14, retryCnt: 7 });
  const [from, to] = [a.regMr(SIZE), b.regMr(SIZE)];
  const transmit = f.sim.transmit.bind(f.sim);
  let sent = 0;
  f.sim.transmit = (link, parcel, departed) => {
    // When the window would have grown to its most.
    if (link === a.link && parcel.len > 512 && ++sent === 8000) return;
    transmit(link, parcel, departed);
  };
  const write = { opcode: WrOpcode.RDMA_WRITE, sge: [sge(from, 0, SIZE)], remoteAddr: to.iova, rkey: to.rkey };
  for (let i = 0; i < MESSAGES; i++) a.send(qa, { wrId: i, ...write });
  f.run(60_000_000);
  assert.ok(sent > 8000);
  const statuses = a.poll(qa.sendCq).map((wc) => wc.status);
  assert.deepEqual(statuses, Array(MESSAGES).fill(WcStatus.SUCCESS));
  f.close();
});
