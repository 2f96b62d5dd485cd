// What the bench is made of: a measure is a figure of ours beside the same figure of peers.

/** A Debian program that a contender needs. */
export interface Program {
  readonly command: string;
  readonly pkg: string;
}

export interface Settings {
  /** Shorter: seconds and iterations are cut to about a third. */
  readonly quick: boolean;
  /** Which round this is, from 0. */
  readonly round: number;
  /** Aborted when the measurement has had its time, or the user has had enough. */
  readonly signal: AbortSignal;
}

/** Somebody who can be measured. */
export interface Contender {
  readonly name: string;
  readonly needs?: Program;
  /** One measurement, with processes of its own; the figure in the measure's unit. */
  run(settings: Settings): Promise<number>;
}

/** What has to be reached, and what should be. */
export interface Bar {
  readonly goal: number;
  readonly aim?: number;
}

export interface Peer extends Contender {
  /** For our figure divided by the peer's; without one the ratio is told and not judged. */
  readonly bar?: Bar;
}

export interface Profiled {
  readonly figure: number;
  readonly profiles: readonly { readonly side: string; readonly file: string }[];
}

export interface Ours extends Contender {
  /** Measures once under V8's CPU profiler; the profiles, by side. Not all can. */
  profile?(settings: Settings, dir: string): Promise<Profiled>;
}

export interface Measure {
  /** As `--only` takes it. */
  readonly name: string;
  readonly title: string;
  readonly unit: 'µs' | 'ms' | 'GB/s' | 'M/s' | 'KiB' | 'MiB';
  readonly better: 'lower' | 'higher';
  readonly ours: Ours;
  readonly peers: readonly Peer[];
  /** For our figure itself. */
  readonly bar?: Bar;
  /** It takes long: only when `--only` names it, in one round, of at most so many milliseconds. */
  readonly alone?: number;
}

/** For what stands in several rows: it is measured once in a round, and they all have that figure. */
export function perRound<T>(measure: (settings: Settings) => Promise<T>): (settings: Settings) => Promise<T> {
  let round = -1;
  let result: Promise<T> | null = null;
  return (settings) => {
    if (result === null || settings.round !== round) {
      round = settings.round;
      result = measure(settings);
    }
    return result;
  };
}
