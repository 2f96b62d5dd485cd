// What the bench is made of: a measure is a figure of ours beside the same figure of peers.

/** A Debian program that a contender needs. */
export interface Program {
  readonly command: string;
  readonly pkg: string;
}

export interface Settings {
  /** Shorter: seconds and iterations are cut to about a third. */
  readonly quick: boolean;
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

/** What our figure divided by the peer's has to reach, and what it should. */
export interface Bar {
  readonly goal: number;
  readonly aim: number;
}

export interface Peer extends Contender {
  readonly bar: Bar;
}

export interface Ours extends Contender {
  /** Measures once under V8's CPU profiler; the profiles, by side. */
  profile(settings: Settings, dir: string): Promise<{ figure: number; profiles: { side: string; file: string }[] }>;
}

export interface Measure {
  /** As `--only` takes it. */
  readonly name: string;
  readonly title: string;
  readonly unit: 'µs' | 'GB/s';
  readonly better: 'lower' | 'higher';
  readonly ours: Ours;
  readonly peers: readonly Peer[];
}
