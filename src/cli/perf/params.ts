// What a measurement is: chosen by the client, told to the server.
import { CliError, usageError } from '../errors.ts';

export type Operation = 'send' | 'write' | 'read' | 'atomic';
export const OPERATIONS: readonly Operation[] = ['send', 'write', 'read', 'atomic'];
export type AtomicKind = 'fetch_and_add' | 'cmp_and_swap';
export const ATOMICS: readonly AtomicKind[] = ['fetch_and_add', 'cmp_and_swap'];
export type ConnectionType = 'rc' | 'uc' | 'ud';
export const CONNECTIONS: readonly ConnectionType[] = ['rc', 'uc', 'ud'];
export const MTUS: readonly number[] = [256, 512, 1024, 2048, 4096];

/** As a size: as long as the path allows. */
export const PATH_MTU = 0;
const MAX_MTU = 4096;

export interface PerfParams {
  readonly op: Operation;
  readonly atomic: AtomicKind;
  /** Latency instead of bandwidth. */
  readonly lat: boolean;
  readonly connection: ConnectionType;
  /** Message sizes in bytes, one measurement each; UD also {@link PATH_MTU}. */
  readonly sizes: readonly number[];
  /** Messages per QP; null: for `duration`, or a number that suits the size. */
  readonly iters: number | null;
  /** Seconds; null: for `iters`. */
  readonly duration: number | null;
  readonly qps: number;
  readonly txDepth: number;
  readonly rxDepth: number;
  /** Path MTU in bytes; null: the largest that both ends and their networks have. */
  readonly mtu: number | null;
  readonly bidirectional: boolean;
  /** Wait for completions instead of polling for them. */
  readonly events: boolean;
  /** Messages up to so many bytes are posted inline. */
  readonly inline: number;
  /** Check the data where it arrives. */
  readonly verify: boolean;
}

const ALL_SIZES = Array.from({ length: 23 }, (_, i) => 2 << i);
/** With --all and no --iters: at most so many bytes for a size, so that the large ones do not take minutes. */
const BYTES_PER_SIZE = 256 << 20;
const MIN_ITERS = 16;
const DEFAULT_ITERS = { bw: 5000, lat: 1000 };
export const MAX_SIZE = 2 ** 30;
export const MAX_QPS = 4096;
export const MAX_INLINE = 512;
const GRH = 40;
/** CQ entries that a device has (rxe's limit). */
const MAX_CQE = 32767;

export type PerfChoices = Partial<Omit<PerfParams, 'sizes'>> & { readonly size?: number; readonly all?: boolean };

/** Fills in defaults, as perftest has them, and refuses what makes no sense. */
export function perfParams(choices: PerfChoices): PerfParams {
  const op = choices.op ?? 'send';
  const lat = choices.lat ?? false;
  const connection = choices.connection ?? 'rc';
  const qps = choices.qps ?? 1;
  const params: PerfParams = {
    op,
    atomic: choices.atomic ?? 'fetch_and_add',
    lat,
    connection,
    sizes: sizesOf(op, lat, connection, choices),
    iters: choices.iters ?? null,
    duration: choices.duration ?? null,
    qps,
    txDepth: choices.txDepth ?? 128,
    rxDepth: choices.rxDepth ?? 512,
    mtu: choices.mtu ?? null,
    bidirectional: choices.bidirectional ?? false,
    events: choices.events ?? false,
    inline: choices.inline ?? 0,
    verify: choices.verify ?? false,
  };
  checkParams(params);
  return params;
}

function sizesOf(op: Operation, lat: boolean, connection: ConnectionType, choices: PerfChoices): number[] {
  const { size, all } = choices;
  if (op === 'atomic') {
    if (all || (size !== undefined && size !== 8))
      throw usageError('atomic operations are on 8 bytes: no --size or --all');
    return [8];
  }
  if (all && size !== undefined) throw usageError('--size and --all exclude each other');
  if (all) return ALL_SIZES.filter((s) => connection !== 'ud' || s <= (choices.mtu ?? MAX_MTU));
  return [size ?? (lat ? 2 : connection === 'ud' ? PATH_MTU : 65536)];
}

