// All that a program can call. GET_OPTION does not exist in Linux either.
import { addressCommands } from './address-commands.ts';
import { type Command, command } from './call.ts';
import { connectCommands } from './connect-commands.ts';
import { idCommands } from './id-commands.ts';
import { Command as Cmd } from './ids.ts';
import { EventResp, GetEvent } from './layout.ts';
import { mcastCommands } from './mcast-commands.ts';
import { optionCommands } from './option-commands.ts';
import { queryCommands } from './query-commands.ts';

const commands: readonly Command[] = [
  ...idCommands,
  ...addressCommands,
  ...connectCommands,
  ...queryCommands,
  ...optionCommands,
  ...mcastCommands,
  // The file itself does it: it may have to wait.
  command(Cmd.GET_EVENT, GetEvent.size, EventResp.reserved, () => {}),
];
const byId: (Command | undefined)[] = [];
for (const it of commands) byId[it.id] = it;

export const commandOf = (id: number): Command | undefined => byId[id];
