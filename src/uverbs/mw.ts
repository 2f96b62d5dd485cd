// Memory windows.
import { allocMw, deallocMw } from '../core/verbs-mw.ts';
import { Command as Cmd, DESTROY_METHOD, UObject } from './ids.ts';
import { AllocMw, AllocMwResp, DeallocMw } from './layout.ts';
import { type Command, command, type Method, reference } from './spec.ts';

export const mwCommands: readonly Command[] = [
  command(Cmd.ALLOC_MW, AllocMw.size, AllocMwResp.size, (call) => {
    const mw = allocMw(call.file.find('pd', call.u32(AllocMw.pdHandle)), call.u8(AllocMw.mwType));
    const answer = Buffer.alloc(AllocMwResp.size);
    answer.writeUInt32LE(mw.handle, AllocMwResp.mwHandle);
    answer.writeUInt32LE(mw.rkey, AllocMwResp.rkey);
    call.file.tellOr(
      () => deallocMw(mw),
      () => call.answer(answer),
    );
  }),
  command(Cmd.DEALLOC_MW, DeallocMw.size, 0, (call) => {
    deallocMw(call.file.lookup('mw', call.u32(DeallocMw.mwHandle)));
  }),
];

const HANDLE = 0;

export const mwMethods: readonly Method[] = [
  {
    object: UObject.MW,
    id: DESTROY_METHOD,
    attrs: [reference(HANDLE)],
    run: (attrs) => deallocMw(attrs.object(HANDLE, 'mw')),
  },
];
