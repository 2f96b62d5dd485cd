// What the device is.
import { refuse } from './errno.ts';
import type { UverbsFile } from './file.ts';
import { Command as Cmd, EXTENDED, ExCommand } from './ids.ts';
import { ExQueryDeviceResp as Ex, ExQueryDevice, QueryDevice, QueryDeviceResp as R } from './layout.ts';
import { type Command, command, exCommand } from './spec.ts';

const MAX_U32 = 0xffffffff;
/** IB_ATOMIC_HCA */
const ATOMIC_HCA = 1;
/** RXE_LOCAL_CA_ACK_DELAY: what software takes to answer, as 4.096 us times two to it. */
const ACK_DELAY = 15;

const u32 = (value: number): number => Math.min(value, MAX_U32);

function describe(file: UverbsFile, into: Buffer): void {
  const { device } = file.context;
  const a = device.attributes;
  into.set(a.nodeGuid, R.nodeGuid);
  into.set(a.sysImageGuid, R.sysImageGuid);
  into.writeBigUInt64LE(BigInt(a.maxMrSize), R.maxMrSize);
  into.writeBigUInt64LE(BigInt(a.pageSizeCap), R.pageSizeCap);
  const words: readonly [at: number, value: number][] = [
    [R.vendorId, a.vendorId],
    [R.vendorPartId, a.vendorPartId],
    [R.hwVer, a.hwVer],
    [R.maxQp, a.maxQp],
    [R.maxQpWr, a.maxQpWr],
    [R.deviceCapFlags, a.deviceCapFlags >>> 0],
    [R.maxSge, a.maxSge],
    [R.maxSgeRd, a.maxSgeRd],
    [R.maxCq, a.maxCq],
    [R.maxCqe, a.maxCqe],
    [R.maxMr, a.maxMr],
    [R.maxPd, a.maxPd],
    [R.maxQpRdAtom, a.maxQpRdAtom],
    [R.maxResRdAtom, a.maxResRdAtom],
    [R.maxQpInitRdAtom, a.maxQpInitRdAtom],
    [R.atomicCap, device.capabilities.has('atomic') ? ATOMIC_HCA : 0],
    [R.maxMw, a.maxMw],
    [R.maxMcastGrp, a.maxMcastGrp],
    [R.maxMcastQpAttach, a.maxMcastQpAttach],
    [R.maxTotalMcastQpAttach, a.maxMcastGrp * a.maxMcastQpAttach],
    [R.maxAh, a.maxAh],
    [R.maxSrq, a.maxSrq],
    [R.maxSrqWr, a.maxSrqWr],
    [R.maxSrqSge, a.maxSrqSge],
  ];
  for (const [at, value] of words) into.writeUInt32LE(u32(value), at);
  into.writeUInt16LE(a.maxPkeys, R.maxPkeys);
  into[R.localCaAckDelay] = ACK_DELAY;
  into[R.physPortCnt] = a.physPortCnt;
}

export const deviceCommands: readonly Command[] = [
  command(Cmd.QUERY_DEVICE, QueryDevice.size, R.size, (call) => {
    const answer = Buffer.alloc(R.size);
    describe(call.file, answer);
    call.answer(answer);
  }),
  exCommand(
    EXTENDED | ExCommand.QUERY_DEVICE,
    ExQueryDevice.size,
    ExQueryDevice.size,
    Ex.responseLength + 4,
    (call) => {
      if (call.u32(ExQueryDevice.compMask) !== 0 || call.u32(ExQueryDevice.reserved) !== 0) {
        refuse('EINVAL', 'comp_mask and reserved are 0');
      }
      const answer = Buffer.alloc(Ex.size);
      describe(call.file, answer);
      answer.writeUInt32LE(call.responseLength(Ex.size), Ex.responseLength);
      // On-demand paging, time stamps, RSS, tag matching, moderation, device memory: none.
      answer.writeUInt32LE(call.file.context.device.attributes.deviceCapFlags >>> 0, Ex.deviceCapFlagsEx);
      call.answer(answer);
    },
  ),
];
