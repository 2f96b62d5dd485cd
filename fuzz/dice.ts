// Chance for the fuzzer: seeded anew for each input, so that an input means the same when others before it are left out.

/** A small seeded generator (Tommy Ettinger's mulberry32). */
export class Dice {
  private state = 0;

  /** Starts again from a seed of three numbers. */
  seed(a: number, b: number, c: number): void {
    let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b);
    h = Math.imul((h ^ (h >>> 13) ^ b) | 0, 0xc2b2ae35);
    h = Math.imul((h ^ (h >>> 16) ^ c) | 0, 0x27d4eb2f);
    this.state = h ^ (h >>> 15);
  }

  u32(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** A whole number from 0 to `n` - 1. */
  below(n: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * n);
  }

  /** A whole number from `low` to `high`. */
  range(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  chance(probability: number): boolean {
    return this.u32() < probability * 0x1_0000_0000;
  }

  pick<T>(of: ArrayLike<T>): T {
    return of[this.below(of.length)];
  }

  /** Index of one of `weights`, each as likely as it is large. */
  weighted(weights: readonly number[]): number {
    let total = 0;
    for (const w of weights) total += w;
    let at = this.below(total);
    for (let i = 0; i < weights.length; i++) {
      at -= weights[i];
      if (at < 0) return i;
    }
    return weights.length - 1;
  }
}
