// What client and server of a measurement say to each other, in this order: hello, welcome, ready, ready; for each size verify
// and verified, expect and expected (if data is checked), then start, started, stop, stopped, row; bye.
import type { PerfParams } from './params.ts';
import type { PerfRow } from './result.ts';
import type { StationInfo } from './station.ts';

export const PROTOCOL = 'infinitive-perf';
/** Both ends must have the same. */
export const PROTOCOL_VERSION = 2;

export interface Hello {
  readonly type: 'hello';
  readonly protocol: string;
  readonly version: number;
  /** Of the package: for messages to people only. */
  readonly program: string;
  readonly params: PerfParams;
}

export interface Welcome {
  readonly type: 'welcome';
  /** The server's GID: the client chooses its own address by it. */
  readonly gid: string;
  readonly mtu: number;
  /** Its device's driver. */
  readonly driver: string;
}

/** Queue pairs exist; the server's are connected and have receive requests posted. */
export interface Ready {
  readonly type: 'ready';
  readonly station: StationInfo;
}

/** One message of known content follows; `prepare`: before, `check`: after it. */
export interface Verify {
  readonly type: 'verify';
  readonly step: 'prepare' | 'check';
  readonly lane: number;
  readonly size: number;
  readonly seed: number;
}

export interface Verified {
  readonly type: 'verified';
  readonly outcome: 'ok' | 'wrong' | 'missing';
}

/** The measurement with messages of `size` bytes, `iters` on each lane (null: until stop) begins. */
export interface Start {
  readonly type: 'start';
  readonly size: number;
  readonly iters: number | null;
  readonly seed: number;
}

export interface Started {
  readonly type: 'started';
}

/** The client sends no more. */
export interface Stop {
  readonly type: 'stop';
  /** What it has sent, and how many messages on each lane. */
  readonly sent: Throughput;
  readonly perLane: readonly number[];
  /** The server shall stop sending too (a duration is over, or the user has had enough). */
  readonly early: boolean;
}

/** What the server has seen. */
export interface Stopped {
  readonly type: 'stopped';
  /** Where messages may be lost: what arrived. */
  readonly received: Throughput | null;
  /** Bidirectional: the server's own messages. */
  readonly sent: Throughput | null;
  /** Whether what arrived is what was sent; null: not checked. */
  readonly intact: boolean | null;
}

export interface Throughput {
  readonly messages: number;
  readonly seconds: number;
  /** Messages per second. */
  readonly average: number;
  readonly peak: number;
}

export interface RowMessage {
  readonly type: 'row';
  readonly row: PerfRow;
}

export interface Bye {
  readonly type: 'bye';
}
