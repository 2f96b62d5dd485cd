// What a check is, and what it says with.
import type { Capability } from '../core/mandatory.ts';
import type { Lab } from './lab.ts';

/** What a device must claim, or what must be possible, for a check to be made. */
export type Need = Capability | 'RC' | 'UC' | 'UD' | 'pkeys' | 'wire';

export interface Check {
  readonly name: string;
  /** Compliance statements of the IBTA specification, quoted in public, that it judges. */
  readonly statements?: readonly string[];
  /** The verbs that it proves by using them, those of the table in core/mandatory.ts. */
  readonly verbs: readonly string[];
  readonly needs?: readonly Need[];
  run(lab: Lab): Promise<void>;
}

/** A device that does not do what it must. */
export class NotMet extends Error {
  override readonly name = 'NotMet';
}

const text = (value: unknown): string => {
  const whole = JSON.stringify(value) ?? String(value);
  return whole.length > 160 ? `${whole.slice(0, 150)}… (${whole.length} characters)` : whole;
};

export function that(holds: boolean, what: string): void {
  if (!holds) throw new NotMet(what);
}

/** Deep equality of plain data. */
export function equal(actual: unknown, expected: unknown, what: string): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    throw new NotMet(`${what}: expected ${text(expected)}, got ${text(actual)}`);
  }
}

/** The verb must fail with one of these errnos. */
export async function fails(attempt: Promise<unknown>, codes: string | readonly string[], what: string): Promise<void> {
  const allowed = [codes].flat();
  let outcome: unknown;
  try {
    outcome = await attempt;
  } catch (error) {
    const code = (error as { code?: string }).code ?? '';
    if (allowed.includes(code)) return;
    // What is not supported is told as such, whatever else was expected.
    if (code === 'EOPNOTSUPP' || code === 'ENOSYS') throw error;
    throw new NotMet(`${what}: expected ${allowed.join(' or ')}, got ${code || error}`);
  }
  throw new NotMet(`${what}: expected ${allowed.join(' or ')}, and it succeeded with ${text(outcome)}`);
}
