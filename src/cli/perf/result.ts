import type { PerfParams } from './params.ts';
import type { LatencyStats } from './samples.ts';

interface Row {
  readonly size: number;
  /** Messages measured, of all QPs; with `bidirectional` of both directions. */
  readonly iterations: number;
  /** Messages that did not arrive (UC and UD), or null where none can be lost. */
  readonly lost: number | null;
  /** Whether the data was found right; null: not checked. */
  readonly verified: boolean | null;
}

export interface BandwidthRow extends Row {
  readonly kind: 'bw';
  readonly seconds: number;
  readonly bytesPerSecond: number;
  readonly peakBytesPerSecond: number;
  readonly messagesPerSecond: number;
}

/** Microseconds. */
export interface LatencyRow extends Row, LatencyStats {
  readonly kind: 'lat';
}

export type PerfRow = BandwidthRow | LatencyRow;

/** One end's device, as shown above the table. */
export interface PerfEnd {
  readonly gid: string;
  readonly mtu: number;
  readonly qpns: readonly number[];
}

export interface PerfResult {
  readonly params: PerfParams;
  readonly local: PerfEnd;
  readonly remote: PerfEnd;
  readonly rows: readonly PerfRow[];
  /** True when it was stopped before its end (SIGINT). */
  readonly interrupted: boolean;
}
