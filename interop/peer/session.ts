// Our side as a program of the TypeScript API that does what it is told: the sister of interop/guest/peer.c.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import {
  QpAttrMask as A,
  type AddressHandle,
  type Completion,
  EventType,
  type MemoryRegion,
  type MemoryWindow,
  type OpenOptions,
  openDevice,
  QpState,
  type QpStateName,
  type QueuePair,
  type RecvRequest,
  type SendRequest,
  type Sge,
  type SharedReceiveQueue,
  VerbsError,
} from '../../src/api/index.ts';
import { patternByte } from './pattern.ts';

const DEPTH = 256;
const options = JSON.parse(process.argv[2]) as OpenOptions;
const device = await openDevice(options);
const pd = device.allocPd();
const cq = device.createCq({ cqe: 4 * DEPTH });
const events: number[] = [];
device.on('async', ({ type }) => events.push(EventType[type]));

class Args {
  private readonly words: Map<string, string>;

  constructor(words: readonly string[]) {
    this.words = new Map(words.map((word) => word.split('=', 2) as [string, string]));
  }

  has(key: string): boolean {
    return this.words.has(key);
  }

  text(key: string, otherwise = ''): string {
    return this.words.get(key) ?? otherwise;
  }

  number(key: string, otherwise = 0): number {
    const value = this.words.get(key);
    return value === undefined ? otherwise : Number(value);
  }

  big(key: string): bigint {
    return BigInt(this.words.get(key) ?? 0);
  }
}

/** Objects of one kind by name; `key` is the argument that names them. */
class Named<T> {
  private readonly objects = new Map<string, T>();
  private readonly key: string;

  constructor(key: string) {
    this.key = key;
  }

  add(args: Args, object: T): T {
    this.objects.set(args.text('name'), object);
    return object;
  }

  of(args: Args, key = this.key): T {
    const object = this.objects.get(args.text(key));
    if (object === undefined) throw new VerbsError(key, 'ENOENT', `there is no ${this.key} "${args.text(key)}"`);
    return object;
  }

  remove(args: Args): T {
    const object = this.of(args);
    this.objects.delete(args.text(this.key));
    return object;
  }
}

const mrs = new Named<MemoryRegion>('mr');
const qps = new Named<QueuePair>('qp');
const srqs = new Named<SharedReceiveQueue>('srq');
const mws = new Named<MemoryWindow>('mw');
const ahs = new Named<AddressHandle>('ah');

function gather(args: Args, shift = 0): Sge[] {
  const list: Sge[] = [];
  for (const i of ['', '2']) {
    if (!args.has(`mr${i}`)) continue;
    const mr = mrs.of(args, `mr${i}`);
    const offset = args.number(`off${i}`);
    // Not mr.sge(): what is out of bounds shall go to the device.
    const addr = mr.addr + offset + (i === '' ? shift : 0);
    list.push({ addr, length: args.number(`len${i}`, mr.length - offset), lkey: args.number('lkey', mr.lkey) });
  }
  return list;
}

function sendRequest(args: Args, qp: QueuePair, n: number): SendRequest {
  const shift = n * args.number('step');
  const inline = args.number('inline') === 1;
  const sge = gather(args, shift);
  const mr = inline && sge.length > 0 ? mrs.of(args) : null;
  const ud = qp.type === 'UD';
  return {
    opcode: args.text('op', 'SEND') as SendRequest['opcode'],
    wrId: args.number('wr') + n,
    sge: inline ? undefined : sge,
    inline:
      mr === null
        ? inline
          ? Buffer.alloc(0)
          : undefined
        : mr.buffer.subarray(sge[0].addr - mr.addr, sge[0].addr - mr.addr + sge[0].length),
    signaled: args.number('signaled', 1) === 1,
    solicited: args.number('solicited') === 1,
    fence: args.number('fence') === 1,
    imm: args.has('imm') ? args.number('imm') : undefined,
    invalidateRkey: args.has('inv') ? args.number('inv') : undefined,
    remoteAddr: args.number('raddr') + shift,
    rkey: args.number('rkey'),
    compareAdd: args.big('compare'),
    swap: args.big('swap'),
    ah: ud ? ahs.of(args) : undefined,
    remoteQpn: args.number('rqpn'),
    remoteQkey: args.number('rqkey', 0x11111111),
  };
}

function connect(args: Args): void {
  const qp = qps.of(args);
  if (qp.type === 'UD') {
    qp.activate({ qkey: 0 });
    return;
  }
  const peer = {
    qpn: args.number('qpn'),
    psn: args.number('rqpsn'),
    gid: args.text('gid'),
    mtu: args.number('mtu', 1024),
  };
  qp.connect(peer, {
    mtu: peer.mtu,
    sgidIndex: args.number('sgid'),
    timeout: args.number('timeout', 14),
    retryCnt: args.number('retry', 7),
    rnrRetry: args.number('rnr', 7),
    minRnrTimer: args.number('min_rnr', 12),
    maxRdAtomic: args.number('rd', 16),
    maxDestRdAtomic: args.number('dest_rd', 16),
  });
}

