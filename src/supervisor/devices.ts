// The devices of a run and the tree of files that shows them.
import { randomInt } from 'node:crypto';
import { hostPortRules } from '../api/port-rules.ts';
import { Gsi } from '../cm/gsi.ts';
import { IbCm } from '../cm/ib/cm.ts';
import { RdmaCm } from '../cm/rdma/rdma-cm.ts';
import type { Rxe } from '../drivers/rxe/driver.ts';
import { rxeUserAbi } from '../drivers/rxe/user-abi.ts';
import { monotonic } from '../link/clock.ts';
import { UcmaDevice } from '../ucma/device.ts';
import { UverbsDevice } from '../uverbs/device.ts';
import { SysfsTree } from '../uverbs/sysfs.ts';
import type { DeviceNode, Tree } from './device-node.ts';

export interface Devices {
  /** The verbs device first. */
  readonly nodes: readonly [verbs: DeviceNode, ...others: DeviceNode[]];
  readonly tree: Tree;
  /** What has to be done after the engine's progress; the milliseconds until it must be done again, Infinity: need not. */
  readonly turn: () => number;
  /** Before the device is closed, after all files are. */
  readonly close: () => void;
}

const SYSFS = '/sys/class/misc/rdma_cm';

/** The tree is made in `root`; `trace` is told of the errors of calls, whose programs learn the errno only. */
export function makeDevices(rxe: Rxe, root: string, trace: ((text: string) => void) | null): Devices {
  const onError = trace === null ? undefined : (error: unknown): void => trace(String(error));
  const uverbs = new UverbsDevice({ device: rxe.device, abi: rxeUserAbi(rxe), onError });
  const gsi = new Gsi(rxe.device);
  const cm = new RdmaCm({ random: randomInt, portRules: hostPortRules() });
  const cmDevice = { gsi, ib: new IbCm({ port: gsi, clock: monotonic, random: randomInt }) };
  cm.addDevice(cmDevice);
  const ucma = new UcmaDevice({ cm, onError });
  const tree = new SysfsTree(root, [uverbs]);
  const { major, minor } = ucma.cdev;
  tree.add(`${SYSFS}/dev`, () => `${major}:${minor}`);
  tree.add(`${SYSFS}/abi_version`, () => `${ucma.abiVersion}`);
  tree.refreshAll();
  tree.addNode(ucma.name);
  return {
    nodes: [uverbs, ucma],
    tree,
    turn: () => {
      const verbs = uverbs.turn();
      cm.progress();
      const due = cm.nextDeadline;
      return due === Number.POSITIVE_INFINITY ? verbs : Math.min(verbs, Math.max(0, (due - monotonic()) / 1000));
    },
    close: () => {
      // The peers are told, as far as one packet each can.
      rxe.engine.progress();
      cm.removeDevice(cmDevice);
    },
  };
}
