// An endpoint's connections, and the messages on them: what is said to get connected, slots that messages leave from and arrive
// in, and the completions that tell of both.
import { randomInt } from 'node:crypto';
import { fail } from '../../core/check.ts';
import { Access, QpAttrMask as M, QpState, QpType, WcOpcode, WcStatus } from '../../core/constants.ts';
import type { CompletionQueue } from '../../core/cq.ts';
import type { ProtectionDomain } from '../../core/pd.ts';
import type { SharedReceiveQueue } from '../../core/srq.ts';
import {
  createCq,
  createQp,
  createSrq,
  destroyCq,
  destroyQp,
  destroySrq,
  modifyQp,
  queryPort,
} from '../../core/verbs.ts';
import { RecvWr, type WorkCompletion } from '../../core/work.ts';
import { Fifo } from '../../link/fifo.ts';
import { Connection } from './connection.ts';
import { Greeter } from './greeter.ts';
import type { Parcel } from './parcel.ts';
import { epidOf, type Greeting, Hello, HelloStatus, lidOfEpid, READY } from './protocol.ts';
import { Slots } from './slots.ts';

export interface WireOptions {
  /** 16 bytes that all endpoints of a job know: with others there are no connections. */
  readonly uuid: Uint8Array;
  /** Microseconds that only go forward. */
  readonly clock: () => number;
  /** Messages of up to so many bytes are sent at once, longer ones are read by the receiver. Default 8192. */
  readonly eagerMax?: number;
  /** Buffers for what comes in, and for what goes out. Default 64. */
  readonly slots?: number;
  /** Connections at most. Default 64. */
  readonly peers?: number;
}

/** Takes what has come: `length` bytes of `buf` from `at`, valid during the call. */
export type Take = (connection: Connection, buf: Buffer, at: number, length: number) => void;

const DEPTH = 16;
const ASK_AGAIN_US = 5000;
const GIVE_UP_US = 2_000_000;

/** When a greeting is said again, and when no more. */
interface Asking {
  readonly connection: Connection;
  next: number;
  readonly end: number;
}

/** What has no slot to leave from yet. */
interface Waiting {
  readonly connection: Connection;
  readonly parcel: Parcel;
}

export class Wire {
  readonly epid: number;
  readonly eagerMax: number;
  readonly connections = new Map<number, Connection>();
  private readonly pd: ProtectionDomain;
  private readonly options: WireOptions;
  private readonly take: Take;
  private readonly greeter: Greeter;
  private readonly scq: CompletionQueue;
  private readonly rcq: CompletionQueue;
  private readonly srq: SharedReceiveQueue;
  private readonly incoming: Slots;
  private readonly outgoing: Slots;
  private readonly byQpn = new Map<number, Connection>();
  private readonly asking = new Set<Asking>();
  private readonly waiting = new Fifo<Waiting>();
  private readonly wcs: WorkCompletion[] = [];
  private readonly recvWr = new RecvWr();
  private working = false;
  /** By handlers of active messages, and those who are told that one has arrived. */
  private readonly thrown: unknown[] = [];

  constructor(pd: ProtectionDomain, options: WireOptions, take: Take) {
    const { slots = 64, peers = 64 } = options;
    const { context } = pd;
    if (options.uuid.length !== 16) fail('psm.open', 'EINVAL', `uuid has ${options.uuid.length} bytes; 16 are needed`);
    this.pd = pd;
    this.options = options;
    this.take = take;
    this.eagerMax = options.eagerMax ?? 8192;
    this.greeter = new Greeter(pd);
    this.epid = epidOf(queryPort(context, 1).lid, this.greeter.qpn);
    this.scq = createCq(context, peers * DEPTH);
    // As many receives as there are buffers, and no more can complete.
    this.rcq = createCq(context, 2 * slots);
    this.srq = createSrq(pd, { maxWr: slots, maxSge: 1, limit: 0 });
    const size = READY + this.eagerMax;
    this.incoming = new Slots(pd, slots, size);
    this.outgoing = new Slots(pd, slots, size);
    for (let slot = this.incoming.take(); slot >= 0; slot = this.incoming.take()) this.listen(slot);
  }

  /** Asks for a connection; progress() makes it. The same one for the same endpoint. */
  connect(epid: number): Connection {
    const known = this.connections.get(epid);
    if (known !== undefined) return known;
    const connection = this.open(epid);
    const now = this.options.clock();
    this.asking.add({ connection, next: now, end: now + GIVE_UP_US });
    return connection;
  }

  private open(epid: number): Connection {
    const { options, connections, scq, rcq, srq } = this;
    if (connections.size >= (options.peers ?? 64))
      fail('psm.connect', 'ENOMEM', `${connections.size} connections are open`);
    const cap = { maxSendWr: DEPTH - 1, maxRecvWr: 0, maxSendSge: 1, maxRecvSge: 0, maxInlineData: 0 };
    const qp = createQp(this.pd, { type: QpType.RC, sendCq: scq, recvCq: rcq, srq, cap });
    const access = Access.REMOTE_READ | Access.REMOTE_WRITE;
    const mask = M.STATE | M.PKEY_INDEX | M.PORT | M.ACCESS_FLAGS;
    modifyQp(qp, { state: QpState.INIT, pkeyIndex: 0, port: 1, accessFlags: access }, mask);
    const connection = new Connection(epid, qp, randomInt(1 << 24));
    connections.set(epid, connection);
    this.byQpn.set(qp.qpn, connection);
    return connection;
  }

