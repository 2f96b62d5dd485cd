// The client process of the demonstration: measures one operation after the other and writes a JSON line for each.
import type { LinkKind } from '../../link/kind.ts';
import { runPerfClient } from '../perf/client.ts';
import { type PerfChoices, perfParams } from '../perf/params.ts';
import type { PerfRow } from '../perf/result.ts';
import { type DemoRow, STEPS } from './plan.ts';

export interface DemoClientOptions {
  readonly host: string;
  readonly port: number;
  readonly ip: string;
  readonly link: LinkKind;
  /** Seconds of each measurement. */
  readonly duration: number;
}

export async function runDemoClient(options: DemoClientOptions): Promise<void> {
  const measure = async (choices: PerfChoices): Promise<PerfRow> => {
    const { duration } = options;
    const params = perfParams({ ...choices, duration });
    const result = await runPerfClient({ ...options, params, warmUp: duration / 2 });
    return result.rows[0];
  };
  for (const step of STEPS) {
    const lat = await measure(step.latency);
    const bw = await measure(step.bandwidth);
    if (lat.kind !== 'lat' || bw.kind !== 'bw') throw new TypeError('a latency and a bandwidth were asked for');
    const row: DemoRow = {
      operation: step.operation,
      latency: { size: lat.size, p50: lat.typical, p99: lat.p99 },
      bandwidth: {
        size: bw.size,
        bytesPerSecond: bw.bytesPerSecond,
        messagesPerSecond: bw.messagesPerSecond,
        lost: (bw.lost ?? 0) / Math.max(1, bw.iterations + (bw.lost ?? 0)),
      },
      verified: lat.verified === true && bw.verified === true,
    };
    console.log(JSON.stringify(row));
  }
}
