// All that a program can call. What is not here does not exist: EPROTONOSUPPORT for methods, EOPNOTSUPP for commands, as
// Linux has it for what rxe lacks (flows, XRC, work queues, device memory, counters, dma-bufs, advise, CQ moderation) and
// for POLL_CQ and posting through the kernel, which providers with queues in shared memory do not use.
import { ahCommands, ahMethods } from './ah.ts';
import { contextCommands, contextMethods } from './context.ts';
import { cqCommands, cqMethods } from './cq.ts';
import { invokeWrite } from './invoke-write.ts';
import { mcastCommands } from './mcast.ts';
import { mrCommands, mrMethods } from './mr.ts';
import { mwCommands, mwMethods } from './mw.ts';
import { pdCommands, pdMethods } from './pd.ts';
import { qpCommands, qpMethods } from './qp.ts';
import { qpAttrCommands } from './qp-attr.ts';
import { deviceCommands } from './query-device.ts';
import { portCommands, portMethods } from './query-port.ts';
import type { Command, Method } from './spec.ts';
import { srqCommands, srqMethods } from './srq.ts';

export const COMMANDS: readonly Command[] = [
  ...contextCommands,
  ...deviceCommands,
  ...portCommands,
  ...pdCommands,
  ...mrCommands,
  ...mwCommands,
  ...cqCommands,
  ...qpCommands,
  ...qpAttrCommands,
  ...srqCommands,
  ...ahCommands,
  ...mcastCommands,
];

export const METHODS: readonly Method[] = [
  invokeWrite(COMMANDS),
  ...contextMethods,
  ...portMethods,
  ...pdMethods,
  ...mrMethods,
  ...mwMethods,
  ...cqMethods,
  ...qpMethods,
  ...srqMethods,
  ...ahMethods,
];
