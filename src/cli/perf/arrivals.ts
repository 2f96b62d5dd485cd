// What has arrived where messages may be lost (UC, UD). WRITEs of UC leave no completions, so that their packets are counted.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Device } from '../../api/index.ts';
import type { Throughput } from './protocol.ts';
import { mtuOf, type Station } from './station.ts';

/** How long nothing arrives when packets under way are taken to have come, or to be lost. */
const QUIET_MS = 20;
const QUIET_ROUNDS = 50;

/** Packets of messages (a jumbo counts as its MTUs): what asks how far the receiver is (docs/lossless.md) is none. */
function arrived({ counters }: Device): number {
  return counters.rcvd_pkts - counters.rcvd_probes;
}

/** Late packets of one measurement must not be taken for ones of the next. */
export async function untilQuiet(device: Device): Promise<void> {
  let before = -1;
  for (let i = 0; i < QUIET_ROUNDS && arrived(device) !== before; i++) {
    before = arrived(device);
    await sleep(QUIET_MS);
  }
}

/** Counts messages by their packets, from when it is made. */
export class Arrivals {
  private readonly station: Station;
  private readonly size: number;
  private readonly before: number;

  constructor(station: Station, size: number) {
    this.station = station;
    this.size = size;
    this.before = arrived(station.device);
  }

  /** At most `sent` of them, in the sender's time: when they arrived is not known. */
  throughput(sent: Throughput): Throughput {
    const { device, lanes } = this.station;
    const packets = arrived(device) - this.before;
    const each = Math.max(1, Math.ceil(this.size / mtuOf(lanes[0])));
    const messages = Math.min(sent.messages, Math.floor(packets / each));
    const share = sent.messages === 0 ? 0 : messages / sent.messages;
    return { messages, seconds: sent.seconds, average: sent.average * share, peak: sent.peak * share };
  }
}
