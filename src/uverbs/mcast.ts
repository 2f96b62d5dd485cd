// Multicast groups.
import { attachMcast, detachMcast } from '../core/verbs-mcast.ts';
import { Command as Cmd } from './ids.ts';
import { AttachMcast as M } from './layout.ts';
import { type Command, command } from './spec.ts';
import type { WriteCall } from './write-call.ts';

const gid = (call: WriteCall): Uint8Array => Uint8Array.from(call.request.subarray(M.gid, M.gid + 16));

export const mcastCommands: readonly Command[] = [
  command(Cmd.ATTACH_MCAST, M.size, 0, (call) => {
    attachMcast(call.file.find('qp', call.u32(M.qpHandle)), gid(call), call.u16(M.mlid));
  }),
  command(Cmd.DETACH_MCAST, M.size, 0, (call) => {
    detachMcast(call.file.find('qp', call.u32(M.qpHandle)), gid(call), call.u16(M.mlid));
  }),
];
