// Leaves inputs out of a failing history for as long as it fails in the same way, and keeps the packets of what remains.
import { writeFileSync } from 'node:fs';
import { buildFrame, type FrameAddresses } from '../src/wire/frame.ts';
import { PcapngWriter } from '../src/wire/pcapng-writer.ts';
import type { Traced } from './delivery.ts';
import { Epoch } from './epoch.ts';
import { captureCorpus } from './pool.ts';
import { EPOCH_INPUTS, type Failure } from './run.ts';
import { Violation } from './violation.ts';

export interface Shrunk {
  /** Indices of the inputs that are needed. */
  readonly inputs: readonly number[];
  /** What each of them was. */
  readonly log: readonly string[];
  readonly packets: readonly Traced[];
  readonly error: Error | null;
}

const corpus = captureCorpus();

function replay(failure: Failure, inputs: readonly number[], keep: boolean): Shrunk {
  const epoch = new Epoch(failure.seed, failure.epoch, corpus);
  const { world } = epoch;
  const packets: Traced[] = [];
  const log: string[] = [];
  if (keep) {
    world.log = log;
    world.delivery.trace = packets;
  }
  let error: Error | null = null;
  try {
    for (const input of inputs) epoch.step(input);
    epoch.finish();
  } catch (e) {
    error = e as Error;
  }
  return { inputs, log, packets, error };
}

const same = (a: Error | null, b: Error): boolean =>
  a !== null && (b instanceof Violation ? a instanceof Violation && a.rule === b.rule : a.message === b.message);

/** Zeller's ddmin, for at most `seconds`. */
export function shrink(failure: Failure, seconds: number): Shrunk {
  const until = performance.now() + seconds * 1000;
  const last = Math.min(failure.input, EPOCH_INPUTS - 1);
  let inputs = Array.from({ length: last + 1 }, (_, i) => i);
  let chunk = Math.ceil(inputs.length / 2);
  while (performance.now() < until) {
    let less = false;
    for (let at = 0; at < inputs.length && performance.now() < until; ) {
      const rest = [...inputs.slice(0, at), ...inputs.slice(at + chunk)];
      if (same(replay(failure, rest, false).error, failure.error)) {
        inputs = rest;
        less = true;
      } else at += chunk;
    }
    if (chunk === 1 && !less) break;
    if (chunk > 1) chunk = Math.ceil(chunk / 2);
  }
  return replay(failure, inputs, true);
}

const MAC_SELF = Uint8Array.of(2, 0, 0, 0, 0, 1);
const MAC_PEER = Uint8Array.of(2, 0, 0, 0, 0, 2);

/** The packets as a capture file, at most the last `most`. */
export function savePackets(file: string, failure: Failure, packets: readonly Traced[], most = 1000): void {
  const writer = new PcapngWriter({
    application: 'infinitive fuzz',
    comment: `seed ${failure.seed}, epoch ${failure.epoch}: ${failure.error.message}`,
  });
  const frame = Buffer.alloc(9000);
  const own = [Uint8Array.of(0xfd, ...new Uint8Array(14), 1), Uint8Array.of(10, 0, 0, 1)];
  for (const { incoming, at, local, remote, group, bytes } of packets.slice(-most)) {
    const here = group ?? own[remote.length === 4 ? 1 : local === 1 ? 1 : 0];
    if (here.length !== remote.length) continue;
    const addresses: FrameAddresses = {
      srcMac: incoming ? MAC_PEER : MAC_SELF,
      dstMac: incoming ? MAC_SELF : MAC_PEER,
      srcIp: incoming ? remote : here,
      dstIp: incoming ? here : remote,
      sport: 4791,
      dport: 4791,
      tos: 0,
      ttl: 64,
    };
    const length = buildFrame(frame, 0, addresses, 0, true, bytes, 0, bytes.length);
    writer.writePacket(Math.floor(at / 1e6), Math.floor((at % 1e6) * 1000), frame, 0, length);
  }
  writeFileSync(file, Buffer.concat(writer.take()));
}
