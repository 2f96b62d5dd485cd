// A registered device: its driver's verbs, its tables of keys and addresses, and who uses it.
import { EventType, QpType } from './constants.ts';
import type { Context } from './context.ts';
import type { DeviceAttributes, DriverOps } from './driver.ts';
import { VerbsError } from './errors.ts';
import { deliver } from './events.ts';
import type { Extension } from './extension.ts';
import { GidTable } from './gid.ts';
import { noneOfEach } from './handles.ts';
import type { Injector } from './injector.ts';
import { KeyTable } from './keys.ts';
import { type Capability, missingMandatory, OP_NAMES, type OpName, VERBS } from './mandatory.ts';
import { MulticastTable } from './multicast.ts';
import type { ObjectKind, VerbsObject } from './object.ts';
import { PkeyTable } from './pkey.ts';

export interface DeviceOptions {
  /** The driver's name: `rxe`. */
  readonly driver?: string;
  /** Capabilities claimed besides those that the attributes and QP types imply. */
  readonly capabilities?: readonly Capability[];
  /** `QpType`s that the driver makes; RC, UC, UD and GSI unless told. */
  readonly qpTypes?: readonly number[];
  /** Entries of the GID table (`gid_tbl_len`) and of the P_Key table. */
  readonly gidTableLength?: number;
  readonly pkeyTableLength?: number;
  readonly extensions?: readonly Extension[];
  /** Failures made on purpose. */
  readonly injector?: Injector | undefined;
}

/** A driver's verbs, or what makes them: called with the device, whose tables the driver's engine will want. */
export type DriverSource = Partial<DriverOps> | ((device: Device) => Partial<DriverOps>);

export class Device {
  readonly name: string;
  readonly driver: string;
  /** The driver's verbs. One that it has not throws EOPNOTSUPP. */
  readonly ops: DriverOps;
  readonly keys = new KeyTable();
  readonly contexts = new Set<Context>();
  readonly gids: GidTable;
  readonly pkeys: PkeyTable;
  readonly mcast = new MulticastTable();
  readonly qpTypes: readonly number[];
  readonly extensions: readonly Extension[];
  readonly injector: Injector | null;
  /** What it claims, with what its attributes imply once it is registered. */
  readonly capabilities: Set<Capability>;
  /** Live objects of all contexts. */
  readonly counts: Record<ObjectKind, number> = noneOfEach();
  /** The mandatory verbs that the driver lacks: with any, the device is for user contexts only. */
  readonly missingVerbs: readonly string[];
  registered = false;
  private readonly present: ReadonlySet<OpName>;
  private cachedAttributes: DeviceAttributes | null = null;

  constructor(name: string, source: DriverSource, options: DeviceOptions = {}) {
    this.name = name;
    this.driver = options.driver ?? name.replace(/\d+$/, '');
    this.gids = new GidTable(options.gidTableLength ?? 128);
    this.pkeys = new PkeyTable(options.pkeyTableLength ?? 1);
    this.qpTypes = options.qpTypes ?? [QpType.RC, QpType.UC, QpType.UD, QpType.GSI];
    this.extensions = options.extensions ?? [];
    this.injector = options.injector ?? null;
    this.capabilities = new Set(options.capabilities);
    this.gids.onChange = () => this.raise(EventType.GID_CHANGE, null);
    this.pkeys.onChange = () => this.raise(EventType.PKEY_CHANGE, null);
    const given = typeof source === 'function' ? source(this) : source;
    this.present = new Set(OP_NAMES.filter((op) => typeof given[op] === 'function'));
    this.missingVerbs = missingMandatory((op) => this.has(op));
    this.ops = this.complete(given);
  }

  /** Kernel-verbs class (`kverbs_provider`): it has the whole mandatory set, and in-process consumers may use it. */
  get kverbs(): boolean {
    return this.missingVerbs.length === 0;
  }

  has(op: OpName): boolean {
    return this.present.has(op);
  }

  /** The device's attributes; a driver is asked once. */
  get attributes(): DeviceAttributes {
    this.cachedAttributes ??= this.ops.queryDevice();
    return this.cachedAttributes;
  }

  /** Raises an asynchronous event: to the object's context, or to all when it concerns the port or the device. */
  raise(type: number, object: VerbsObject | null): void {
    deliver(type, object, this.contexts);
  }

  /** EOPNOTSUPP when the driver lacks the verb: for those that check arguments before they call it. */
  require(op: OpName): void {
    if (!this.present.has(op)) this.absent(op);
  }

  private complete(given: Partial<DriverOps>): DriverOps {
    const ops: Partial<Record<OpName, unknown>> = {};
    for (const op of OP_NAMES) ops[op] = this.present.has(op) ? this.injected(op, given) : () => this.absent(op);
    return ops as DriverOps;
  }

  private injected(op: OpName, given: Partial<DriverOps>): unknown {
    const verb = (given[op] as (...args: unknown[]) => unknown).bind(given);
    const { injector } = this;
    if (injector === null) return verb;
    return (...args: unknown[]) => {
      injector.beforeVerb(op, args[0]);
      return verb(...args);
    };
  }

  // The one place where an absent verb answers.
  private absent(op: OpName): never {
    const verb = VERBS.find((v) => v.ops.includes(op))!.name;
    throw new VerbsError(op, 'EOPNOTSUPP', `driver ${this.driver} of device ${this.name} has no verb ${verb}`);
  }
}
