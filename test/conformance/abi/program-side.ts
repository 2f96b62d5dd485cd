// An ordinary program as a side of the conformance suite: side.c, spoken to in lines.
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { createInterface, type Interface } from 'node:readline';
import type * as S from '../../../src/conformance/side.ts';
import { EventType, nameOf, QpState, QpType, WcOpcode, WcStatus, WrOpcode } from '../../../src/core/constants.ts';
import type { PortAttributes } from '../../../src/core/driver.ts';
import type { Capability } from '../../../src/core/mandatory.ts';
import { VERBS } from '../../../src/core/mandatory.ts';

type Values = Readonly<Record<string, string | number | bigint | undefined>>;
const codeOf = (errno: number): string =>
  // 95 has two names; the core's is the other one.
  Object.entries(constants.errno).find(([name, n]) => n === errno && name !== 'ENOTSUP')?.[0] ?? `errno ${errno}`;

const MASK: Readonly<Record<string, number>> = {
  ...{
    state: 1 << 0,
    enSqdAsyncNotify: 1 << 2,
    accessFlags: 1 << 3,
    pkeyIndex: 1 << 4,
    port: 1 << 5,
    qkey: 1 << 6,
    av: 1 << 7,
  },
  ...{ pathMtu: 1 << 8, timeout: 1 << 9, retryCnt: 1 << 10, rnrRetry: 1 << 11, rqPsn: 1 << 12, maxRdAtomic: 1 << 13 },
  ...{ minRnrTimer: 1 << 15, sqPsn: 1 << 16, maxDestRdAtomic: 1 << 17, destQpn: 1 << 20 },
};

/** Verbs that libibverbs has no call for, or its provider for rxe none. */
const NOT_OFFERED: readonly string[] = ['query_ah', 'rereg_user_mr', 'raw_packet'];

export class ProgramSide implements S.Side {
  private readonly child: ChildProcess;
  private readonly answers: Interface;
  private readonly waiting: ((line: string) => void)[] = [];
  private stderr = '';
  private told: S.Facts | null = null;

  private constructor(child: ChildProcess) {
    this.child = child;
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.answers = createInterface({ input: child.stdout! });
    this.answers.on('line', (line) => this.waiting.shift()?.(line));
    this.answers.on('close', () => {
      for (const settle of this.waiting.splice(0)) settle(`gone ${this.stderr}`);
    });
  }