/** @throws {CliError} when the parameters do not go together. The server checks what it was sent, too. */
export function checkParams(p: PerfParams): void {
  const { op, lat, connection } = p;
  if (connection === 'ud' && op !== 'send') throw usageError(`UD can only send; for --op ${op} use --connection rc`);
  if (connection === 'uc' && (op === 'read' || op === 'atomic')) {
    throw usageError(`UC has no ${op}; for --op ${op} use --connection rc`);
  }
  if (p.iters !== null && p.duration !== null) throw usageError('--iters and --duration exclude each other');
  if (lat && p.qps > 1) throw usageError('latency is measured on one QP: no --qp with --lat');
  if (lat && p.bidirectional) throw usageError('--bidirectional is for bandwidth: not with --lat');
  if (lat && op === 'write' && p.events) {
    throw usageError('write latency is measured by polling on memory: not with --events');
  }
  if (p.inline > 0 && (op === 'read' || op === 'atomic')) throw usageError(`--inline is not for --op ${op}`);
  if (p.txDepth * p.qps + p.rxDepth * p.qps > MAX_CQE) {
    throw usageError(
      `${p.qps} QPs with --tx-depth ${p.txDepth} and --rx-depth ${p.rxDepth} need more than the ${MAX_CQE} entries of a CQ`,
    );
  }
}

/** How many messages per QP a measurement takes; Infinity when a duration ends it. */
export function itersFor(p: PerfParams, size: number): number {
  if (p.duration !== null) return Number.POSITIVE_INFINITY;
  if (p.iters !== null) return p.iters;
  if (p.lat) return DEFAULT_ITERS.lat;
  if (p.sizes.length === 1) return DEFAULT_ITERS.bw;
  return Math.max(MIN_ITERS, Math.min(DEFAULT_ITERS.bw, Math.floor(BYTES_PER_SIZE / size / p.qps)));
}

/** Bytes before the message in a receive buffer. */
export const headroom = (p: PerfParams): number => (p.connection === 'ud' ? GRH : 0);

/** Whether the transport delivers each message, or fails. */
export const isReliable = (p: PerfParams): boolean => p.connection === 'rc';

const FLAGS: Readonly<Record<keyof PerfParams, string>> = {
  op: '--op',
  atomic: '--atomic',
  lat: '--lat',
  connection: '--connection',
  sizes: '--size',
  iters: '--iters',
  duration: '--duration',
  qps: '--qp',
  txDepth: '--tx-depth',
  rxDepth: '--rx-depth',
  mtu: '--mtu',
  bidirectional: '--bidirectional',
  events: '--events',
  inline: '--inline',
  verify: '--verify',
};

/** A parameter as one would give it: `--op write`, `--all`, `no --lat`. */
export function describeParam(params: Partial<PerfParams>, name: keyof PerfParams): string {
  const value = params[name];
  const flag = FLAGS[name];
  if (value === true) return flag;
  if (value === false || value === null || value === undefined) return `no ${flag}`;
  return Array.isArray(value) && value.length > 1 ? '--all' : `${flag} ${value}`;
}

/** `RC SEND`, `RC ATOMIC fetch_and_add`. */
export function operationName(p: PerfParams): string {
  const name = p.op === 'atomic' ? `ATOMIC ${p.atomic}` : p.op.toUpperCase();
  return `${p.connection.toUpperCase()} ${name}`;
}

/** Checks what a client has sent: it may be another program, and sizes become memory. */
export function checkShape(value: unknown): PerfParams {
  const p = value as PerfParams;
  const integer = (n: unknown, min: number, max: number): boolean =>
    Number.isInteger(n) && (n as number) >= min && (n as number) <= max;
  const fits =
    typeof p === 'object' &&
    p !== null &&
    OPERATIONS.includes(p.op) &&
    ATOMICS.includes(p.atomic) &&
    CONNECTIONS.includes(p.connection) &&
    Array.isArray(p.sizes) &&
    p.sizes.length >= 1 &&
    p.sizes.length <= 64 &&
    p.sizes.every((size) => integer(size, p.connection === 'ud' ? PATH_MTU : 1, MAX_SIZE)) &&
    integer(p.qps, 1, MAX_QPS) &&
    integer(p.txDepth, 1, MAX_CQE) &&
    integer(p.rxDepth, 1, MAX_CQE) &&
    integer(p.inline, 0, MAX_INLINE) &&
    (p.mtu === null || MTUS.includes(p.mtu)) &&
    [p.lat, p.bidirectional, p.events, p.verify].every((flag) => typeof flag === 'boolean');
  if (!fits) throw new CliError('the client sent parameters that make no sense');
  checkParams(p);
  return p;
}

/** Bytes of the longest message there may be. */
export const longest = ({ connection, sizes }: PerfParams): number =>
  Math.max(...sizes, connection === 'ud' ? MAX_MTU : 0);
