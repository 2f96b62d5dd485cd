// Address handles.
import type { AddressVector } from '../core/ah.ts';
import { createAh, destroyAh } from '../core/verbs-ah.ts';
import { refuse } from './errno.ts';
import { Command as Cmd, DESTROY_METHOD, UObject } from './ids.ts';
import { AhAttr, CreateAh, CreateAhResp, DestroyAh, GlobalRoute } from './layout.ts';
import { type Command, command, type Method, reference } from './spec.ts';

/** struct ib_uverbs_ah_attr at `at`. */
function addressVector(request: Buffer, at: number): AddressVector {
  // rdma_check_ah_attr: RoCE has no addresses but GIDs.
  if (request[at + AhAttr.isGlobal] === 0) refuse('EINVAL', 'is_global is 0; RoCE needs a global route');
  const grh = at + AhAttr.grh;
  return {
    dgid: Uint8Array.from(request.subarray(grh + GlobalRoute.dgid, grh + GlobalRoute.dgid + 16)),
    sgidIndex: request[grh + GlobalRoute.sgidIndex],
    trafficClass: request[grh + GlobalRoute.trafficClass],
    hopLimit: request[grh + GlobalRoute.hopLimit],
    flowLabel: request.readUInt32LE(grh + GlobalRoute.flowLabel) & 0xfffff,
    port: request[at + AhAttr.portNum],
    sl: request[at + AhAttr.sl],
    dlid: request.readUInt16LE(at + AhAttr.dlid),
  };
}

export const ahCommands: readonly Command[] = [
  command(Cmd.CREATE_AH, CreateAh.size, CreateAhResp.size, (call) => {
    const { file, driver } = call;
    const { abi } = file.device;
    if (driver.room < abi.answerBytes.createAh) refuse('EINVAL', "no room for the driver's answer");
    const pd = file.find('pd', call.u32(CreateAh.pdHandle));
    const ah = createAh(pd, addressVector(call.request, CreateAh.attr));
    const answer = Buffer.alloc(CreateAhResp.size);
    answer.writeUInt32LE(ah.handle, CreateAhResp.ahHandle);
    const tell = (): void => {
      driver.answer(abi.createAh(ah));
      call.answer(answer);
    };
    file.tellOr(() => destroyAh(ah), tell);
  }),
  command(Cmd.DESTROY_AH, DestroyAh.size, 0, (call) => {
    destroyAh(call.file.lookup('ah', call.u32(DestroyAh.ahHandle)));
  }),
];

const HANDLE = 0;

export const ahMethods: readonly Method[] = [
  {
    object: UObject.AH,
    id: DESTROY_METHOD,
    attrs: [reference(HANDLE)],
    run: (attrs) => destroyAh(attrs.object(HANDLE, 'ah')),
  },
];
