// Makes a link hand over what is long in two parts, as the ring between devices of one host does with jumbos: the first bytes in a
// buffer that has nothing else, the whole elsewhere.
import { ArrivalRecord } from '../../src/link/arrival.ts';
import { JUMBO_HEAD } from '../../src/link/jumbo.ts';
import type { Arrival, Link } from '../../src/link/link.ts';

const LONG = 1024;

/** `seen` gets each of them before it is handed over, and may change it. */
export function inParts<L extends Link>(link: L, seen: (arrival: Arrival) => void = () => {}): L {
  const whole = link.poll.bind(link);
  const parts = new ArrivalRecord();
  link.poll = (receive, budget) =>
    whole((arrival) => {
      if (arrival.len < LONG) return receive(arrival);
      parts.assign(arrival);
      parts.buf = Buffer.alloc(JUMBO_HEAD);
      parts.off = 0;
      arrival.buf.copy(parts.buf, 0, arrival.off, arrival.off + JUMBO_HEAD);
      parts.body = arrival.buf;
      parts.bodyOff = arrival.off;
      seen(parts);
      receive(parts);
    }, budget);
  return link;
}
