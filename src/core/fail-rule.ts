// The grammar of failures made on purpose, which a program would otherwise hardly ever meet.
//
//   rule  = "wc:" STATUS [ "@" conditions ]              a work request ends with this status (ibv_wc_status)
//         | "verb:" VERB "=" ERRNO [ "@" conditions ]    a verb fails with this errno
//         | "event:" TYPE [ "@" conditions ]             an asynchronous event is raised (ibv_event_type)
//   conditions, separated by commas:
//     qp=N | qp=*     of this queue pair only (wc, event)                               default *
//     op=OPCODE       work requests of this opcode only: SEND, RDMA_WRITE, … (wc, event)
//     after=N         the first N that match pass                                       default 0
//     every=N         then each N-th                                                    default 1
//     count=N | *     so often at most                                                  default 1
//     p=P             with this probability only (0.01 or 1%)                           default 1
//     in=S            event only: S seconds after the start, whatever the traffic
import { constants } from 'node:os';
import { EventType, WcStatus, WrOpcode } from './constants.ts';
import { type ErrnoName, VerbsError } from './errors.ts';
import { VERBS } from './mandatory.ts';

export type FailKind = 'wc' | 'verb' | 'event';

export interface FailRule {
  /** As it was written. */
  readonly text: string;
  readonly kind: FailKind;
  /** `WcStatus` or `EventType`; 0 for a verb. */
  readonly code: number;
  /** The verb's name (`create_qp`); empty for others. */
  readonly verb: string;
  readonly errno: ErrnoName;
  /** null: all. */
  readonly qpn: number | null;
  /** `WrOpcode`; null: all. */
  readonly opcode: number | null;
  readonly after: number;
  readonly every: number;
  /** Infinity: no limit. */
  readonly count: number;
  readonly probability: number;
  /** Seconds after the start; null: with a work request. */
  readonly in: number | null;
}

const ALLOWED: Readonly<Record<FailKind, readonly string[]>> = {
  wc: ['qp', 'op', 'after', 'every', 'count', 'p'],
  verb: ['after', 'every', 'count', 'p'],
  event: ['qp', 'op', 'after', 'every', 'count', 'p', 'in'],
};

/**
 * Parses one rule.
 *
 * @throws {VerbsError} EINVAL, with what is wrong and what is allowed.
 * @example
 * parseFailRule('wc:RNR_RETRY_EXC_ERR@qp=*,after=100');
 * parseFailRule('verb:create_qp=ENOMEM@after=2');
 * parseFailRule('event:PORT_ERR@in=5');
 */
export function parseFailRule(text: string): FailRule {
  const refuse = (message: string): never => {
    throw new VerbsError('fail', 'EINVAL', `rule "${text}": ${message}`);
  };
  const [head, tail, more] = text.split('@');
  if (more !== undefined) refuse('one @ separates what fails from its conditions');
  const colon = head.indexOf(':');
  const kind = head.slice(0, Math.max(0, colon)) as FailKind;
  if (!Object.hasOwn(ALLOWED, kind)) refuse('it begins with wc:, verb: or event:');
  const what = head.slice(colon + 1);
  const given = conditionsOf(tail, kind, refuse);
  const whole = (name: string, least: number, otherwise: number): number => {
    const value = given.get(name);
    if (value === undefined) return otherwise;
    const n = Number(value);
    if (!/^(0x[0-9a-f]+|\d+)$/i.test(value) || !Number.isSafeInteger(n) || n < least) {
      refuse(`${name}=${value}: a whole number from ${least} on is wanted`);
    }
    return n;
  };
  const star = (name: string): boolean => given.get(name) === '*';
  return {
    text,
    kind,
    ...target(kind, what, refuse),
    qpn: star('qp') || !given.has('qp') ? null : whole('qp', 0, 0),
    opcode: given.has('op') ? lookUp(WrOpcode, given.get('op')!, 'IBV_WR_', 'opcode', refuse) : null,
    after: whole('after', 0, 0),
    every: whole('every', 1, 1),
    count: star('count') ? Number.POSITIVE_INFINITY : whole('count', 1, 1),
    probability: probabilityOf(given.get('p'), refuse),
    in: secondsOf(given.get('in'), refuse),
  };
}

type Refuse = (message: string) => never;

function conditionsOf(text: string | undefined, kind: FailKind, refuse: Refuse): Map<string, string> {
  const given = new Map<string, string>();
  if (text === undefined) return given;
  for (const part of text.split(',')) {
    const [name, value] = part.split('=');
    if (!ALLOWED[kind].includes(name)) refuse(`condition "${part}": ${kind} has ${ALLOWED[kind].join(', ')}`);
    if (value === undefined || value === '') refuse(`condition "${part}": a value is wanted`);
    if (given.has(name)) refuse(`condition ${name} stands there twice`);
    given.set(name, value);
  }
  return given;
}

function target(kind: FailKind, what: string, refuse: Refuse): Pick<FailRule, 'code' | 'verb' | 'errno'> {
  if (kind === 'event') {
    return { code: lookUp(EventType, what, 'IBV_EVENT_', 'event', refuse), verb: '', errno: 'EIO' };
  }
  if (kind === 'wc') {
    const code = lookUp(WcStatus, what, 'IBV_WC_', 'status', refuse);
    if (code === WcStatus.SUCCESS) refuse('SUCCESS is no failure');
    return { code, verb: '', errno: 'EIO' };
  }
  const [verb, errno] = what.split('=');
  // What takes away must succeed: a driver that keeps what it was told to destroy is broken in a way of its own.
  const verbs = VERBS.filter(({ name, ops }) => ops.length > 0 && !/^(de|un)/.test(name)).map(({ name }) => name);
  if (!verbs.includes(verb)) refuse(`verb "${verb}" is unknown; there are ${verbs.join(', ')}`);
  if (errno === undefined || !Object.hasOwn(constants.errno, errno)) {
    refuse(`"${errno ?? ''}" is no errno; ENOMEM, EAGAIN, EINVAL, … are: verb:${verb}=ENOMEM`);
  }
  return { code: 0, verb, errno: errno as ErrnoName };
}

/** Names as libibverbs has them, with or without its prefix; a status also without `_ERR`. */
function lookUp(
  table: Readonly<Record<string, number>>,
  text: string,
  prefix: string,
  what: string,
  refuse: Refuse,
): number {
  const name = text.toUpperCase().replace(prefix, '');
  const value = table[name] ?? table[`${name}_ERR`];
  if (value === undefined) refuse(`${what} "${text}" is unknown; there are ${Object.keys(table).join(', ')}`);
  return value;
}

function probabilityOf(text: string | undefined, refuse: Refuse): number {
  if (text === undefined) return 1;
  const p = text.endsWith('%') ? Number(text.slice(0, -1)) / 100 : Number(text);
  if (!(p > 0 && p <= 1)) refuse(`p=${text}: a probability above 0 and up to 1, or 100%, is wanted`);
  return p;
}

function secondsOf(text: string | undefined, refuse: Refuse): number | null {
  if (text === undefined) return null;
  const seconds = Number(text.replace(/s$/, ''));
  if (!(seconds >= 0 && seconds < 1e6)) refuse(`in=${text}: seconds are wanted`);
  return seconds;
}
