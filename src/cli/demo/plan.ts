// What the demonstration measures, and how it is shown.
import Table from 'cli-table3';
import { operationName, type PerfChoices, perfParams } from '../perf/params.ts';

/** One line of the table. */
export interface DemoRow {
  readonly operation: string;
  readonly latency: { readonly size: number; readonly p50: number; readonly p99: number };
  readonly bandwidth: {
    readonly size: number;
    readonly bytesPerSecond: number;
    readonly messagesPerSecond: number;
    /** Part of the messages that did not arrive, on UC and UD. */
    readonly lost: number;
  };
  readonly verified: boolean;
}

export const LATENCY_SIZE = 64;
const BANDWIDTH_SIZE = 1 << 20;
/** Enough in flight for the full bandwidth, and soon over when the time is. */
const LARGE_DEPTH = 16;
/** Of each measurement. */
export const SECONDS = 0.5;

interface Step {
  readonly operation: string;
  readonly latency: PerfChoices;
  readonly bandwidth: PerfChoices;
}

function step(choices: PerfChoices, size: number | undefined): Step {
  const common = { ...choices, verify: true };
  const small = choices.op === 'atomic' ? undefined : LATENCY_SIZE;
  return {
    operation: operationName(perfParams(choices)),
    latency: { ...common, lat: true, size: small },
    bandwidth: { ...common, size, txDepth: size === undefined ? undefined : LARGE_DEPTH },
  };
}

export const STEPS: readonly Step[] = [
  step({ connection: 'rc', op: 'send' }, BANDWIDTH_SIZE),
  step({ connection: 'rc', op: 'write' }, BANDWIDTH_SIZE),
  step({ connection: 'rc', op: 'read' }, BANDWIDTH_SIZE),
  step({ connection: 'rc', op: 'atomic', atomic: 'fetch_and_add' }, undefined),
  step({ connection: 'rc', op: 'atomic', atomic: 'cmp_and_swap' }, undefined),
  step({ connection: 'uc', op: 'send' }, BANDWIDTH_SIZE),
  step({ connection: 'uc', op: 'write' }, BANDWIDTH_SIZE),
  step({ connection: 'ud', op: 'send' }, undefined),
];

const sizeText = (bytes: number): string =>
  bytes >= 1 << 20 ? `${bytes >> 20} MiB` : bytes >= 1024 ? `${bytes >> 10} KiB` : `${bytes} B`;

export function demoTable(rows: readonly DemoRow[]): string {
  const table = new Table({
    head: ['operation', 'latency of', 'p50', 'p99', 'bandwidth with', '', 'lost', 'data verified'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'left'],
    style: { head: [], border: [], compact: true },
  });
  for (const { operation, latency, bandwidth, verified } of rows) {
    const { size, bytesPerSecond, messagesPerSecond, lost } = bandwidth;
    // What one asks of atomics is how many, not how many bytes.
    const rate =
      size <= 8 ? `${Math.round(messagesPerSecond / 1000)} k msgs/s` : `${(bytesPerSecond / 1e9).toFixed(2)} GB/s`;
    table.push([
      operation,
      sizeText(latency.size),
      `${latency.p50.toFixed(1)} µs`,
      `${latency.p99.toFixed(1)} µs`,
      sizeText(size),
      rate,
      lost === 0 ? '-' : `${(lost * 100).toFixed(1)} %`,
      verified ? 'yes' : 'NO',
    ]);
  }
  return table.toString();
}
