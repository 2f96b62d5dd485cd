// What the suite has found.
import { type OpName, VERBS } from '../core/mandatory.ts';
import type { Facts } from './side.ts';

export type Status = 'passed' | 'failed' | 'not-claimed' | 'exception';

export interface CheckResult {
  readonly area: string;
  readonly name: string;
  readonly statements: readonly string[];
  readonly verbs: readonly string[];
  readonly status: Status;
  /** Why it failed, is not claimed, or is an exception. */
  readonly reason: string | null;
  /** The verb that said, when it was used, that it is not supported. */
  readonly stub: string | null;
  readonly ms: number;
}

/** A verb, by what became of the checks that use it. */
export interface VerbResult {
  readonly name: string;
  /** `not-judged`: the device has it, and no check uses it. */
  readonly status: Status | 'not-judged';
  readonly reason: string | null;
}

export interface StatementResult {
  readonly id: string;
  readonly status: Status;
  readonly reason: string | null;
}

export interface Report {
  readonly device: string;
  readonly driver: string;
  /** `kernel-verbs`, or for `user` contexts only. */
  readonly deviceClass: 'kernel-verbs' | 'user';
  /** Mandatory verbs it lacks. */
  readonly missing: readonly string[];
  readonly passed: boolean;
  readonly counts: Readonly<Record<Status, number>>;
  /** Verbs that are there and say, when they are used, that they are not supported. */
  readonly stubs: readonly string[];
  readonly checks: readonly CheckResult[];
  readonly verbs: readonly VerbResult[];
  readonly statements: readonly StatementResult[];
}

export function reportOf(
  facts: Facts,
  checks: readonly CheckResult[],
  exceptions: Readonly<Record<string, string>>,
): Report {
  const counts = { passed: 0, failed: 0, 'not-claimed': 0, exception: 0 };
  for (const { status } of checks) counts[status]++;
  return {
    device: facts.name,
    driver: facts.driver,
    deviceClass: facts.kverbs ? 'kernel-verbs' : 'user',
    missing: facts.missing,
    passed: counts.failed === 0,
    counts,
    stubs: [...new Set(checks.flatMap(({ stub }) => stub ?? []))],
    checks,
    verbs: VERBS.map(({ name }) => verbResult(name, facts, checks)),
    statements: statementResults(checks, exceptions),
  };
}

function verbResult(name: string, facts: Facts, checks: readonly CheckResult[]): VerbResult {
  if (!facts.verbs.includes(name)) return { name, status: 'not-claimed', reason: 'the driver does not have it' };
  const users = checks.filter((c) => c.verbs.includes(name));
  const stubbed = checks.find((c) => c.stub === name);
  const failed = users.filter((c) => c.status === 'failed');
  if (stubbed !== undefined) return { name, status: 'failed', reason: stubbed.reason };
  if (failed.length > 0) return { name, status: 'failed', reason: failed.map((c) => c.name).join('; ') };
  if (users.some((c) => c.status === 'passed')) return { name, status: 'passed', reason: null };
  if (users.length > 0) return { name, status: 'not-claimed', reason: users[0].reason };
  return { name, status: 'not-judged', reason: 'no check uses it' };
}

// The worst that happened to a check of a statement is what happened to the statement.
const WORST: readonly Status[] = ['failed', 'exception', 'passed', 'not-claimed'];

function statementResults(
  checks: readonly CheckResult[],
  exceptions: Readonly<Record<string, string>>,
): StatementResult[] {
  const ids = new Set([...checks.flatMap((c) => c.statements), ...Object.keys(exceptions)]);
  return [...ids].sort(bySection).map((id) => {
    const own = checks.filter((c) => c.statements.includes(id));
    const status = WORST.find((s) => own.some((c) => c.status === s));
    if (status === undefined) return { id, status: 'exception', reason: exceptions[id] };
    return { id, status, reason: own.find((c) => c.status === status)!.reason };
  });
}

const numbersOf = (id: string): number[] => (id.match(/\d+/g) ?? []).map(Number);

function bySection(a: string, b: string): number {
  if (a[0] !== b[0]) return a < b ? -1 : 1;
  const [x, y] = [numbersOf(a), numbersOf(b)];
  for (let i = 0; i < Math.max(x.length, y.length); i++) if (x[i] !== y[i]) return (x[i] ?? -1) - (y[i] ?? -1);
  return 0;
}

/** The verb that a driver's op implements. */
export const verbOfOp = (op: string): string => VERBS.find((v) => v.ops.includes(op as OpName))?.name ?? op;
