// Protection domains.
import { allocPd, deallocPd } from '../core/verbs-pd.ts';
import { Command as Cmd, DESTROY_METHOD, UObject } from './ids.ts';
import { AllocPd, AllocPdResp, DeallocPd } from './layout.ts';
import { type Command, command, type Method, reference } from './spec.ts';

export const pdCommands: readonly Command[] = [
  command(Cmd.ALLOC_PD, AllocPd.size, AllocPdResp.size, (call) => {
    const pd = allocPd(call.file.context);
    const answer = Buffer.alloc(AllocPdResp.size);
    answer.writeUInt32LE(pd.handle, AllocPdResp.pdHandle);
    call.file.tellOr(
      () => deallocPd(pd),
      () => call.answer(answer),
    );
  }),
  command(Cmd.DEALLOC_PD, DeallocPd.size, 0, (call) => {
    deallocPd(call.file.lookup('pd', call.u32(DeallocPd.pdHandle)));
  }),
];

const HANDLE = 0;

export const pdMethods: readonly Method[] = [
  {
    object: UObject.PD,
    id: DESTROY_METHOD,
    attrs: [reference(HANDLE)],
    run: (attrs) => deallocPd(attrs.object(HANDLE, 'pd')),
  },
];
