// Programs and networks to try: what fast-check draws, and shrinks when something is wrong.
import fc from 'fast-check';

export const OPERATIONS = [
  'send',
  'sendImm',
  'sendInv',
  'write',
  'writeImm',
  'read',
  'swap',
  'add',
  'atomicWrite',
  'bind',
  'invalidate',
  'unknown',
] as const;
export type Operation = (typeof OPERATIONS)[number];
export type Fault = 'none' | 'lkey' | 'rkey' | 'range' | 'odd' | 'short';

/** One thing the program does: on node `side`, with its QP number `qp`. */
export type Act =
  | {
      readonly act: 'post';
      readonly op: Operation;
      readonly side: number;
      readonly qp: number;
      readonly size: number;
      readonly at: number;
      readonly flags: number;
      readonly window: boolean;
      readonly pieces: number;
      readonly fault: Fault;
    }
  | {
      readonly act: 'recv';
      readonly side: number;
      readonly qp: number;
      readonly room: number;
      readonly allowed: boolean;
    }
  | { readonly act: 'dereg' | 'deregSource' | 'error'; readonly side: number; readonly qp: number }
  | { readonly act: 'reset'; readonly qp: number }
  | { readonly act: 'wait'; readonly us: number };

export interface Scenario {
  readonly seed: number;
  readonly pathMtu: number;
  readonly loss: number;
  readonly duplicate: number;
  readonly reorder: number;
  readonly corrupt: number;
  readonly jitterUs: number;
  readonly window: number;
  readonly qps: number;
  readonly sharedCq: boolean;
  readonly srq: readonly [boolean, boolean];
  readonly maxRdAtomic: number;
  readonly rnrRetry: number;
  /** Without one on a network that loses nothing, nothing may wait for it. */
  readonly ackTimer: boolean;
  readonly signalAll: boolean;
  /** Do responders announce how many receive requests they have? */
  readonly credits: boolean;
  /** Does the program avoid what cannot succeed, as the use of a window that is not bound? */
  readonly careful: boolean;
  readonly acts: readonly Act[];
}

/** Bytes of the memory that a peer reaches; the last 64 of them are for ATOMICs. */
export const STORE = 12 * 1024;
export const CELLS = STORE - 64;
export const ROOM = 10_000;
const LONGEST = 9000;

const side = fc.nat(1);
const qp = fc.nat(2);
const size = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(0, 1, 3, 255, 256, 257, 1024, 4096, 4097, 8192) },
  { weight: 3, arbitrary: fc.nat(LONGEST) },
);
const never = <T>(usual: T, weight: number, ...rare: T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...rare) });

function acts(hostile: boolean): fc.Arbitrary<readonly Act[]> {
  const post = fc.record({
    act: fc.constant('post' as const),
    op: fc.constantFrom(...OPERATIONS.slice(0, hostile ? undefined : -1)),
    side,
    qp,
    size,
    at: fc.nat(CELLS - LONGEST),
    flags: fc.nat(15),
    window: fc.boolean(),
    pieces: fc.integer({ min: 1, max: 3 }),
    fault: hostile ? never<Fault>('none', 25, 'lkey', 'rkey', 'range', 'odd', 'short') : fc.constant<Fault>('none'),
  });
  const recv = fc.record({
    act: fc.constant('recv' as const),
    side,
    qp,
    room: hostile ? never(ROOM, 12, 0, 100, 5000) : fc.constant(ROOM),
    allowed: hostile ? never(true, 25, false) : fc.constant(true),
  });
  const wait = fc.record({ act: fc.constant('wait' as const), us: fc.constantFrom(0.5, 3, 20, 300, 3000) });
  const trouble: fc.Arbitrary<Act> = fc.oneof(
    fc.record({ act: fc.constantFrom('dereg' as const, 'deregSource' as const, 'error' as const), side, qp }),
    fc.record({ act: fc.constant('reset' as const), qp }),
  );
  return fc.array(
    fc.oneof(
      { weight: 12, arbitrary: post },
      { weight: 7, arbitrary: recv },
      { weight: 4, arbitrary: wait },
      { weight: hostile ? 1 : 0, arbitrary: trouble },
    ),
    { minLength: 1, maxLength: 70, size: 'max' },
  );
}

const chance = (max: number): fc.Arbitrary<number> =>
  fc.oneof(
    fc.constant(0),
    fc.integer({ min: 0, max: max * 100 }).map((n) => n / 100),
  );

/** `hostile`: with what a program should not do, and what a peer should not let it. */
export function scenarios(hostile: boolean): fc.Arbitrary<Scenario> {
  return fc.record({
    seed: fc.integer({ min: 0, max: 0x7fffffff }),
    pathMtu: fc.integer({ min: 1, max: 5 }),
    loss: chance(0.2),
    duplicate: chance(0.2),
    reorder: chance(0.2),
    corrupt: chance(0.2),
    jitterUs: fc.constantFrom(0, 3),
    window: fc.constantFrom(8 * 1024, 64 * 1024, 1024 * 1024),
    qps: fc.integer({ min: 1, max: 3 }),
    sharedCq: fc.boolean(),
    srq: fc.tuple(fc.boolean(), fc.boolean()),
    maxRdAtomic: fc.constantFrom(1, 2, 4, 16),
    rnrRetry: never(7, 4, 0, 1, 3),
    ackTimer: fc.boolean(),
    signalAll: fc.boolean(),
    credits: fc.boolean(),
    careful: fc.constant(!hostile),
    acts: acts(hostile),
  });
}
