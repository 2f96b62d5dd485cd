// One end of a measurement: a device's queue pairs with the memory they send from and receive into.
import { randomInt } from 'node:crypto';
import type {
  CompletionQueue,
  Device,
  MemoryRegion,
  ProtectionDomain,
  QpEndpoint,
  QueuePair,
  RecvWr,
  RemoteBuffer,
  SendRequest,
  SendWr,
} from '../../api/index.ts';
import { CliError } from '../errors.ts';
import { headroom, longest, type PerfParams } from './params.ts';

/** What the other end must know of this one. */
export interface StationInfo {
  readonly lanes: readonly { readonly endpoint: QpEndpoint; readonly target: RemoteBuffer }[];
  readonly qkey: number;
}

const ALIGN = 4096;
const MAX_MTU = 4096;
/** Completions of receive requests have wrId RECV + lane; those of send requests wrId lane * LANE + messages done. */
export const RECV = 2 ** 40;
export const LANE = 2 ** 16;

/** A queue pair and its two areas of memory. */
export class Lane {
  readonly index: number;
  readonly qp: QueuePair;
  /** Where messages are sent from, and where READs and atomics put what they get. */
  readonly source: Buffer;
  /** Where the peer's messages arrive, and what it READs; the GRH of UD not included. */
  readonly target: Buffer;
  readonly recvWr: RecvWr;
  readonly sourceAt: number;
  readonly targetAt: number;
  remote: RemoteBuffer = { addr: 0, length: 0, rkey: 0 };
  address: Pick<SendRequest, 'ah' | 'remoteQpn' | 'remoteQkey'> = {};

  constructor(index: number, qp: QueuePair, mr: MemoryRegion, stride: number, grh: number) {
    this.index = index;
    this.qp = qp;
    this.sourceAt = 2 * index * stride;
    this.targetAt = this.sourceAt + stride + grh;
    this.source = mr.buffer.subarray(this.sourceAt, this.sourceAt + stride);
    this.target = mr.buffer.subarray(this.targetAt, this.targetAt + stride - grh);
    this.recvWr = qp.recvWr({ wrId: RECV + index, sge: mr.sge(this.targetAt - grh, stride) });
  }
}

/** The path MTU in bytes; of UD the largest that a datagram may be. */
export const mtuOf = ({ qp }: Lane): number => {
  const { pathMtu } = qp.query();
  return pathMtu === 0 ? MAX_MTU : 128 << pathMtu;
};

export class Station {
  readonly device: Device;
  readonly params: PerfParams;
  readonly cq: CompletionQueue;
  readonly mr: MemoryRegion;
  readonly lanes: Lane[] = [];
  readonly maxSize: number;
  readonly pd: ProtectionDomain;
  private readonly qkey = randomInt(1, 0x7fffffff);

  constructor(device: Device, params: PerfParams) {
    this.device = device;
    this.params = params;
    const { qps, txDepth, rxDepth } = params;
    const grh = headroom(params);
    this.maxSize = longest(params);
    const stride = Math.ceil((this.maxSize + grh) / ALIGN) * ALIGN;
    this.pd = device.allocPd();
    this.cq = device.createCq({ cqe: (txDepth + rxDepth) * qps });
    this.mr = this.pd.regMr(Buffer.alloc(2 * stride * qps), {
      access: ['LOCAL_WRITE', 'REMOTE_WRITE', 'REMOTE_READ', 'REMOTE_ATOMIC'],
    });
    for (let i = 0; i < qps; i++) {
      const qp = this.pd.createQp({
        type: params.connection === 'rc' ? 'RC' : params.connection === 'uc' ? 'UC' : 'UD',
        sendCq: this.cq,
        maxSendWr: txDepth,
        maxRecvWr: rxDepth,
        maxInlineData: params.inline,
      });
      this.lanes.push(new Lane(i, qp, this.mr, stride, grh));
    }
  }

  info(): StationInfo {
    const lanes = this.lanes.map(({ qp, targetAt, target }) => ({
      endpoint: qp.endpoint(),
      target: this.mr.remote(targetAt, target.length),
    }));
    return { lanes, qkey: this.qkey };
  }

  /** Connects each queue pair with the peer's and posts receive requests, if the operation takes any. */
  connect(peer: StationInfo): void {
    const { connection, mtu, op, rxDepth } = this.params;
    if (peer.lanes.length !== this.lanes.length) throw new CliError('the other side has another number of QPs');
    for (const lane of this.lanes) {
      const { endpoint, target } = peer.lanes[lane.index];
      lane.remote = target;
      if (connection === 'ud') {
        lane.qp.activate({ qkey: this.qkey });
        const ah = this.pd.createAh({ gid: endpoint.gid, lid: endpoint.lid });
        lane.address = { ah, remoteQpn: endpoint.qpn, remoteQkey: peer.qkey };
      } else {
        lane.qp.connect(endpoint, mtu === null ? {} : { mtu });
      }
      if (op === 'send') for (let n = 0; n < rxDepth; n++) lane.qp.postRecv(lane.recvWr);
    }
  }

  /** A send request of a lane for `size` bytes; its completion stands for `messages` messages, 0: there is none. */
  request(lane: Lane, size: number, messages: number): SendWr {
    const { op, atomic, inline } = this.params;
    const data = size <= inline ? { inline: lane.source.subarray(0, size) } : { sge: this.mr.sge(lane.sourceAt, size) };
    const common = { wrId: lane.index * LANE + messages, signaled: messages > 0, ...data };
    const { addr: remoteAddr, rkey } = lane.remote;
    switch (op) {
      case 'send':
        return lane.qp.sendWr({ opcode: 'SEND', ...common, ...lane.address });
      case 'write':
        return lane.qp.sendWr({ opcode: 'RDMA_WRITE', ...common, remoteAddr, rkey });
      case 'read':
        return lane.qp.sendWr({ opcode: 'RDMA_READ', ...common, remoteAddr, rkey });
      case 'atomic':
        return atomic === 'fetch_and_add'
          ? lane.qp.sendWr({ opcode: 'ATOMIC_FETCH_AND_ADD', ...common, remoteAddr, rkey, compareAdd: 1n })
          : lane.qp.sendWr({ opcode: 'ATOMIC_CMP_AND_SWP', ...common, remoteAddr, rkey, compareAdd: 0n, swap: 0n });
    }
  }

  close(): void {
    for (const { qp } of this.lanes) qp.close();
  }
}
