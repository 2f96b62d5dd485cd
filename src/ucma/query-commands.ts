// What an id has become: its addresses, its device, its way to the peer.
import type { PathRecord } from '../cm/path.ts';
import type { RdmaCmId } from '../cm/rdma/id.ts';
import type { SockAddr } from '../cm/rdma/sockaddr.ts';
import { gidFromAddress } from '../core/gid-text.ts';
import { refuse } from '../uverbs/errno.ts';
import { serviceIdOf } from '../wire/cm-ip.ts';
import type { Command, UcmaCall } from './call.ts';
import type { UcmaContext } from './context.ts';
import { Command as Cmd, PATH_FLAGS, QueryOption } from './ids.ts';
import { QueryAddrResp as A, PathRecData, Query, QueryPathResp, QueryRouteResp as R, SockaddrIb } from './layout.ts';
import { packPath, putUserPath } from './path-record.ts';
import { AF_IB, putAddress } from './sockaddr.ts';

const NO_PKEY = 0xffff;

function putDevice(id: RdmaCmId, response: Buffer, guidAt: number, portAt: number): boolean {
  if (id.end === null) return false;
  response.set(id.end.device.gsi.caGuid, guidAt);
  response[portAt] = 1;
  return true;
}

function pkeyOf(id: RdmaCmId): number {
  return id.end?.device.gsi.device.pkeys.entries[0] ?? NO_PKEY;
}

/** An address in the program's terms: one bound by a sockaddr_ib is told so. */
function put(context: UcmaContext, response: Buffer, at: number, addr: SockAddr | null): number {
  return context.ib ? putIb(context.cmId!, response, at, addr) : putAddress(response, at, addr);
}

function putIb(id: RdmaCmId, response: Buffer, at: number, addr: SockAddr | null): number {
  response.writeUInt16LE(AF_IB, at);
  response.writeUInt16BE(pkeyOf(id), at + SockaddrIb.pkey);
  if (addr !== null) response.set(gidFromAddress(addr.address), at + SockaddrIb.addr);
  response.writeBigUInt64BE(serviceIdOf(id.portSpace, addr?.port ?? 0), at + SockaddrIb.sid);
  return SockaddrIb.size;
}

function queryAddr(call: UcmaCall, context: UcmaContext): void {
  const id = context.cmId!;
  const response = Buffer.alloc(A.size);
  response.writeUInt16LE(put(context, response, A.srcAddr, id.src), A.srcSize);
  response.writeUInt16LE(put(context, response, A.dstAddr, id.dst), A.dstSize);
  if (putDevice(id, response, A.nodeGuid, A.portNum)) response.writeUInt16BE(pkeyOf(id), A.pkey);
  call.answer(Query.response, response);
}

function queryGid(call: UcmaCall, { cmId: id }: UcmaContext): void {
  const response = Buffer.alloc(A.size);
  response.writeUInt16LE(putIb(id!, response, A.srcAddr, id!.src), A.srcSize);
  response.writeUInt16LE(putIb(id!, response, A.dstAddr, id!.dst), A.dstSize);
  if (putDevice(id!, response, A.nodeGuid, A.portNum)) response.writeUInt16BE(pkeyOf(id!), A.pkey);
  call.answer(Query.response, response);
}

function queryPath(call: UcmaCall, { cmId: id }: UcmaContext): void {
  const path: PathRecord | null = id!.route;
  const fits = path !== null && call.room >= QueryPathResp.size + PathRecData.size;
  const response = Buffer.alloc(QueryPathResp.size + (fits ? PathRecData.size : 0));
  response.writeUInt32LE(path === null ? 0 : 1, QueryPathResp.numPaths);
  if (fits) {
    response.writeUInt32LE(PATH_FLAGS, QueryPathResp.pathData + PathRecData.flags);
    packPath(path, response, QueryPathResp.pathData + PathRecData.pathRec);
  }
  call.answer(Query.response, response);
}

function queryRoute(call: UcmaCall): void {
  const id = call.id(Query.id);
  const response = Buffer.alloc(R.size);
  putAddress(response, R.srcAddr, id.src);
  putAddress(response, R.dstAddr, id.dst);
  if (putDevice(id, response, R.nodeGuid, R.portNum)) {
    response.writeUInt32LE(id.route === null ? 0 : 1, R.numPaths);
    putUserPath(response, R.ibRoute, id);
  }
  call.answer(Query.response, response);
}

function query(call: UcmaCall): void {
  const context = call.context(Query.id);
  const option = call.u32(Query.option);
  const room = option === QueryOption.PATH ? QueryPathResp.size : A.ibdevIndex;
  if (option > QueryOption.GID) refuse('ENOSYS', `query option ${option}`);
  if (call.room < room) refuse('ENOSPC', `room for ${call.room} bytes; ${room} are needed`);
  if (option === QueryOption.ADDR) queryAddr(call, context);
  else if (option === QueryOption.PATH) queryPath(call, context);
  else queryGid(call, context);
}

export const queryCommands: readonly Command[] = [
  // Before Linux 5.4 the answers ended at ibdev_index.
  { id: Cmd.QUERY, min: Query.size, size: Query.size, room: 0, run: query },
  { id: Cmd.QUERY_ROUTE, min: Query.option, size: Query.size, room: R.ibdevIndex, run: queryRoute },
];
