// The devices of a run and the tree of files that shows them.
import type { Rxe } from '../drivers/rxe/driver.ts';
import { rxeUserAbi } from '../drivers/rxe/user-abi.ts';
import { UverbsDevice } from '../uverbs/device.ts';
import { SysfsTree } from '../uverbs/sysfs.ts';
import type { DeviceNode, Tree } from './device-node.ts';

export interface Devices {
  readonly nodes: readonly DeviceNode[];
  readonly tree: Tree;
  /** What has to be done after the engine's progress; the milliseconds until it must be done again, Infinity: need not. */
  readonly turn: () => number;
}

/** The tree is made in `root`; `trace` is told of the errors of calls, whose programs learn the errno only. */
export function makeDevices(rxe: Rxe, root: string, trace: ((text: string) => void) | null): Devices {
  const uverbs = new UverbsDevice({
    device: rxe.device,
    abi: rxeUserAbi(rxe),
    onError: trace === null ? undefined : (error) => trace(String(error)),
  });
  return { nodes: [uverbs], tree: new SysfsTree(root, [uverbs]), turn: () => uverbs.turn() };
}
