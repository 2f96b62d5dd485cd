// Ids: making them, letting go of them, moving them to another file.
import { refuse } from '../uverbs/errno.ts';
import { type Command, command } from './call.ts';
import { Command as Cmd } from './ids.ts';
import { CreateId, CreateIdResp, DestroyId, DestroyIdResp, MigrateId, MigrateResp } from './layout.ts';

export const idCommands: readonly Command[] = [
  command(Cmd.CREATE_ID, CreateId.size, CreateIdResp.size, (call) => {
    const { file } = call;
    const context = file.createId(call.uid(CreateId.uid), {
      portSpace: call.u16(CreateId.ps),
      qpType: call.u8(CreateId.qpType),
      rights: { netBindService: call.caller.netBindService },
    });
    try {
      call.answerWord(CreateId.response, context.number);
    } catch (error) {
      file.destroyId(context);
      throw error;
    }
  }),
  command(Cmd.DESTROY_ID, DestroyId.size, DestroyIdResp.size, (call) => {
    const context = call.context(DestroyId.id);
    call.file.destroyId(context);
    call.answerWord(DestroyId.response, context.eventsReported);
  }),
  // The file that it comes through is the new one.
  command(Cmd.MIGRATE_ID, MigrateId.size, MigrateResp.size, (call) => {
    const { file, caller } = call;
    const description = caller.describeFd(call.request.readInt32LE(MigrateId.fd));
    if (description === null) refuse('ENOENT', 'the descriptor is not open');
    const from = file.device.fileOf(description) ?? refuse('EINVAL', 'the descriptor is no event channel');
    const context = file.device.find(call.u32(MigrateId.id), from);
    file.adopt(context);
    call.answerWord(MigrateId.response, context.eventsReported);
  }),
];
