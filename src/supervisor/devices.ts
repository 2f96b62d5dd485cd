// The devices of a run and the tree of files that shows them.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { gidToSysfs } from '../core/gid-text.ts';
import type { Rxe } from '../drivers/rxe/driver.ts';
import { rxeUserAbi } from '../drivers/rxe/user-abi.ts';
import { UverbsDevice } from '../uverbs/device.ts';
import type { DeviceNode, Tree } from './device-node.ts';

export interface Devices {
  readonly nodes: readonly DeviceNode[];
  readonly tree: Tree;
  /** What has to be done after the engine's progress; the milliseconds until it must be done again, Infinity: need not. */
  readonly turn: () => number;
}

/** `trace` is told of errors that the programs get as an errno. */
export function makeDevices(rxe: Rxe, root: string, trace: ((text: string) => void) | null): Devices {
  const uverbs = new UverbsDevice({
    device: rxe.device,
    abi: rxeUserAbi(rxe),
    onError: trace === null ? undefined : (error) => trace(String(error)),
  });
  return { nodes: [uverbs], tree: standIn(root, rxe), turn: () => uverbs.turn() };
}

function standIn(root: string, rxe: Rxe): Tree {
  const dev = rxe.device.name;
  const f = (p: string, s: string): void => {
    const q = `${root}/${p}`;
    mkdirSync(dirname(q), { recursive: true });
    writeFileSync(q, `${s}\n`);
  };
  const V = 'sys/class/infiniband_verbs';
  const I = `sys/class/infiniband/${dev}`;
  const guid = Buffer.from(rxe.device.attributes.nodeGuid).toString('hex').match(/..../g)!.join(':');
  f(`${V}/abi_version`, '6');
  f(`${V}/uverbs0/ibdev`, dev);
  f(`${V}/uverbs0/dev`, '231:192');
  f(`${V}/uverbs0/abi_version`, '2');
  f(`${I}/node_type`, '1: CA');
  f(`${I}/node_guid`, guid);
  f(`${I}/sys_image_guid`, guid);
  f(`${I}/fw_ver`, '');
  f(`${I}/node_desc`, dev);
  f(`${I}/parent`, 'lo');
  const P = `${I}/ports/1`;
  f(`${P}/state`, '4: ACTIVE');
  f(`${P}/phys_state`, '5: LinkUp');
  f(`${P}/rate`, '2.5 Gb/sec (1X SDR)');
  f(`${P}/lid`, '0x0');
  f(`${P}/link_layer`, 'Ethernet');
  f(`${P}/pkeys/0`, '0xffff');
  for (let i = 0; i < 128; i++) {
    f(`${P}/gids/${i}`, gidToSysfs(new Uint8Array(16)));
  }
  for (const { index, gid } of rxe.device.gids.list()) {
    f(`${P}/gids/${index}`, gidToSysfs(gid));
    f(`${P}/gid_attrs/types/${index}`, 'RoCE v2');
    f(`${P}/gid_attrs/ndevs/${index}`, 'lo');
  }
  f('dev/infiniband/uverbs0', '');
  return { refresh: () => {} };
}
