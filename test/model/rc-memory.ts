// What memory may hold, by the model of reliable connections: requests are carried out in order, each once; the bytes of
// those whose outcome is not known may be there or not.
import { WrOpcode as O } from '../../src/core/constants.ts';
import type { End } from './rc-model.ts';
import { executed } from './rc-settled.ts';
import { ATOMICS, demand, U64, WRITES, type Wr } from './rc-wr.ts';

/** `end`'s peer's memory after the first `n` requests of `end`. */
function stored(end: End, n: number): Buffer {
  const out = Buffer.from(end.peer.image);
  for (const w of end.sq.slice(0, n)) {
    if (!w.inRange || !w.aligned) continue;
    if (WRITES.includes(w.op)) w.data.copy(out, w.at);
    else if (ATOMICS.includes(w.op)) out.writeBigUInt64LE(result(w, out.readBigUInt64LE(w.at)), w.at);
  }
  return out;
}

function result(w: Wr, value: bigint): bigint {
  if (w.op === O.ATOMIC_FETCH_AND_ADD) return (value + w.compareAdd) & U64;
  return value === w.compareAdd ? w.swap : value;
}

/** May `bytes` stand at `at` when the first `n` requests are done and those before `before` perhaps? Judged byte by byte. */
function possible(end: End, bytes: Buffer, at: number, n: number, before: number): boolean {
  const sure = stored(end, n).subarray(at, at + bytes.length);
  if (bytes.equals(sure)) return true;
  const others: [from: number, data: Buffer][] = [];
  for (let i = n; i < before; i++) {
    const w = end.sq[i];
    if (!w.inRange || !w.aligned) continue;
    if (WRITES.includes(w.op)) others.push([w.at - at, w.data]);
    else if (ATOMICS.includes(w.op)) others.push([w.at - at, stored(end, i + 1).subarray(w.at, w.at + 8)]);
  }
  return bytes.every((b, i) => b === sure[i] || others.some(([from, data]) => data[i - from] === b));
}

/**
 * What a READ or ATOMIC brought. All that precedes it has been carried out; what follows a READ may already have been,
 * up to the next fence (IBTA table 79). An ATOMIC is carried out once, in its turn.
 */
export function checkFetched(end: End, id: number, bytes: Buffer): void {
  const i = end.sq.findIndex((w) => w.id === id);
  const w = end.sq[i];
  const fence = w.op === O.RDMA_READ ? end.sq.findIndex((s, j) => j > i && s.fence) : i;
  const before = fence < 0 ? end.sq.length : fence;
  demand(possible(end, bytes, w.at, i, before), `what request ${id} brought was never there`);
}

/** What the memory of `end`'s peer holds when nothing goes on any more. */
export function checkMemory(end: End, store: Buffer): void {
  const before = Math.min(end.reach + 1, end.sq.length);
  demand(possible(end, store, 0, executed(end), before), 'memory holds what no order of the requests gives');
}
