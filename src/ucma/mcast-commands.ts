// Multicast groups.
import { refuse } from '../uverbs/errno.ts';
import { type Command, command, type UcmaCall } from './call.ts';
import { Command as Cmd, JoinFlag } from './ids.ts';
import { CreateIdResp, DestroyId, DestroyIdResp, JoinIpMcast, JoinMcast } from './layout.ts';
import { addressAt, familyAt, sizeOfFamily } from './sockaddr.ts';

function join(call: UcmaCall, idAt: number, uidAt: number, addrAt: number, responseAt: number): void {
  const { file } = call;
  const { address } = addressAt(call.request, addrAt);
  file.join(call.context(idAt), call.uid(uidAt), address, (number) => call.answerWord(responseAt, number));
}

export const mcastCommands: readonly Command[] = [
  command(Cmd.JOIN_IP_MCAST, JoinIpMcast.size, CreateIdResp.size, (call) => {
    join(call, JoinIpMcast.id, JoinIpMcast.uid, JoinIpMcast.addr, JoinIpMcast.response);
  }),
  command(Cmd.JOIN_MCAST, JoinMcast.size, CreateIdResp.size, (call) => {
    const size = call.u16(JoinMcast.addrSize);
    if (size === 0 || size !== sizeOfFamily(familyAt(call.request, JoinMcast.addr))) {
      refuse('EINVAL', `an address of ${size} bytes`);
    }
    const flags = call.u16(JoinMcast.joinFlags);
    if (flags !== JoinFlag.FULLMEMBER && flags !== JoinFlag.SENDONLY_FULLMEMBER) refuse('EINVAL', `flags ${flags}`);
    join(call, JoinMcast.id, JoinMcast.uid, JoinMcast.addr, JoinMcast.response);
  }),
  command(Cmd.LEAVE_MCAST, DestroyId.size, DestroyIdResp.size, (call) => {
    const reported = call.file.leave(call.u32(DestroyId.id));
    call.answerWord(DestroyId.response, reported);
  }),
];