  private greeting(type: number, status: number, connection: Connection | null): Greeting {
    const [qpn, psn] = connection === null ? [0, 0] : [connection.qp.qpn, connection.psn];
    return { type, status, epid: this.epid, qpn, psn, uuid: this.options.uuid };
  }

  private readonly heard = (g: Greeting): void => {
    const sameJob = Buffer.compare(g.uuid, this.options.uuid) === 0;
    if (g.type === Hello.REQUEST) {
      if (!sameJob) return this.greeter.say(g.epid, this.greeting(Hello.REPLY, HelloStatus.OTHER_JOB, null));
      const connection = this.connections.get(g.epid) ?? this.open(g.epid);
      if (connection.state === 'connecting') connection.join(g.qpn, g.psn, lidOfEpid(g.epid));
      this.greeter.say(g.epid, this.greeting(Hello.REPLY, HelloStatus.OK, connection));
      return;
    }
    const connection = this.connections.get(g.epid);
    if (g.type !== Hello.REPLY || connection?.state !== 'connecting') return;
    if (g.status !== HelloStatus.OK || !sameJob) connection.fail('the endpoint is of another job');
    else connection.join(g.qpn, g.psn, lidOfEpid(g.epid));
  };

  private askAgain(): void {
    const now = this.options.clock();
    for (const it of this.asking) {
      if (it.connection.state !== 'connecting') this.asking.delete(it);
      else if (now >= it.end) it.connection.fail('nobody answers');
      else if (now >= it.next) {
        it.next = now + ASK_AGAIN_US;
        this.greeter.say(it.connection.epid, this.greeting(Hello.REQUEST, HelloStatus.OK, it.connection));
      }
    }
  }

  /** Messages on a connection keep their order. */
  send(connection: Connection, parcel: Parcel): void {
    const slot = this.waiting.length === 0 ? this.outgoing.take() : -1;
    if (slot < 0) this.waiting.push({ connection, parcel });
    else this.leave(connection, parcel, slot);
  }

  private leave(connection: Connection, parcel: Parcel, slot: number): void {
    let written = false;
    try {
      written = parcel.leaveFrom(this.outgoing, slot);
    } finally {
      if (!written) parcel.completed(false);
    }
    if (written) connection.post(parcel);
  }

  /** Takes in what has come, answers, sends what waits. */
  progress(): void {
    // A handler of an active message may test a request, and so come here again.
    if (this.working) return;
    this.working = true;
    try {
      this.greeter.hear(this.heard);
      if (this.asking.size > 0) this.askAgain();
      this.takeSent();
      this.takeReceived();
      this.sendWaiting();
    } finally {
      this.working = false;
    }
    if (this.thrown.length > 0) throw this.thrown.splice(0)[0];
  }

  private takeSent(): void {
    const { ops } = this.pd.context.device;
    const { wcs, scq } = this;
    for (let n = DEPTH; n === DEPTH; ) {
      n = ops.pollCq(scq, DEPTH, wcs);
      for (let i = 0; i < n; i++) {
        const { qpn, status } = wcs[i];
        try {
          this.byQpn.get(qpn)?.completed(status === WcStatus.SUCCESS, status);
        } catch (error) {
          this.thrown.push(error);
        }
      }
    }
  }

  private takeReceived(): void {
    const { ops } = this.pd.context.device;
    const { wcs, rcq } = this;
    for (let n = DEPTH; n === DEPTH; ) {
      n = ops.pollCq(rcq, DEPTH, wcs);
      for (let i = 0; i < n; i++) {
        const { qpn, status, opcode, wrId, byteLen } = wcs[i];
        const connection = this.byQpn.get(qpn);
        // A WRITE with immediate data has left the slot as it was.
        if (status === WcStatus.SUCCESS && opcode === WcOpcode.RECV && connection !== undefined) {
          try {
            this.take(connection, this.incoming.bytes, this.incoming.at(wrId), byteLen);
          } catch (error) {
            this.thrown.push(error);
          }
        }
        this.listen(wrId);
      }
    }
  }

  private sendWaiting(): void {
    while (this.waiting.length > 0) {
      const slot = this.outgoing.take();
      if (slot < 0) return;
      const { connection, parcel } = this.waiting.shift()!;
      this.leave(connection, parcel, slot);
    }
  }

  private listen(slot: number): void {
    const wr = this.recvWr;
    wr.wrId = slot;
    wr.sge[0] = this.incoming.sge(slot);
    wr.numSge = 1;
    this.pd.context.device.ops.postSrqRecv(this.srq, wr);
  }

  close(): void {
    for (const connection of this.connections.values()) connection.close();
    // With all connections failed each of these fails at once, and gives its slot to the next.
    this.sendWaiting();
    for (const { qp } of this.connections.values()) destroyQp(qp);
    this.connections.clear();
    destroySrq(this.srq);
    destroyCq(this.scq);
    destroyCq(this.rcq);
    this.greeter.close();
    this.incoming.close();
    this.outgoing.close();
  }
}
