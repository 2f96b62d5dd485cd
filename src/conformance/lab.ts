// What checks are made with: two ends, and the steps that most checks begin with.
import { Access } from '../core/constants.ts';
import { that } from './check.ts';
import type {
  Attr,
  Av,
  CreateQp,
  Event,
  Facts,
  Handle,
  RecvRequest,
  Region,
  SendRequest,
  Sge,
  Side,
  Wc,
} from './side.ts';
import type { Wire } from './wire.ts';

export const ALL_ACCESS: number =
  Access.LOCAL_WRITE | Access.REMOTE_WRITE | Access.REMOTE_READ | Access.REMOTE_ATOMIC | Access.MW_BIND;
export const REMOTE_ACCESS: number = Access.REMOTE_WRITE | Access.REMOTE_READ | Access.REMOTE_ATOMIC;
/** PSNs begin shortly before they wrap. */
export const FIRST_PSN = 0xfffff0;
export const QKEY = 0x11111111;
/** How long what must happen may take, and how long is waited for what must not. */
export const SOON_US = 5_000_000;
export const NEVER_US = 20_000;

const SIZE = 1 << 18;
const MTU_1024 = 3;

export interface EndOptions extends Omit<Partial<CreateQp>, 'pd' | 'sendCq' | 'recvCq' | 'srq'> {
  readonly attr?: Attr;
  readonly cqe?: number;
  /** A shared receive queue of so many requests. */
  readonly srq?: number;
  /** The region's rights. */
  readonly access?: number;
}

/** A queue pair with all that it stands on: a protection domain, a CQ for each queue, a region. */
export class End {
  readonly side: Side;
  readonly facts: Facts;
  readonly pd: Handle;
  readonly scq: Handle;
  readonly rcq: Handle;
  readonly srq: Handle;
  readonly region: Region;
  readonly qp: Handle;
  readonly qpn: number;

  private constructor(
    side: Side,
    facts: Facts,
    made: Pick<End, 'pd' | 'scq' | 'rcq' | 'srq' | 'region' | 'qp' | 'qpn'>,
  ) {
    this.side = side;
    this.facts = facts;
    this.pd = made.pd;
    this.scq = made.scq;
    this.rcq = made.rcq;
    this.srq = made.srq;
    this.region = made.region;
    this.qp = made.qp;
    this.qpn = made.qpn;
  }

  static async make(side: Side, type: string, options: EndOptions = {}): Promise<End> {
    const { cqe = 64, srq: srqSize, access = ALL_ACCESS, attr: _, ...rest } = options;
    const pd = await side.allocPd();
    const scq = (await side.createCq(cqe)).cq;
    const rcq = (await side.createCq(cqe)).cq;
    const srq = srqSize === undefined ? 0 : (await side.createSrq(pd, { maxWr: srqSize, maxSge: 2, limit: 0 })).srq;
    const region = await side.regMr(pd, { length: SIZE, access });
    const { qp, qpn } = await side.createQp({ pd, type, sendCq: scq, recvCq: rcq, srq: srq || undefined, ...rest });
    return new End(side, await side.facts(), { pd, scq, rcq, srq, region, qp, qpn });
  }

  sge(offset: number, length: number): Sge {
    return { addr: this.region.addr + offset, length, lkey: this.region.lkey };
  }

  /** The region, from `offset` on, for a peer's request. */
  there(offset = 0): { remoteAddr: number; rkey: number } {
    return { remoteAddr: this.region.addr + offset, rkey: this.region.rkey };
  }

  send(request: SendRequest): Promise<void> {
    return this.side.postSend(this.qp, request);
  }

  recv(request: RecvRequest = {}): Promise<void> {
    return this.side.postRecv(this.srq || this.qp, request);
  }

  /** The next `count` send completions; fewer than that is a failure. */
  async sent(count = 1): Promise<Wc[]> {
    return enough(await this.side.poll(this.scq, count, SOON_US), count, 'send');
  }

  async received(count = 1): Promise<Wc[]> {
    return enough(await this.side.poll(this.rcq, count, SOON_US), count, 'receive');
  }

  /** Statuses of the next `count` send completions. */
  async statuses(count = 1): Promise<string[]> {
    return (await this.sent(count)).map((wc) => wc.status);
  }