  static async start(command: string, args: readonly string[]): Promise<ProgramSide> {
    const side = new ProgramSide(spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] }));
    const line = await new Promise<string>((resolve) => side.waiting.push(resolve));
    if (line !== 'ready') throw new Error(`the program did not start: ${line}`);
    return side;
  }

  stop(): void {
    this.child.stdin!.end();
    this.child.kill();
  }

  private async call(name: string, values: Values = {}): Promise<Record<string, string>> {
    const given = Object.entries(values).filter(([, value]) => value !== undefined);
    this.child.stdin!.write(`${[name, ...given.map(([key, value]) => `${key}=${value}`)].join(' ')}\n`);
    const line = await new Promise<string>((resolve) => this.waiting.push(resolve));
    const [word, ...rest] = line.split(' ');
    if (word === 'err')
      throw Object.assign(new Error(`${name}: ${codeOf(Number(rest[0]))}`), { code: codeOf(Number(rest[0])) });
    if (word !== 'ok') throw new Error(`the program is gone: ${line}`);
    return Object.fromEntries(rest.filter((pair) => pair !== '').map((pair) => pair.split('=')));
  }

  private async number(name: string, field: string, values: Values = {}): Promise<number> {
    return Number((await this.call(name, values))[field]);
  }

  async facts(): Promise<S.Facts> {
    if (this.told !== null) return this.told;
    const { name, guid, gid, pkey, flags, atomic, ...numbers } = await this.call('facts');
    const n = Object.fromEntries(Object.entries(numbers).map(([key, value]) => [key, Number(value)]));
    const bits = Number(flags);
    const claims: [Capability, boolean][] = [
      ...([
        ['ah', n.maxAh > 0],
        ['srq', n.maxSrq > 0],
        ['ud-multicast', n.maxMcastGrp > 0],
      ] as [Capability, boolean][]),
      ...([
        ['atomic', Number(atomic) > 0],
        ['resize-cq', true],
      ] as [Capability, boolean][]),
      ...([
        ['mw-type-1', (bits & (1 << 17)) !== 0],
        ['mw-type-2', (bits & (3 << 23)) !== 0],
      ] as [Capability, boolean][]),
    ];
    this.told = {
      name,
      driver: name.replace(/\d+$/, ''),
      kverbs: true,
      missing: [],
      verbs: VERBS.map((v) => v.name).filter((v) => !NOT_OFFERED.includes(v)),
      capabilities: claims.filter(([, claimed]) => claimed).map(([capability]) => capability),
      qpTypes: ['RC', 'UC', 'UD'],
      attributes: { ...n, deviceCapFlags: bits, nodeGuid: guid } as unknown as S.Facts['attributes'],
      port: await this.queryPort(1),
      gid,
      pkeys: [Number(pkey)],
    };
    return this.told;
  }

  async reset(): Promise<void> {
    await this.call('reset');
  }

  async queryPort(port: number): Promise<PortAttributes> {
    const told = await this.call('port', { port });
    return Object.fromEntries(
      Object.entries(told).map(([key, value]) => [key, Number(value)]),
    ) as unknown as PortAttributes;
  }

  async queryGid(port: number, index: number): Promise<S.Hex> {
    return (await this.call('gid', { port, index })).gid;
  }
  queryPkey(port: number, index: number): Promise<number> {
    return this.number('pkey', 'pkey', { port, index });
  }
  allocPd(): Promise<S.Handle> {
    return this.number('pd', 'handle');
  }
  async destroy(handle: S.Handle): Promise<void> {
    await this.call('destroy', { handle });
  }

  async regMr(pd: S.Handle, { length, access, iova }: S.RegMr): Promise<S.Region> {
    const { handle, lkey, rkey, addr } = await this.call('mr', { pd, length, access, iova });
    return { mr: Number(handle), lkey: Number(lkey), rkey: Number(rkey), addr: Number(addr), length };
  }
  async reregMr(): Promise<void> {
    throw Object.assign(new Error('the provider has no rereg_mr'), { code: 'EOPNOTSUPP' });
  }
  async fill(mr: S.Handle, offset: number, length: number, seed: number): Promise<void> {
    await this.call('fill', { mr, offset, length, seed });
  }
  async bytes(mr: S.Handle, offset: number, length: number): Promise<S.Hex> {
    return (await this.call('bytes', { mr, offset, length })).hex;
  }
  async allocMw(pd: S.Handle, type: 1 | 2): Promise<{ mw: S.Handle; rkey: number }> {
    const { handle, rkey } = await this.call('mw', { pd, type });
    return { mw: Number(handle), rkey: Number(rkey) };
  }
  bindMw(qp: S.Handle, mw: S.Handle, bind: S.Bind): Promise<number> {
    return this.number('bind', 'rkey', { qp, mw, ...bind });
  }

  createChannel(): Promise<S.Handle> {
    return this.number('channel', 'handle');
  }
  async createCq(cqe: number, channel?: S.Handle): Promise<{ cq: S.Handle; cqe: number }> {
    const made = await this.call('cq', { cqe, channel });
    return { cq: Number(made.handle), cqe: Number(made.cqe) };
  }
  resizeCq(cq: S.Handle, cqe: number): Promise<number> {
    return this.number('resize', 'cqe', { cq, cqe });
  }
  async notify(cq: S.Handle, solicitedOnly: boolean): Promise<void> {
    await this.call('notify', { cq, solicited: solicitedOnly ? 1 : 0 });
  }
  events(cq: S.Handle): Promise<number> {
    return this.number('channelEvents', 'events', { cq });
  }

  async poll(cq: S.Handle, count: number, withinUs: number): Promise<S.Wc[]> {
    const { wcs = '' } = await this.call('poll', { cq, count, us: Math.ceil(withinUs) });
    return wcs
      .split(';')
      .filter(Boolean)
      .map((text) => {
        const [wrId, status, opcode, byteLen, imm, qpn, srcQp, flags] = text.split(',').map(Number);
        return {
          ...{ wrId, byteLen, imm, qpn, srcQp, flags },
          status: nameOf(WcStatus, status),
          opcode: nameOf(WcOpcode, opcode),
        };
      });
  }

  async createQp({ cap, type, sqSigAll, ...rest }: S.CreateQp): ReturnType<S.Side['createQp']> {
    const room = { maxSendWr: 16, maxRecvWr: 16, maxSendSge: 2, maxRecvSge: 2, maxInlineData: 64, ...cap };
    const number = QpType[type as keyof typeof QpType];
    const made = await this.call('qp', { ...rest, type: number, ...room, sqSigAll: sqSigAll ? 1 : 0 });
    const { handle, qpn, ...got } = Object.fromEntries(
      Object.entries(made).map(([key, value]) => [key, Number(value)]),
    );
    return { qp: handle, qpn, cap: got as never };
  }

  async modifyQp(qp: S.Handle, attr: S.Attr): Promise<void> {
    const { state, av, enSqdAsyncNotify, ...rest } = attr;
    let mask = 0;
    for (const [key, value] of Object.entries(attr)) if (value !== undefined) mask |= MASK[key];
    const number = state === undefined ? undefined : QpState[state as keyof typeof QpState];
    await this.call('modify', { qp, mask, ...rest, ...av, state: number, enSqdAsyncNotify: enSqdAsyncNotify ? 1 : 0 });
  }

  async queryQp(qp: S.Handle): Promise<S.Attr> {
    const { state, ...rest } = await this.call('query', { qp });
    const numbers = Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, Number(value)]));
    return { ...numbers, state: nameOf(QpState, Number(state)) };
  }

  async postSend(qp: S.Handle, { opcode, sge = [], ...rest }: S.SendRequest): Promise<void> {
    await this.call('send', { qp, opcode: WrOpcode[opcode as keyof typeof WrOpcode], ...elements(sge), ...rest });
  }
  async postRecv(queue: S.Handle, { sge = [], wrId }: S.RecvRequest): Promise<void> {
    await this.call('recv', { queue, wrId, ...elements(sge) });
  }

  async createSrq(pd: S.Handle, { maxWr, maxSge }: S.SrqLimits): Promise<{ srq: S.Handle; maxWr: number }> {
    const made = await this.call('srq', { pd, maxWr, maxSge });
    return { srq: Number(made.handle), maxWr: Number(made.maxWr) };
  }
  async modifySrq(srq: S.Handle, change: { maxWr?: number; limit?: number }): Promise<void> {
    const mask = (change.maxWr === undefined ? 0 : 1) | (change.limit === undefined ? 0 : 2);
    await this.call('modifySrq', { srq, mask, ...change });
  }
  async querySrq(srq: S.Handle): Promise<S.SrqLimits> {
    const told = await this.call('querySrq', { srq });
    return { maxWr: Number(told.maxWr), maxSge: Number(told.maxSge), limit: Number(told.limit) };
  }

  createAh(pd: S.Handle, av: S.Av): Promise<S.Handle> {
    return this.number('ah', 'handle', { pd, ...av });
  }
  async queryAh(): Promise<S.Av> {
    throw Object.assign(new Error('libibverbs has no query_ah'), { code: 'EOPNOTSUPP' });
  }
  async attachMcast(qp: S.Handle, gid: S.Hex, lid: number): Promise<void> {
    await this.call('attach', { qp, gid, lid });
  }
  async detachMcast(qp: S.Handle, gid: S.Hex, lid: number): Promise<void> {
    await this.call('detach', { qp, gid, lid });
  }

  async asyncEvents(count: number, withinUs: number): Promise<S.Event[]> {
    const { events = '' } = await this.call('asyncEvents', { count, us: Math.ceil(withinUs) });
    return events
      .split(';')
      .filter(Boolean)
      .map((text) => {
        const [type, handle] = text.split(',').map(Number);
        return { type: nameOf(EventType, type), handle };
      });
  }

  async now(): Promise<number> {
    return performance.now() * 1000;
  }

  async wait(us: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, Math.ceil(us / 1000)));
  }
}

function elements(sge: readonly S.Sge[]): Values {
  const pairs = sge.flatMap(({ addr, length, lkey }, i) => [
    [`addr${i}`, addr],
    [`length${i}`, length],
    [`lkey${i}`, lkey],
  ]);
  return { sges: sge.length, ...Object.fromEntries(pairs) };
}
