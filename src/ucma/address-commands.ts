// Addresses: binding an id to one, finding out which way to another.
import { isAny, type SockAddr } from '../cm/rdma/sockaddr.ts';
import { refuse } from '../uverbs/errno.ts';
import { type Command, command, type UcmaCall } from './call.ts';
import type { UcmaContext } from './context.ts';
import { Command as Cmd } from './ids.ts';
import { Bind, BindIp, ResolveAddr, ResolveIp, ResolveRoute, SockaddrIb } from './layout.ts';
import { AF_IB, addressAt, familyAt, sizeOfFamily } from './sockaddr.ts';

/** Has the address the size that is said? */
function checkSize(call: UcmaCall, sizeAt: number, at: number): void {
  const size = call.u16(sizeAt);
  if (size === 0 || size !== sizeOfFamily(familyAt(call.request, at))) refuse('EINVAL', `an address of ${size} bytes`);
}

function bind(call: UcmaCall, context: UcmaContext, at: number): void {
  const { request } = call;
  const { cmId } = context;
  if (familyAt(request, at) === AF_IB) return bindIb(request, context, at);
  const { address, port } = addressAt(request, at);
  cmId!.bind(address, port);
}

// librdmacm asks by this, on an id that it destroys at once, whether it may use the commands that take any address.
function bindIb(request: Buffer, context: UcmaContext, at: number): void {
  const gid = at + SockaddrIb.addr;
  if (!isAny(request.subarray(gid, gid + 16))) refuse('ENODEV', 'RoCE has IP addresses');
  // The last 16 bits of the service id are the port.
  const port = request.readUInt16BE(at + SockaddrIb.sid + 6) & request.readUInt16BE(at + SockaddrIb.sidMask + 6);
  context.cmId!.bind(new Uint8Array(4), port);
  context.ib = true;
}

function resolve(call: UcmaCall, context: UcmaContext, srcAt: number | null, dstAt: number): void {
  const { request } = call;
  const src: SockAddr | null = srcAt === null ? null : addressAt(request, srcAt);
  context.cmId!.resolveAddr(src, addressAt(request, dstAt));
}

export const addressCommands: readonly Command[] = [
  command(Cmd.BIND_IP, BindIp.size, 0, (call) => {
    if (familyAt(call.request, BindIp.addr) === AF_IB) refuse('EINVAL', 'no IP address');
    bind(call, call.context(BindIp.id), BindIp.addr);
  }),
  command(Cmd.BIND, Bind.size, 0, (call) => {
    if (call.u16(Bind.reserved) !== 0) refuse('EINVAL', 'what is reserved is not 0');
    checkSize(call, Bind.addrSize, Bind.addr);
    bind(call, call.context(Bind.id), Bind.addr);
  }),
  command(Cmd.RESOLVE_IP, ResolveIp.size, 0, (call) => {
    const given = familyAt(call.request, ResolveIp.srcAddr) !== 0;
    resolve(call, call.context(ResolveIp.id), given ? ResolveIp.srcAddr : null, ResolveIp.dstAddr);
  }),
  command(Cmd.RESOLVE_ADDR, ResolveAddr.size, 0, (call) => {
    if (call.u32(ResolveAddr.reserved) !== 0) refuse('EINVAL', 'what is reserved is not 0');
    const given = call.u16(ResolveAddr.srcSize) !== 0;
    if (given) checkSize(call, ResolveAddr.srcSize, ResolveAddr.srcAddr);
    checkSize(call, ResolveAddr.dstSize, ResolveAddr.dstAddr);
    resolve(call, call.context(ResolveAddr.id), given ? ResolveAddr.srcAddr : null, ResolveAddr.dstAddr);
  }),
  command(Cmd.RESOLVE_ROUTE, ResolveRoute.size, 0, (call) => {
    call.id(ResolveRoute.id).resolveRoute();
  }),
];
