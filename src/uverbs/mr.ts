// Memory regions: parts of the program's own memory.
import { ReregFlags } from '../core/constants.ts';
import type { MemoryRegion } from '../core/mr.ts';
import type { ProtectionDomain } from '../core/pd.ts';
import { deregMr, regMr, reregMr } from '../core/verbs-mr.ts';
import type { Caller } from './caller.ts';
import { refuse } from './errno.ts';
import { Command as Cmd, MrMethod, UObject } from './ids.ts';
import { DeregMr, RegMr, RegMrResp, ReregMr, ReregMrResp } from './layout.ts';
import { type Command, command, flagsIn, type Method, optional, reference, u32Out, u64In, u64Out } from './spec.ts';

const PAGE = 4096;
const ALL_FLAGS = ReregFlags.TRANSLATION | ReregFlags.PD | ReregFlags.ACCESS;
const byte = Buffer.alloc(1);

/** Addresses are numbers: what is beyond 2^53 has lost its last bits, and is refused (EINVAL) rather than rounded. */
function checkExtent(caller: Caller, start: number, length: number, iova: number): void {
  if (!Number.isSafeInteger(iova) || !Number.isSafeInteger(iova + length)) {
    refuse('EINVAL', 'addresses of regions end below 2^53');
  }
  // ib_uverbs_reg_mr: both lie alike in their pages.
  if (start % PAGE !== iova % PAGE) refuse('EINVAL', 'start and hca_va differ in their last 12 bits');
  if (start + length > caller.memory.byteLength) refuse('EFAULT', 'the region is outside the address space');
  // ib_umem_get pins all of it; here only the ends are looked at, and what is missing between them fails when it is used.
  if (length === 0) return;
  if (!caller.read(start, byte, 0, 1) || !caller.read(start + length - 1, byte, 0, 1)) {
    refuse('EFAULT', 'the region is not all mapped');
  }
}

function register(
  caller: Caller,
  pd: ProtectionDomain,
  start: number,
  length: number,
  iova: number,
  access: number,
): MemoryRegion {
  checkExtent(caller, start, length, iova);
  return regMr(pd, caller.memory, { iova, length, access, offset: start });
}

export const mrCommands: readonly Command[] = [
  command(Cmd.REG_MR, RegMr.size, RegMrResp.size, (call) => {
    const pd = call.file.find('pd', call.u32(RegMr.pdHandle));
    const [start, length, iova] = [call.u64(RegMr.start), call.u64(RegMr.length), call.u64(RegMr.hcaVa)];
    const mr = register(call.caller, pd, start, length, iova, call.u32(RegMr.accessFlags));
    const answer = Buffer.alloc(RegMrResp.size);
    answer.writeUInt32LE(mr.handle, RegMrResp.mrHandle);
    answer.writeUInt32LE(mr.lkey, RegMrResp.lkey);
    answer.writeUInt32LE(mr.rkey, RegMrResp.rkey);
    call.file.tellOr(
      () => deregMr(mr),
      () => call.answer(answer),
    );
  }),
  command(Cmd.REREG_MR, ReregMr.size, ReregMrResp.size, (call) => {
    const { file, caller } = call;
    const flags = call.u32(ReregMr.flags);
    if (flags === 0) refuse('EINVAL', 'flags name nothing to change');
    if ((flags & ~ALL_FLAGS) !== 0) refuse('EOPNOTSUPP', `flags 0x${flags.toString(16)}`);
    const mr = file.lookup('mr', call.u32(ReregMr.mrHandle));
    const [start, length, iova] = [call.u64(ReregMr.start), call.u64(ReregMr.length), call.u64(ReregMr.hcaVa)];
    if (flags & ReregFlags.TRANSLATION) checkExtent(caller, start, length, iova);
    reregMr(mr, flags, {
      ...(flags & ReregFlags.PD ? { pd: file.find('pd', call.u32(ReregMr.pdHandle)) } : {}),
      ...(flags & ReregFlags.TRANSLATION ? { memory: caller.memory, iova, length, offset: start } : {}),
      ...(flags & ReregFlags.ACCESS ? { access: call.u32(ReregMr.accessFlags) } : {}),
    });
    const answer = Buffer.alloc(ReregMrResp.size);
    answer.writeUInt32LE(mr.lkey, ReregMrResp.lkey);
    answer.writeUInt32LE(mr.rkey, ReregMrResp.rkey);
    call.answer(answer);
  }),
  command(Cmd.DEREG_MR, DeregMr.size, 0, (call) => {
    deregMr(call.file.lookup('mr', call.u32(DeregMr.mrHandle)));
  }),
];

const HANDLE = 0;
const QUERY = { LKEY: 1, RKEY: 2, LENGTH: 3, IOVA: 4 } as const;
const REG = { PD: 1, IOVA: 3, ADDR: 4, LENGTH: 5, ACCESS: 6, LKEY: 9, RKEY: 10 } as const;

export const mrMethods: readonly Method[] = [
  {
    object: UObject.MR,
    id: MrMethod.DESTROY,
    attrs: [reference(HANDLE)],
    run: (attrs) => deregMr(attrs.object(HANDLE, 'mr')),
  },
  {
    object: UObject.MR,
    id: MrMethod.QUERY,
    attrs: [
      reference(HANDLE),
      u32Out(QUERY.LKEY),
      u32Out(QUERY.RKEY),
      u64Out(QUERY.LENGTH),
      optional(u64Out(QUERY.IOVA)),
    ],
    run: (attrs) => {
      const mr = attrs.object(HANDLE, 'mr');
      attrs.putU32(QUERY.LKEY, mr.lkey);
      attrs.putU32(QUERY.RKEY, mr.rkey);
      attrs.putU64(QUERY.LENGTH, mr.length);
      attrs.putU64(QUERY.IOVA, mr.iova);
    },
  },
  // Linux 6.17; a DMA handle and memory behind a dma-buf are attributes that are not known here.
  {
    object: UObject.MR,
    id: MrMethod.REG,
    attrs: [
      reference(HANDLE),
      reference(REG.PD),
      u64In(REG.IOVA),
      optional(u64In(REG.ADDR)),
      u64In(REG.LENGTH),
      { ...flagsIn(REG.ACCESS), mandatory: true },
      u32Out(REG.LKEY),
      u32Out(REG.RKEY),
    ],
    run: (attrs) => {
      if (!attrs.has(REG.ADDR)) refuse('EINVAL', 'a region of memory has an address');
      const pd = attrs.object(REG.PD, 'pd');
      const access = attrs.flags(REG.ACCESS, 0x3fffffff);
      const mr = register(attrs.caller, pd, attrs.u64(REG.ADDR), attrs.u64(REG.LENGTH), attrs.u64(REG.IOVA), access);
      const tell = (): void => {
        attrs.putReference(HANDLE, mr.handle);
        attrs.putU32(REG.LKEY, mr.lkey);
        attrs.putU32(REG.RKEY, mr.rkey);
      };
      attrs.file.tellOr(() => deregMr(mr), tell);
    },
  },
];
