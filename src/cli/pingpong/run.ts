// Sets up what a ping-pong needs, runs it, and tells how it went.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Device, openDevice, type QpEndpoint, type QueuePair, type SharedReceiveQueue } from '../../api/index.ts';
import { openForClient, openForServer } from '../addresses.ts';
import { CliError } from '../errors.ts';
import { drive } from '../perf/drive.ts';
import { type DeviceOptions, receivesInEventLoop } from '../perf/options.ts';
import { acceptExchange, connectExchange, type Destination, destinationOf, type Exchange } from './exchange.ts';
import { PingpongRole, RECV_WRID } from './role.ts';

export type PingpongType = 'rc' | 'uc' | 'ud' | 'srq';

export interface PingpongOptions extends DeviceOptions {
  readonly type: PingpongType;
  /** The server; without it this is the server. */
  readonly host?: string;
  readonly port: number;
  readonly size: number;
  readonly mtu: number;
  readonly rxDepth: number;
  readonly iters: number;
  readonly events: boolean;
  readonly gidIndex: number;
  /** Queue pairs of type srq. */
  readonly qps: number;
  readonly check: boolean;
  onListening?(port: number): void;
  onAddress?(which: 'local' | 'remote', destination: Destination): void;
}

export interface PingpongResult {
  readonly bytes: number;
  readonly seconds: number;
  readonly iters: number;
  /** Index of the first byte that is not as it was sent; -1: all are; null: not checked. */
  readonly wrongAt: number | null;
}

const GRH = 40;
/** Q_Key that the ud_pingpong programs use. */
const QKEY = 0x11111111;
/** ibv_srq_pingpong tells of so many queue pairs, used or not. */
const SRQ_TEXTS = 256;
const FILL = 0x7b;
const PAGE = 4096;
/** The last acknowledgement may be lost: for so long the peer's repetition is answered, too. */
const LINGER_MS = 100;
const NOTHING: Destination = { lid: 0, qpn: 0, psn: 0, gid: '::' };

export async function runPingpong(options: PingpongOptions): Promise<PingpongResult> {
  const { host, port, ip, link, faults, capture } = options;
  const client = host !== undefined;
  const open = { link, faults, capture };
  // An address given is opened at once, so that a mistake shows before the other side is bothered.
  let device: Device | null = ip === undefined ? null : await openDevice({ ...open, address: ip });
  let exchange: Exchange | null = null;
  try {
    exchange = client ? await connectExchange(host, port) : await acceptExchange(port, (p) => options.onListening?.(p));
    const { localAddress = '', remoteAddress = '' } = exchange.socket;
    device ??= await (client
      ? openForServer(localAddress, remoteAddress, open)
      : openForClient(localAddress, remoteAddress, open));
    const context = new PingpongContext(device, options);
    const local = context.endpoints.map(destinationOf);
    const texts = options.type === 'srq' ? SRQ_TEXTS : 1;
    const own = [...local, ...new Array<Destination>(texts - local.length).fill(NOTHING)];
    for (const d of local) options.onAddress?.('local', d);
    const join = (remote: readonly Destination[]): void => {
      for (const d of remote.slice(0, local.length)) {
        options.onAddress?.('remote', d);
        requireGid(d);
      }
      context.connect(remote);
    };
    if (client) {
      exchange.send(own);
      const remote = await exchange.receive(texts);
      exchange.sendDone();
      join(remote);
    } else {
      // The client may send as soon as it has our address: we must be connected by then.
      join(await exchange.receive(texts));
      exchange.send(own);
      await exchange.receiveDone();
    }
    const result = await context.run(client);
    if (options.type === 'rc' || options.type === 'srq') await sleep(LINGER_MS);
    return result;
  } finally {
    exchange?.close();
    await device?.close();
  }
}

function requireGid({ gid, qpn }: Destination): void {
  if (qpn === 0) throw new CliError('the other side uses fewer queue pairs: give both the same number (-q)');
  if (gid === '::') {
    throw new CliError(
      'the other side sent no GID, which RoCE needs: give it a GID index (-g; "ibv_devinfo -v" lists them)',
    );
  }
}

