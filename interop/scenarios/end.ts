// One end of a scenario: a peer, the address it is at, and what all scenarios do with it.
import type { Args, Peer } from '../peer/peer.ts';

export interface End {
  readonly peer: Peer;
  readonly gid: string;
  readonly sgid: number;
}

export interface Env {
  readonly mtu: number;
  readonly family: 4 | 6;
}

/** A scenario: `a` asks, `b` answers; any of the two may be any peer. Throws when something is not as it should be. */
export type Scenario = (a: End, b: End, env: Env) => Promise<void>;

export const Access = { LOCAL_WRITE: 1, REMOTE_WRITE: 2, REMOTE_READ: 4, REMOTE_ATOMIC: 8, MW_BIND: 16 } as const;
export const ALL = 0x1f;
export const QKEY = 0x11111111;

export interface Region {
  readonly addr: number;
  readonly rkey: number;
}

interface Qp {
  readonly qpn: number;
  readonly psn: number;
}

export interface Connected {
  readonly a: Qp;
  readonly b: Qp;
}

export interface WireOptions {
  readonly type?: 'RC' | 'UC';
  /** Name of both queue pairs; default `q`. */
  readonly name?: string;
  /** Rights that both grant the other. */
  readonly access?: number;
  /** More arguments of `connect`, of both or one end. */
  readonly both?: Args;
  readonly onlyA?: Args;
  readonly onlyB?: Args;
  /** Arguments of `qp` at b. */
  readonly qpB?: Args;
}

/** Makes a queue pair at each end and connects them. */
export async function wire(a: End, b: End, env: Env, options: WireOptions = {}): Promise<Connected> {
  const { type = 'RC', name = 'q' } = options;
  const access = options.access ?? (type === 'RC' ? 0xe : 0x2);
  const [qa, qb] = [
    await a.peer.do<Qp>('qp', { name, type }),
    await b.peer.do<Qp>('qp', { name, type, ...options.qpB }),
  ];
  const join = async (from: End, to: End, own: Args | undefined, { qpn, psn }: Qp): Promise<void> => {
    await from.peer.do('init', { qp: name, access });
    // Half a second: an emulated CPU on a busy machine may be late, and nothing here is lost.
    const path = { gid: to.gid, sgid: from.sgid, qpn, rqpsn: psn, mtu: env.mtu, timeout: 17 };
    await from.peer.do('connect', { qp: name, ...path, ...options.both, ...own });
  };
  await join(b, a, options.onlyB, qa);
  await join(a, b, options.onlyA, qb);
  return { a: qa, b: qb };
}

export const region = (end: End, name: string, len: number, access: number = ALL): Promise<Region> =>
  end.peer.do<Region>('mr', { name, len, access });

export function expect(truth: boolean, text: string): asserts truth {
  if (!truth) throw new Error(text);
}

export function equal<T>(actual: T, expected: T, what: string): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
  }
}
