// The devices of a run and the tree of files that shows them.

import { mkdirSync, writeFileSync } from 'node:fs';
import type { Rxe } from '../drivers/rxe/driver.ts';
import { RxeUserAbi } from '../drivers/rxe/user-abi.ts';
import { UverbsDevice } from '../uverbs/device.ts';
import type { DeviceNode, Tree } from './device-node.ts';

export interface Devices {
  readonly nodes: readonly DeviceNode[];
  readonly tree: Tree;
  /** What has to be done after the engine's progress; the milliseconds until it must be done again, Infinity: need not. */
  readonly turn: () => number;
}

export function makeDevices(rxe: Rxe, root: string, say: (text: string) => void): Devices {
  const uverbs = new UverbsDevice({
    device: rxe.device,
    abi: new RxeUserAbi(rxe.engine),
    onError: (e) => {
      if (process.env.DBG) say(String(e));
    },
  });
  return { nodes: [uverbs], tree: standIn(root), turn: () => uverbs.turn() };
}
function standIn(root: string): Tree {
  mkdirSync(root + '/sys/class/infiniband', { recursive: true });
  mkdirSync(root + '/sys/class/infiniband_verbs', { recursive: true });
  mkdirSync(root + '/dev/infiniband', { recursive: true });
  writeFileSync(root + '/dev/infiniband/uverbs0', '');
  writeFileSync(root + '/sys/class/infiniband_verbs/abi_version', '6\n');
  return { refresh: () => {} };
}
