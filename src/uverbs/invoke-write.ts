// INVOKE_WRITE (uverbs_std_types_device.c): the commands of the older interface as one method.
import type { Attributes } from './attributes.ts';
import { refuse } from './errno.ts';
import { DeviceMethod, EXTENDED, UObject } from './ids.ts';
import { bytesIn, bytesOut, type Command, constIn, type Method, optional, UHW } from './spec.ts';
import { CORE_IN, CORE_OUT, WRITE_CMD, WriteCall } from './write-call.ts';

const COMMAND_MASK = 0xff;

/** The method that invokes these commands. */
export function invokeWrite(commands: readonly Command[]): Method {
  const byId = new Map(commands.map((it) => [it.id, it]));
  const run = (attrs: Attributes): void => {
    const id = attrs.constant(WRITE_CMD, 0xffffffff);
    if ((id & ~(EXTENDED | COMMAND_MASK)) !== 0) refuse('EINVAL', `0x${id.toString(16)} is no command`);
    const found = byId.get(id);
    if (found === undefined) refuse('EOPNOTSUPP', `there is no command 0x${id.toString(16)}`);
    // libibverbs finds out by this answer, to a command without a request, that INVOKE_WRITE is there.
    if (attrs.bytes(CORE_IN).length < found.min || attrs.roomOf(CORE_OUT) < found.answer) {
      refuse('ENOSPC', `the request has ${found.min} bytes, its answer ${found.answer}`);
    }
    found.run(new WriteCall(attrs, found.size));
  };
  return {
    object: UObject.DEVICE,
    id: DeviceMethod.INVOKE_WRITE,
    attrs: [optional(bytesIn(CORE_IN, 4)), optional(bytesOut(CORE_OUT, 0)), constIn(WRITE_CMD), ...UHW],
    run,
  };
}
