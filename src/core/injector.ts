// Failures made on purpose: says when the rules of fail-rule.ts apply.
import { EventType, nameOf } from './constants.ts';
import type { Rights } from './context.ts';
import type { Device } from './device.ts';
import { VerbsError } from './errors.ts';
import type { FailRule } from './fail-rule.ts';
import { type OpName, VERBS } from './mandatory.ts';
import type { VerbsObject } from './object.ts';
import type { QueuePair } from './qp.ts';

/** True with a probability: the caller's source of chance, so that a seed repeats what happens. */
export type Chance = (probability: number) => boolean;

interface Armed {
  readonly rule: FailRule;
  /** Those that have matched. */
  seen: number;
  /** Those that have failed. */
  done: number;
}

const OBJECTLESS: readonly number[] = [
  EventType.DEVICE_FATAL,
  EventType.PORT_ACTIVE,
  EventType.PORT_ERR,
  EventType.LID_CHANGE,
  EventType.PKEY_CHANGE,
  EventType.SM_CHANGE,
  EventType.CLIENT_REREGISTER,
  EventType.GID_CHANGE,
];

export class Injector {
  private readonly work: Armed[] = [];
  private readonly verbs = new Map<OpName, Armed[]>();
  private readonly timed: FailRule[] = [];
  private readonly chance: Chance;

  constructor(rules: readonly FailRule[], chance: Chance) {
    this.chance = chance;
    for (const rule of rules) {
      const armed = { rule, seen: 0, done: 0 };
      if (rule.kind === 'verb') {
        for (const op of VERBS.find(({ name }) => name === rule.verb)!.ops) {
          this.verbs.set(op, [...(this.verbs.get(op) ?? []), armed]);
        }
      } else if (rule.in !== null) this.timed.push(rule);
      else this.work.push(armed);
    }
  }

  /** Before a driver's verb is called, with its first argument: throws what a rule wants it to fail with. */
  beforeVerb(op: OpName, subject: unknown): void {
    if (isManagement(subject)) return;
    for (const armed of this.verbs.get(op) ?? []) {
      if (!this.applies(armed)) continue;
      throw new VerbsError(op, armed.rule.errno, `made to fail by the rule "${armed.rule.text}"`);
    }
  }

  /**
   * For each work request whose turn on a send queue has come: raises the events it sets off, and returns the status it
   * must end with (`WcStatus`; 0: let it go on).
   */
  workRequest(qp: QueuePair, opcode: number): number {
    let status = 0;
    if (isManagement(qp)) return 0;
    for (const armed of this.work) {
      const { rule } = armed;
      if (rule.qpn !== null && rule.qpn !== qp.qpn) continue;
      if (rule.opcode !== null && rule.opcode !== opcode) continue;
      if (!this.applies(armed)) continue;
      if (rule.kind === 'wc') status ||= rule.code;
      else raise(rule, qp);
    }
    return status;
  }

  /** Rules with `in=`: when (seconds after the start) and what to do then. */
  timedEvents(device: Device): { readonly seconds: number; readonly raise: () => void }[] {
    return this.timed.map((rule) => ({
      seconds: rule.in!,
      raise: () => {
        if (OBJECTLESS.includes(rule.code)) {
          device.raise(rule.code, null);
          return;
        }
        for (const context of device.contexts) {
          for (const qp of context.handles.ofKind('qp')) {
            if (rule.qpn === null || rule.qpn === qp.qpn) raise(rule, qp);
          }
        }
      },
    }));
  }

  private applies(armed: Armed): boolean {
    const { rule } = armed;
    if (armed.done >= rule.count) return false;
    const n = armed.seen++ - rule.after;
    if (n < 0 || n % rule.every !== 0 || (rule.probability < 1 && !this.chance(rule.probability))) return false;
    armed.done++;
    return true;
  }
}

/** Is it the host's management agent (QP1) that calls? Rules are for programs: without it none would be connected, or started. */
function isManagement(subject: unknown): boolean {
  type Owned = { readonly rights?: Rights; readonly context?: Owned; readonly pd?: Owned } | undefined;
  const it = subject as Owned;
  return (it?.pd?.context ?? it?.context ?? it)?.rights?.management === true;
}

/** Raises the rule's event for the object of its type that stands nearest to the queue pair. */
function raise({ code }: FailRule, qp: QueuePair): void {
  qp.context.device.raise(code, OBJECTLESS.includes(code) ? null : objectOf(code, qp));
}

function objectOf(code: number, qp: QueuePair): VerbsObject {
  const name = nameOf(EventType, code);
  if (name.startsWith('CQ_')) return qp.sendCq;
  return name.startsWith('SRQ_') && qp.srq !== null ? qp.srq : qp;
}
