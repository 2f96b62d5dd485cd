// Options of ids.
import { refuse } from '../uverbs/errno.ts';
import { type Command, command, type UcmaCall } from './call.ts';
import type { UcmaContext } from './context.ts';
import { Command as Cmd, IbOption, IdOption, OptionLevel, PATH_FLAGS } from './ids.ts';
import { PathRecData, SetOption } from './layout.ts';
import { unpackPath } from './path-record.ts';

/** More than any option has. */
const MOST = 4096;

function setIdOption({ cmId }: UcmaContext, name: number, value: Buffer): void {
  const size = name === IdOption.TOS || name === IdOption.ACK_TIMEOUT ? 1 : 4;
  if (name > IdOption.ACK_TIMEOUT) refuse('ENOSYS', `option ${name}`);
  if (value.length !== size) refuse('EINVAL', `option ${name} has ${size} bytes, not ${value.length}`);
  if (name === IdOption.TOS) cmId!.setTos(value[0]);
  else if (name === IdOption.REUSEADDR) cmId!.setReuseAddr(value.readUInt32LE(0) !== 0);
  else if (name === IdOption.AFONLY) cmId!.setAfOnly(value.readUInt32LE(0) !== 0);
  else cmId!.setAckTimeout(value[0]);
}

function setIbOption({ cmId }: UcmaContext, name: number, value: Buffer): void {
  if (name !== IbOption.PATH) refuse('ENOSYS', `option ${name}`);
  if (value.length % PathRecData.size !== 0) refuse('EINVAL', `${value.length} bytes are no path records`);
  for (let at = 0; at < value.length; at += PathRecData.size) {
    if (value.readUInt32LE(at + PathRecData.flags) !== PATH_FLAGS) continue;
    return cmId!.setPath(unpackPath(value, at + PathRecData.pathRec, cmId!.end?.sgidIndex ?? 0));
  }
  refuse('EINVAL', 'no primary path for both directions');
}

function setOption(call: UcmaCall): void {
  const context = call.context(SetOption.id);
  const level = call.u32(SetOption.level);
  const length = call.u32(SetOption.optlen);
  if (length > MOST) refuse('EINVAL', `an option of ${length} bytes`);
  const value = Buffer.alloc(length);
  if (length > 0 && !call.caller.read(call.pointer(SetOption.optval), value, 0, length)) {
    refuse('EFAULT', 'the value of the option is not there');
  }
  if (level === OptionLevel.ID) setIdOption(context, call.u32(SetOption.optname), value);
  else if (level === OptionLevel.IB) setIbOption(context, call.u32(SetOption.optname), value);
  else refuse('ENOSYS', `option level ${level}`);
}

export const optionCommands: readonly Command[] = [command(Cmd.SET_OPTION, SetOption.size, 0, setOption)];