  /** Nothing more may complete on the receive side. */
  async quiet(): Promise<Wc[]> {
    return this.side.poll(this.rcq, 1, NEVER_US);
  }

  async state(): Promise<string> {
    return (await this.side.queryQp(this.qp)).state ?? '';
  }

  /** Waits until an event of that type has come for the object. */
  async event(type: string, handle: Handle): Promise<void> {
    const seen: Event[] = [];
    for (let i = 0; i < 8; i++) {
      seen.push(...(await this.side.asyncEvents(1, i === 0 ? SOON_US : NEVER_US)));
      if (seen.some((e) => e.type === type && e.handle === handle)) return;
    }
    that(false, `no event ${type} for object ${handle}; there were ${JSON.stringify(seen)}`);
  }
}

function enough(completions: Wc[], count: number, queue: string): Wc[] {
  that(completions.length === count, `${count} ${queue} completions were awaited, ${completions.length} came`);
  return completions;
}

/** How `from` reaches `to`. */
export const way = (to: Facts): Av => ({ dgid: to.gid, dlid: to.port.lid });

/** Attributes to INIT, to RTR and to RTS, as the type needs them. */
export function steps(type: string, to: Facts, destQpn: number, given: Attr = {}): [Attr, Attr, Attr] {
  const rc = type === 'RC';
  const all: Attr = {
    ...{ pkeyIndex: 0, port: 1, qkey: QKEY, accessFlags: rc ? REMOTE_ACCESS : Access.REMOTE_WRITE },
    ...{ av: way(to), pathMtu: MTU_1024, destQpn, rqPsn: FIRST_PSN, maxDestRdAtomic: 4, minRnrTimer: 12 },
    ...{ sqPsn: FIRST_PSN, timeout: 14, retryCnt: 7, rnrRetry: 7, maxRdAtomic: 4, ...given },
  };
  const pick = (state: string, ...keys: (keyof Attr)[]): Attr => ({
    state,
    ...Object.fromEntries(keys.map((key) => [key, all[key]])),
  });
  if (type === 'UD') return [pick('INIT', 'pkeyIndex', 'port', 'qkey'), pick('RTR'), pick('RTS', 'sqPsn')];
  return [
    pick('INIT', 'pkeyIndex', 'port', 'accessFlags'),
    pick('RTR', 'av', 'pathMtu', 'destQpn', 'rqPsn', ...(rc ? (['maxDestRdAtomic', 'minRnrTimer'] as const) : [])),
    pick('RTS', 'sqPsn', ...(rc ? (['timeout', 'retryCnt', 'rnrRetry', 'maxRdAtomic'] as const) : [])),
  ];
}

export class Lab {
  readonly a: Side;
  readonly b: Side;
  readonly facts: Facts;
  readonly wire: Wire | null;

  constructor(a: Side, b: Side, facts: Facts, wire: Wire | null) {
    this.a = a;
    this.b = b;
    this.facts = facts;
    this.wire = wire;
  }

  /** An end that is connected to nothing, in RESET. */
  alone(type = this.facts.qpTypes[0] ?? 'RC', options: EndOptions = {}): Promise<End> {
    return End.make(this.a, type, options);
  }

  /** Two queue pairs of a type, in RTS; of RC and UC, connected. */
  async pair(type: string, options: EndOptions = {}, options2: EndOptions = options): Promise<[End, End]> {
    const a = await End.make(this.a, type, options);
    const b = await End.make(this.b, type, options2);
    for (const attr of steps(type, b.facts, b.qpn, options.attr)) await a.side.modifyQp(a.qp, attr);
    for (const attr of steps(type, a.facts, a.qpn, options2.attr)) await b.side.modifyQp(b.qp, attr);
    this.wire?.seen.splice(0);
    return [a, b];
  }

  /** Takes both queue pairs through RESET to RTS again. */
  async reconnect(type: string, a: End, b: End): Promise<void> {
    for (const [x, y] of [
      [a, b],
      [b, a],
    ] as const) {
      await x.side.modifyQp(x.qp, { state: 'RESET' });
      for (const cq of [x.scq, x.rcq]) await x.side.poll(cq, 64, 0);
      for (const attr of steps(type, y.facts, y.qpn)) await x.side.modifyQp(x.qp, attr);
    }
  }
}