async function take(wanted: number, ms: number, idle: number): Promise<Completion[]> {
  const taken: Completion[] = [];
  let signal = AbortSignal.timeout(ms);
  try {
    while (taken.length < wanted) {
      taken.push(await cq.next({ signal }));
      if (idle > 0) signal = AbortSignal.timeout(idle);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return taken;
}

function shown({ raw, ok, imm, invalidatedRkey, hasGrh, srcQp }: Completion): object {
  const { wrId: wr, status, qpn, opcode, byteLen: len } = raw;
  if (!ok) return { wr, status, qpn };
  return {
    ...{ wr, status, qpn, opcode, len },
    ...(imm === null ? {} : { imm }),
    ...(invalidatedRkey === null ? {} : { inv: invalidatedRkey }),
    ...(hasGrh ? { srcQp } : {}),
  };
}

const part = (args: Args): Buffer => {
  const mr = mrs.of(args);
  const offset = args.number('off');
  return mr.buffer.subarray(offset, offset + args.number('len', mr.length - offset));
};

const commands: Record<string, (args: Args) => object | undefined | Promise<object>> = {
  gids: () => ({ gids: device.gids.map(({ gid }) => gid) }),
  mr: (args) => {
    const { addr, rkey } = mrs.add(
      args,
      pd.regMr(Buffer.alloc(args.number('len', 4096)), { access: args.number('access', 1) }),
    );
    return { addr, rkey };
  },
  srq: (args) => void srqs.add(args, pd.createSrq({ maxWr: DEPTH, maxSge: 2 })),
  arm: (args) => void srqs.of(args).arm(args.number('limit', 1)),
  qp: (args) => {
    const type = args.text('type', 'RC') as 'RC' | 'UC' | 'UD';
    const srq = args.has('srq') ? srqs.of(args) : undefined;
    const qp = pd.createQp({
      ...{
        type,
        sendCq: cq,
        srq,
        maxSendWr: DEPTH,
        maxRecvWr: DEPTH,
        maxSendSge: 2,
        maxRecvSge: 2,
        maxInlineData: 128,
      },
    });
    qps.add(args, qp);
    return { qpn: qp.qpn, psn: qp.endpoint().psn };
  },
  init: (args) => {
    const qp = qps.of(args);
    if (qp.type !== 'UD') return void qp.init(args.number('access', 2));
    const attr = { state: QpState.INIT, pkeyIndex: 0, port: 1, qkey: args.number('qkey', 0x11111111) };
    return void qp.modify(attr, A.STATE | A.PKEY_INDEX | A.PORT | A.QKEY);
  },
  connect: (args) => void connect(args),
  state: (args) => {
    const qp = qps.of(args);
    if (args.has('to')) qp.modify({ state: QpState[args.text('to') as QpStateName] }, A.STATE);
    return { state: qp.state };
  },
  destroy: (args) => {
    const table = args.has('qp') ? qps : args.has('mw') ? mws : mrs;
    table.of(args).close();
    table.remove(args);
    return undefined;
  },
  recv: (args) => {
    const queue = args.has('srq') ? srqs.of(args) : qps.of(args);
    const request = (n: number): RecvRequest => ({ wrId: args.number('wr') + n, sge: gather(args) });
    return void queue.postRecv(Array.from({ length: args.number('count', 1) }, (_, n) => request(n)));
  },
  send: (args) => {
    const qp = qps.of(args);
    const n = args.number('count', 1);
    return void qp.postSend(Array.from({ length: n }, (_, i) => sendRequest(args, qp, i)));
  },
  mw: (args) => ({ rkey: mws.add(args, pd.allocMw(args.number('type', 2) as 1 | 2)).rkey }),
  bind: (args) => {
    const mr = mrs.of(args);
    const bind = {
      mr,
      offset: args.number('off'),
      length: args.number('len', mr.length),
      access: args.number('access', 2),
    };
    return { rkey: qps.of(args).bindMw(mws.of(args), bind, { wrId: args.number('wr') }) };
  },
  ah: (args) => void ahs.add(args, pd.createAh({ gid: args.text('gid'), sgidIndex: args.number('sgid') })),
  mcast: (args) => {
    const qp = qps.of(args);
    return void (args.number('leave') ? qp.detachMcast(args.text('gid')) : qp.attachMcast(args.text('gid')));
  },
  poll: async (args) => ({
    wc: (await take(args.number('n', 1), args.number('ms', 5000), args.number('idle'))).map(shown),
  }),
  events: async (args) => {
    const ms = args.number('ms');
    if (events.length === 0 && ms > 0) await once(device, 'async', { signal: AbortSignal.timeout(ms) }).catch(() => {});
    return { events: events.splice(0) };
  },
  fill: (args) => {
    const bytes = part(args);
    if (args.has('byte')) bytes.fill(args.number('byte'));
    else for (let i = 0, seed = args.number('seed'); i < bytes.length; i++) bytes[i] = patternByte(seed, i);
    return undefined;
  },
  check: (args) => {
    const bytes = part(args);
    const [same, byte, seed] = [args.has('byte'), args.number('byte'), args.number('seed')];
    return { bad: bytes.findIndex((b, i) => b !== (same ? byte : patternByte(seed, i))) };
  },
  word: (args) => {
    const { buffer } = mrs.of(args);
    const offset = args.number('off');
    if (args.has('set')) buffer.writeBigUInt64LE(args.big('set'), offset);
    return { value: String(buffer.readBigUInt64LE(offset)) };
  },
  counters: () => device.counters,
};

const answer = (value: object): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};

answer({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...words] = line.trim().split(/\s+/);
  try {
    const command = commands[name];
    if (command === undefined) throw new Error(`there is no command ${name}`);
    answer((await command(new Args(words))) ?? { done: true });
  } catch (error) {
    const { message } = error as Error;
    answer({ error: error instanceof VerbsError ? error.verb : name, text: message });
  }
}
await device.close();