/** Queue pairs and the one buffer that all send from and receive into. */
class PingpongContext {
  readonly endpoints: readonly QpEndpoint[];
  private readonly device: Device;
  private readonly options: PingpongOptions;
  private readonly qps: readonly QueuePair[];
  private readonly srq: SharedReceiveQueue | null;
  private readonly cq;
  private readonly mr;
  private readonly pd;
  private readonly grh: number;
  private remote: Destination = NOTHING;

  constructor(device: Device, options: PingpongOptions) {
    const { type, size, rxDepth, gidIndex } = options;
    const count = type === 'srq' ? options.qps : 1;
    if (type === 'ud' && size > device.mtu) {
      throw new CliError(`UD takes messages up to the MTU, ${device.mtu} bytes here: choose a smaller --size`);
    }
    this.device = device;
    this.options = options;
    this.grh = type === 'ud' ? GRH : 0;
    this.pd = device.allocPd();
    this.cq = device.createCq({ cqe: rxDepth + count });
    this.mr = this.pd.regMr(Buffer.alloc(size + this.grh, FILL));
    this.srq = type === 'srq' ? this.pd.createSrq({ maxWr: rxDepth }) : null;
    this.qps = Array.from({ length: count }, () =>
      this.pd.createQp({
        type: type === 'ud' ? 'UD' : type === 'uc' ? 'UC' : 'RC',
        sendCq: this.cq,
        srq: this.srq ?? undefined,
        maxSendWr: 1,
        maxRecvWr: this.srq === null ? rxDepth : 1,
      }),
    );
    this.endpoints = this.qps.map((qp) => qp.endpoint(gidIndex));
    for (const qp of this.qps) if (type !== 'ud') qp.init([]);
    if (type === 'ud') this.qps[0].activate({ qkey: QKEY });
    this.receive(rxDepth);
  }

  connect(remote: readonly Destination[]): void {
    const { type, mtu, gidIndex } = this.options;
    this.remote = remote[0];
    if (type === 'ud') return;
    for (const [i, qp] of this.qps.entries()) qp.connect({ ...remote[i], mtu }, { mtu, sgidIndex: gidIndex });
  }

  private receive(n: number): void {
    const queue = this.srq ?? this.qps[0];
    const request = { wrId: RECV_WRID, sge: this.mr.sge() };
    for (let i = 0; i < n; i++) queue.postRecv(request);
  }

  async run(client: boolean): Promise<PingpongResult> {
    const { type, size, rxDepth, iters, events, link, gidIndex } = this.options;
    const address =
      type === 'ud'
        ? {
            ah: this.pd.createAh({ gid: this.remote.gid, sgidIndex: gidIndex }),
            remoteQpn: this.remote.qpn,
            remoteQkey: QKEY,
          }
        : {};
    const sge = this.mr.sge(this.grh, size);
    const wrs = this.qps.map((qp, i) => qp.sendWr({ opcode: 'SEND', wrId: i, sge, ...address }));
    const role = new PingpongRole({
      send: (i) => this.qps[i].postSend(wrs[i]),
      receive: (n) => this.receive(n),
      indexOf: new Map(this.qps.map((qp, i) => [qp.qpn, i])),
      rxDepth,
      iters,
    });
    const driving = {
      device: this.device,
      cq: this.cq,
      fault: () => null,
      events,
      eager: receivesInEventLoop(link),
      patient: false,
    };
    const startedAt = performance.now();
    if (client) {
      this.mark();
      role.begin();
    }
    await drive(role, driving);
    const seconds = (performance.now() - startedAt) / 1000;
    return { bytes: 2 * size * iters, seconds, iters, wrongAt: this.options.check ? this.wrongByte() : null };
  }

  /** With --chk the client's first byte of each page is 0, the rest as it always is. */
  private mark(): void {
    if (this.options.check) for (let i = 0; i < this.options.size; i += PAGE) this.mr.buffer[this.grh + i] = 0;
  }

  /** What fills the rest is the client's choice: ibv_srq_pingpong has zeros, its siblings 0x7b as we do. */
  private wrongByte(): number {
    const data = this.mr.buffer.subarray(this.grh);
    const fill = data[1];
    for (let i = 0; i < this.options.size; i++) if (data[i] !== (i % PAGE === 0 ? 0 : fill)) return i;
    return -1;
  }
}
