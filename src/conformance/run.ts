// Puts a device through the checks.
import type { Check, Need } from './check.ts';
import { CHECKS } from './checks/index.ts';
import { Lab } from './lab.ts';
import type { Pair } from './machine.ts';
import { type CheckResult, type Report, reportOf, verbOfOp } from './report.ts';
import type { Facts, Side } from './side.ts';

export interface RunOptions {
  /** Opens a fresh pair for a check; the pair is closed behind it. */
  open(): Pair | Promise<Pair>;
  /** Statements (or names of checks) that are not met, each with its reason: a check of one that fails is no failure. */
  readonly exceptions?: Readonly<Record<string, string>>;
  /** Only checks whose name, area or statements contain this. */
  readonly only?: string;
  readonly onResult?: (result: CheckResult) => void;
}

/** What we do not meet, whatever the driver. */
export const EXCEPTIONS: Readonly<Record<string, string>> = {
  'C9-42': 'P_Keys of packets for QP1: no check drives a management agent',
};

const UNSUPPORTED: readonly string[] = ['EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EPROTONOSUPPORT'];

/** Runs all checks that the device's claims ask for, and reports. */
export async function runConformance(options: RunOptions): Promise<Report> {
  const exceptions = { ...EXCEPTIONS, ...options.exceptions };
  const first = await options.open();
  const facts = await first.a.facts();
  const seen = first.wire !== null;
  await first.close();
  const results: CheckResult[] = [];
  for (const check of CHECKS) {
    const { name, area, statements = [], verbs } = check;
    if (options.only !== undefined && ![name, area, ...statements].some((t) => t.includes(options.only!))) continue;
    const lacking = reasonNotToRun(check, facts, seen);
    const common = { area, name, statements, verbs };
    const result: CheckResult =
      lacking !== null
        ? { ...common, status: 'not-claimed', reason: lacking, stub: null, ms: 0 }
        : { ...common, ...(await judge(check, options, facts, exceptions)) };
    results.push(result);
    options.onResult?.(result);
  }
  return reportOf(facts, results, exceptions);
}

function reasonNotToRun(check: Check, facts: Facts, wire: boolean): string | null {
  const lacking = check.verbs.filter((verb) => !facts.verbs.includes(verb));
  if (lacking.length > 0) return `the device does not have ${lacking.join(', ')}`;
  for (const need of check.needs ?? []) {
    const reason = needReason(need, facts, wire);
    if (reason !== null) return reason;
  }
  return null;
}

function needReason(need: Need, facts: Facts, wire: boolean): string | null {
  switch (need) {
    case 'wire':
      return wire ? null : 'its packets cannot be seen from here';
    case 'pkeys':
      return facts.pkeys.filter((key) => key !== 0).length > 1 ? null : 'the port has one P_Key';
    case 'RC':
    case 'UC':
    case 'UD':
      return facts.qpTypes.includes(need) ? null : `the device does not claim ${need}`;
    default:
      return facts.capabilities.includes(need) ? null : `the device does not claim ${need}`;
  }
}

type Verdict = Pick<CheckResult, 'status' | 'reason' | 'stub' | 'ms'>;

async function judge(
  check: Check,
  options: RunOptions,
  facts: Facts,
  exceptions: Readonly<Record<string, string>>,
): Promise<Verdict> {
  const began = performance.now();
  const verdict = (status: CheckResult['status'], reason: string | null, stub: string | null = null): Verdict => ({
    ...{ status, reason, stub },
    ms: performance.now() - began,
  });
  let pair: Pair | null = null;
  try {
    pair = await options.open();
    await check.run(new Lab(named(pair.a), named(pair.b), facts, pair.wire));
    return verdict('passed', null);
  } catch (error) {
    const stub = stubOf(error);
    if (stub !== null)
      return verdict('failed', `${stub} is there, and says when it is used: ${messageOf(error)}`, stub);
    const excused = [check.name, ...(check.statements ?? [])].find((id) => id in exceptions);
    if (excused !== undefined) return verdict('exception', exceptions[excused]);
    return verdict('failed', messageOf(error));
  } finally {
    try {
      await pair?.close();
    } catch {
      // A device that has failed may not let go cleanly; that is not a second failure.
    }
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Verbs by the method of a side that calls them; `destroy` calls that of the object's kind. */
const VERB_OF: Readonly<Record<string, string>> = {
  ...{ postSend: 'post_send', postRecv: 'post_recv', poll: 'poll_cq', notify: 'req_notify_cq' },
  ...{ regMr: 'reg_user_mr', reregMr: 'rereg_user_mr', bindMw: 'bind_mw' },
};

/** The verb that answered "not supported"; null when that was not what happened. */
function stubOf(error: unknown): string | null {
  const { code, verb, method } = error as { code?: string; verb?: string; method?: string };
  if (!UNSUPPORTED.includes(code ?? '')) return null;
  return VERB_OF[method ?? ''] ?? verbOfOp(verb ?? method ?? 'a verb');
}

/** A side whose errors say which of its methods threw them. */
function named(side: Side): Side {
  return new Proxy(side, {
    get(target, name: string) {
      const method = target[name as keyof Side] as (...args: unknown[]) => Promise<unknown>;
      return async (...args: unknown[]): Promise<unknown> => {
        try {
          return await method.apply(target, args);
        } catch (error) {
          if (error instanceof Error) (error as { method?: string }).method ??= name;
          throw error;
        }
      };
    },
  });
}
