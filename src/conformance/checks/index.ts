import type { Check } from '../check.ts';
import { completionChecks } from './completion.ts';
import { deviceChecks } from './device.ts';
import { memoryChecks } from './memory.ts';
import { packetChecks, partitionChecks } from './packets.ts';
import { qpChecks } from './qp.ts';
import { reliableChecks } from './reliable.ts';
import { srqChecks } from './srq.ts';
import { unreliableChecks } from './unreliable.ts';
import { windowChecks } from './windows.ts';

/** Everything that a device is asked, area by area. */
export const CHECKS: readonly (Check & { readonly area: string })[] = Object.entries({
  device: deviceChecks,
  memory: memoryChecks,
  completion: completionChecks,
  'queue pairs': qpChecks,
  'reliable connections': reliableChecks,
  'unreliable services': unreliableChecks,
  'shared receive queues': srqChecks,
  'memory windows': windowChecks,
  partitions: partitionChecks,
  packets: packetChecks,
}).flatMap(([area, checks]) => checks.map((check) => ({ ...check, area })));
