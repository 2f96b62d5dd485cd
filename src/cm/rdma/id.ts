// An rdma_cm id: what a program calls a connection, a listener, or a datagram service (`struct rdma_cm_id`).
import { nameOf, QpState, QpType } from '../../core/constants.ts';
import { type ErrnoName, VerbsError } from '../../core/errors.ts';
import { isMulticast } from '../../os/addresses.ts';
import type { IbCmId } from '../ib/id.ts';
import type { PathRecord } from '../path.ts';
import type { EventChannel } from './channel.ts';
import type { CmEventName, ConnParam, RdmaCmEvent, UdParam } from './events.ts';
import { connectedQpAttr, datagramQpAttr, earlyQpAttr, type QpAttrSet, RDMA_UDP_QKEY } from './qp-attr.ts';
import type { RdmaCm } from './rdma-cm.ts';
import { endFor, groupGid, type LocalEnd, localEnd, routeOf } from './route.ts';
import { isAny, type SockAddr, sameBytes, sockAddrText } from './sockaddr.ts';

/** `enum rdma_cm_state` */
export type RdmaCmState =
  | 'IDLE'
  | 'ADDR_BOUND'
  | 'ADDR_RESOLVED'
  | 'ROUTE_RESOLVED'
  | 'CONNECT'
  | 'DISCONNECT'
  | 'LISTEN'
  | 'DEVICE_REMOVAL'
  | 'DESTROYED';

export interface IdRights {
  /** CAP_NET_BIND_SERVICE: ports below 1024. */
  readonly netBindService: boolean;
}

export interface Multicast {
  readonly address: Uint8Array;
  readonly gid: Uint8Array;
  readonly context: unknown;
}

export class RdmaCmId {
  readonly cm: RdmaCm;
  channel: EventChannel;
  /** `PortSpace` */
  readonly portSpace: number;
  /** `QpType`: RC (or UC) or UD. */
  readonly qpType: number;
  readonly rights: IdRights;
  /** The program's own. */
  context: unknown;
  state: RdmaCmState = 'IDLE';
  src: SockAddr | null = null;
  dst: SockAddr | null = null;
  /** The device it is bound to, and which of its addresses. */
  end: LocalEnd | null = null;
  route: PathRecord | null = null;
  ib: IbCmId | null = null;
  readonly psn: number;
  qkey = RDMA_UDP_QKEY;
  tos = 0;
  reuseAddr = false;
  afOnly = false;
  ackTimeout: number | null = null;
  /** It has asked the peer to end the connection. */
  disconnecting = false;
  /** It was made for a request: its port is the listener's. */
  accepted = false;
  backlog = 0;
  /** CONNECT_REQUESTs that wait in the channel. */
  pending = 0;
  /** Events that were fetched; who destroys it waits until as many were acknowledged. */
  eventsReported = 0;
  readonly multicasts: Multicast[] = [];

  /** @internal Made by `RdmaCm.createId`. */
  constructor(
    cm: RdmaCm,
    channel: EventChannel,
    portSpace: number,
    qpType: number,
    rights: IdRights,
    context: unknown,
  ) {
    this.cm = cm;
    this.channel = channel;
    this.portSpace = portSpace;
    this.qpType = qpType;
    this.rights = rights;
    this.context = context;
    this.psn = cm.random(1 << 24);
  }

  // Addresses

  /** `rdma_bind_addr`: port 0 takes a free one; the address may be all zeros. */
  bind(address: Uint8Array, port: number): void {
    this.expect('bindAddr', 'IDLE');
    if (!(Number.isInteger(port) && port >= 0 && port <= 0xffff)) this.fail('bindAddr', 'EINVAL', `port ${port}`);
    const end = isAny(address) ? null : localEnd(this.cm.devices, address);
    if (!isAny(address) && end === null) {
      this.fail('bindAddr', 'EADDRNOTAVAIL', `no device has the address ${sockAddrText({ address, port })}`);
    }
    const got = this.cm.ports(this.portSpace).bind(this, address, port);
    this.src = { address: Uint8Array.from(address), port: got };
    this.end = end;
    this.state = 'ADDR_BOUND';
  }

  /** `rdma_resolve_addr`: ADDR_RESOLVED or ADDR_ERROR follows. */
  resolveAddr(src: SockAddr | null, dst: SockAddr): void {
    const verb = 'resolveAddr';
    if (this.state === 'IDLE') this.bind(src?.address ?? new Uint8Array(dst.address.length), src?.port ?? 0);
    this.expect(verb, 'ADDR_BOUND');
    if (isAny(dst.address)) this.fail(verb, 'EINVAL', 'the destination address is all zeros');
    const own = this.src!;
    const end = this.end ?? endFor(this.cm.devices, null, dst.address);
    if (end === null) return this.event('ADDR_ERROR', { status: -19 });
    if (end.address.length !== dst.address.length) return this.event('ADDR_ERROR', { status: -101 });
    this.end = end;
    this.src = { address: end.address, port: own.port };
    this.dst = { address: Uint8Array.from(dst.address), port: dst.port };
    this.state = 'ADDR_RESOLVED';
    this.event('ADDR_RESOLVED');
  }

