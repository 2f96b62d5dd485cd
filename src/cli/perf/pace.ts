// A loop that polls owes the event loop its turn: for the TCP connection, signals, and links that live in it.

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

  /** Called after each round with the completions found: is it the event loop's turn? */
  due(found: number): boolean {
    const hopeless = this.eager && found === 0;
    if (++this.rounds < ROUNDS && !hopeless) return false;
    this.rounds = 0;
    return hopeless || performance.now() >= this.sliceEnd;
  }

  async turn(): Promise<void> {
    await new Promise<void>(turn);
    this.sliceEnd = performance.now() + SLICE_MS;
    this.rounds = 0;
  }
}
