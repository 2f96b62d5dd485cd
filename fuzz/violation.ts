/** Something that must never happen has happened. */
export class Violation extends Error {
  /** What kind it is: failures of one kind are counted together. */
  readonly rule: string;

  constructor(rule: string, detail: string) {
    super(`${rule}: ${detail}`);
    this.rule = rule;
  }
}

export function violated(rule: string, detail: string): never {
  throw new Violation(rule, detail);
}