  /** `rdma_resolve_route`: ROUTE_RESOLVED follows. */
  resolveRoute(): void {
    this.expect('resolveRoute', 'ADDR_RESOLVED');
    this.route = routeOf(this.end!, this.src!, this.dst!, this);
    this.state = 'ROUTE_RESOLVED';
    this.event('ROUTE_RESOLVED');
  }

  /** `RDMA_OPTION_IB_PATH`: the program knows the way; ROUTE_RESOLVED follows. */
  setPath(path: PathRecord): void {
    this.expect('setOption', 'ADDR_RESOLVED');
    this.route = path;
    this.state = 'ROUTE_RESOLVED';
    this.event('ROUTE_RESOLVED');
  }

  // Options

  /** `RDMA_OPTION_ID_TOS` */
  setTos(tos: number): void {
    if (!(Number.isInteger(tos) && tos >= 0 && tos <= 255)) this.fail('setOption', 'EINVAL', `type of service ${tos}`);
    this.tos = tos;
  }

  /** `RDMA_OPTION_ID_REUSEADDR` */
  setReuseAddr(reuse: boolean): void {
    if (this.state !== 'IDLE' && (reuse || this.state === 'LISTEN'))
      this.fail('setOption', 'EINVAL', 'the id is bound');
    this.reuseAddr = reuse;
  }

  /** `RDMA_OPTION_ID_AFONLY`: [::] does not hear IPv4. */
  setAfOnly(only: boolean): void {
    if (this.state !== 'IDLE' && this.state !== 'ADDR_BOUND') this.fail('setOption', 'EINVAL', 'the id is connected');
    this.afOnly = only;
  }

  /** `RDMA_OPTION_ID_ACK_TIMEOUT`: the connection's local ACK timeout, 4.096 µs times two to this. */
  setAckTimeout(timeout: number): void {
    if (this.qpType === QpType.UD) this.fail('setOption', 'EINVAL', 'datagrams are not acknowledged');
    if (!(Number.isInteger(timeout) && timeout >= 0 && timeout <= 31)) {
      this.fail('setOption', 'EINVAL', `ACK timeout ${timeout}; 0 to 31 are allowed`);
    }
    this.ackTimeout = timeout;
  }

  /** `rdma_migrate_id`: its events, and those that still wait, go to another channel. */
  migrate(channel: EventChannel): void {
    const waiting = this.channel.extract(this);
    this.channel = channel;
    for (const event of waiting) {
      // Requests that it has as a listener go with it.
      event.id.channel = channel;
      channel.put(event);
    }
  }

  // Connecting: the rest is done by RdmaCm's parts

  /** `rdma_listen`: at most `backlog` requests wait in the channel; beyond, peers have to ask again. */
  listen(backlog: number): void {
    if (this.state === 'IDLE') this.bind(new Uint8Array(4), 0);
    this.expect('listen', 'ADDR_BOUND');
    this.cm.ports(this.portSpace).checkListen(this);
    this.backlog = Math.min(backlog > 0 ? backlog : this.cm.maxBacklog, this.cm.maxBacklog);
    this.cm.startListening(this);
    this.state = 'LISTEN';
  }

  /** `rdma_connect`. `qpn` is the queue pair's; CONNECT_RESPONSE (UD: ESTABLISHED), REJECTED or UNREACHABLE follows. */
  connect(param: ConnectParam): void {
    this.expect('connect', 'ROUTE_RESOLVED');
    this.cm.connect(this, param);
    this.state = 'CONNECT';
  }

  /** `rdma_accept`: answers a CONNECT_REQUEST; ESTABLISHED follows (not for UD). */
  accept(param: AcceptParam): void {
    this.expect('accept', 'CONNECT');
    this.cm.accept(this, param);
  }

  /** Answers a CONNECT_RESPONSE: the queue pair is in RTS (`rdma_establish`). The id is established without a further event. */
  establish(): void {
    this.expect('establish', 'CONNECT');
    this.cm.establish(this);
  }

  /** `rdma_reject` */
  reject(privateData?: Uint8Array, reason?: number): void {
    this.expect('reject', 'CONNECT');
    this.cm.reject(this, privateData, reason);
  }

