// A loop that polls must let the event loop have its turn: for the TCP connection, signals, and links that live in it.

/** Milliseconds a loop polls on before the event loop has its turn (which takes some µs). */
const SLICE_MS = 3;
/** The clock is read every so many rounds. */
const ROUNDS = 32;

const turn = (resolve: () => void): void => {
  setImmediate(resolve);
};

export class Pace {
  private rounds = 0;
  private sliceEnd = performance.now() + SLICE_MS;
  /** True for links that receive in the event loop: polling on without a turn would find nothing. */
  private readonly eager: boolean;

  constructor(eager: boolean) {
    this.eager = eager;
  }

  /** Called after each round with the number of completions found: is it the event loop's turn? */
  due(found: number): boolean {
    if (this.eager && found === 0) return true;
    if (++this.rounds < ROUNDS) return false;
    this.rounds = 0;
    return performance.now() >= this.sliceEnd;
  }

  async turn(): Promise<void> {
    await new Promise<void>(turn);
    this.sliceEnd = performance.now() + SLICE_MS;
    this.rounds = 0;
  }
}
