// Everything that a program imports: `import { openDevice } from 'infinitive'`.
export {
  Access,
  type AccessName,
  EventType,
  type EventTypeName,
  Mtu,
  QpAttrMask,
  QpState,
  type QpStateName,
  QpType,
  type QpTypeName,
  SendFlags,
  WcOpcode,
  type WcOpcodeName,
  WcStatus,
  type WcStatusName,
  WrOpcode,
  type WrOpcodeName,
} from '../core/constants.ts';
export type { DeviceAttributes, PortAttributes } from '../core/driver.ts';
export type { QpAttr, QpCap } from '../core/qp.ts';
export type { ResourceEntry } from '../core/resources.ts';
export type { SrqAttr } from '../core/srq.ts';
export type { DriverName } from '../drivers/index.ts';
export type { Driver, DriverOptions, Machine } from '../drivers/machine.ts';
export { psm, psm2 } from '../drivers/psm/extension.ts';
export type { FaultOptions } from '../link/faults.ts';
export type { LinkStats } from '../link/link.ts';
export type { Counters } from '../transport/counters.ts';
export type { AccessRights } from './access.ts';
export type { AddressHandle } from './ah.ts';
export type { Destination } from './av.ts';
export { ConnectError, type ConnectErrorCode } from './cm-errors.ts';
export { Completion } from './completion.ts';
export { type ConnectToOptions, connect } from './connect.ts';
export type { Connection, ConnectionAddress, ConnectionQpOptions } from './connection.ts';
export type { CompletionQueue, WaitOptions } from './cq.ts';
export {
  type AnnounceUdOptions,
  announceUd,
  type DatagramPeer,
  type DatagramService,
  type ResolveUdOptions,
  resolveUd,
} from './datagram-service.ts';
export type { AsyncEvent, Device, DeviceEvents, Gid } from './device.ts';
export { VerbsError, WcError } from './errors.ts';
export type { BoundExtension } from './extension.ts';
export { type ConnectionRequest, type ListenOptions, listen, type Server } from './listen.ts';
export type { MemoryRegion, RegisterableMemory, RemoteBuffer } from './mr.ts';
export type { Bind, MemoryWindow } from './mw.ts';
export { type OpenOptions, openDevice } from './open.ts';
export type { CreateQpOptions, ProtectionDomain, RegMrOptions } from './pd.ts';
export {
  type Psm,
  type PsmActiveMessage,
  PsmEndpoint,
  type PsmEndpointOptions,
  type PsmMessage,
  type PsmPeer,
  type PsmSpan,
  type PsmTag,
} from './psm.ts';
export type { PsmRequest, PsmStatus } from './psm-request.ts';
export type { ConnectOptions, QpEndpoint, QueuePair } from './qp.ts';
export {
  type ConnectSocketOptions,
  connectSocket,
  type ListenSocketOptions,
  listenSocket,
  type RdmaSocket,
  type RdmaSocketOptions,
  type SocketServer,
} from './rdma-socket.ts';
export { type RecvRequest, RecvWr, type SendRequest, SendWr, type Sge } from './requests.ts';
export type { SharedReceiveQueue } from './srq.ts';