  /** `rdma_disconnect`: asks the peer, or answers that it asked. The queue pair is its owner's to bring to ERR. */
  disconnect(): void {
    if (this.ib === null) this.fail('disconnect', 'EINVAL', 'the id has no connection');
    this.cm.disconnect(this);
  }

  /** `rdma_notify`: the queue pair has had data before the connection was established (COMM_EST). */
  notifyEstablished(): void {
    if (this.ib === null || this.end === null) this.fail('notify', 'EINVAL', 'the id has no connection');
    this.end!.device.ib.establish(this.ib!);
  }

  /** `rdma_join_multicast`: MULTICAST_JOIN follows, with what sending to the group takes. */
  joinMulticast(address: Uint8Array, context: unknown = null): Multicast {
    const verb = 'joinMulticast';
    if (!['ADDR_BOUND', 'ADDR_RESOLVED', 'ROUTE_RESOLVED', 'CONNECT'].includes(this.state) || this.end === null) {
      this.fail(verb, 'EINVAL', `an id in state ${this.state} has no device`);
    }
    if (this.qpType !== QpType.UD) this.fail(verb, 'EINVAL', 'multicast is for UD');
    if (!isMulticast(address)) this.fail(verb, 'EINVAL', 'the address is no multicast group');
    const mc: Multicast = { address: Uint8Array.from(address), gid: groupGid(address), context };
    this.multicasts.push(mc);
    const fixed = { sgidIndex: this.end!.sgidIndex, hopLimit: 1, flowLabel: 0, port: 1, sl: 0, dlid: 0 };
    const ahAttr = { ...fixed, dgid: mc.gid, trafficClass: this.tos };
    const ud: UdParam = { privateData: new Uint8Array(0), ahAttr, qpNum: 0xffffff, qkey: this.qkey };
    this.event('MULTICAST_JOIN', { ud, multicast: mc });
    return mc;
  }

  /** `rdma_leave_multicast` */
  leaveMulticast(address: Uint8Array): void {
    const i = this.multicasts.findIndex((mc) => sameBytes(mc.address, address));
    if (i < 0) this.fail('leaveMulticast', 'EADDRNOTAVAIL', 'the id is not in the group');
    this.multicasts.splice(i, 1);
  }

  /** `rdma_init_qp_attr`: what to set a queue pair to, for its way to `state`. */
  initQpAttr(state: number): QpAttrSet {
    if (this.qpType === QpType.UD) {
      const set = datagramQpAttr(state, this.qkey, this.psn);
      if (set !== null) return set;
    } else if (this.ib !== null && this.ib.av !== null) {
      const set = connectedQpAttr(this.ib, state, this.psn, this.ackTimeout);
      if (set !== null) return set;
    } else if (state === QpState.INIT) return earlyQpAttr(this.qpType, this.qkey);
    return this.fail('initQpAttr', 'EINVAL', `no attributes for ${nameOf(QpState, state)} in state ${this.state}`);
  }

  /** `rdma_destroy_id`: the peer is told; events of it that were not fetched are gone. Returns those that were. */
  destroy(): number {
    if (this.state !== 'DESTROYED') this.cm.destroy(this);
    return this.eventsReported;
  }

  // Shared with RdmaCm

  /** @internal */
  event(type: CmEventName, given: Partial<Omit<RdmaCmEvent, 'type' | 'id'>> = {}): void {
    if (this.state === 'DESTROYED') return;
    const none = {
      listenId: null,
      status: 0,
      conn: null as ConnParam | null,
      ud: null as UdParam | null,
      multicast: null,
    };
    this.channel.put({ type, id: this, ...none, ...given });
  }

  private expect(verb: string, state: RdmaCmState): void {
    if (this.state !== state) this.fail(verb, 'EINVAL', `the id is in state ${this.state}, not ${state}`);
  }

  private fail(verb: string, code: ErrnoName, message: string): never {
    throw new VerbsError(verb, code, message);
  }
}

/** `struct rdma_conn_param`, as the program gives it. */
export interface ConnectParam {
  readonly qpn?: number;
  readonly privateData?: Uint8Array;
  readonly responderResources?: number;
  readonly initiatorDepth?: number;
  readonly flowControl?: number;
  readonly retryCount?: number;
  readonly rnrRetryCount?: number;
  readonly srq?: boolean;
  /** Not of rdma_cm: how long the peer may take to answer (4.096 µs times two to this), and how often it is asked again. */
  readonly responseTimeout?: number;
  readonly maxCmRetries?: number;
}

export interface AcceptParam extends ConnectParam {
  /** UD: the Q_Key that peers are to use. */
  readonly qkey?: number;
}
