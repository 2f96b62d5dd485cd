// Multicast groups.
import { checkInteger, checkLive, fail } from './check.ts';
import { LinkLayer, QpType } from './constants.ts';
import { gidsEqual, gidToText, isMulticastGid } from './gid-text.ts';
import { McastAttachment } from './multicast.ts';
import type { QueuePair } from './qp.ts';
import { adopt, checkRoom, destroyObject } from './tracking.ts';

/**
 * `ibv_attach_mcast`: the queue pair gets what is sent to the group. Attaching twice is attaching once, as uverbs has it.
 * The driver is told of each queue pair: before a new one is in `device.mcast`, after an old one is out of it, so that to
 * a driver that asks there for a group's members, none means that this one is the first, or was the last.
 */
export function attachMcast(qp: QueuePair, gid: Uint8Array, lid = 0): McastAttachment {
  const verb = 'attachMcast';
  checkGroup(verb, qp, gid, lid);
  const { context } = qp;
  const { device } = context;
  const existing = attachment(qp, gid);
  if (existing !== undefined) return existing;
  checkRoom(verb, context, 'mcast');
  const { maxMcastGrp, maxMcastQpAttach } = device.attributes;
  const members = device.mcast.membersOf(gid).length;
  if (members === 0 && device.mcast.size >= maxMcastGrp) {
    fail(verb, 'ENOMEM', `device ${device.name} has room for ${maxMcastGrp} multicast groups`);
  }
  if (members >= maxMcastQpAttach) {
    fail(verb, 'ENOMEM', `device ${device.name} has room for ${maxMcastQpAttach} queue pairs in a multicast group`);
  }
  const own = Uint8Array.from(gid);
  device.ops.attachMcast(qp, own, lid);
  try {
    device.mcast.attach(own, qp);
  } catch (error) {
    device.ops.detachMcast(qp, own, lid);
    throw error;
  }
  return adopt(new McastAttachment(qp, own, lid));
}

/** `ibv_detach_mcast`: EINVAL when the queue pair is not attached to the group. */
export function detachMcast(qp: QueuePair, gid: Uint8Array, lid = 0): void {
  const verb = 'detachMcast';
  checkGroup(verb, qp, gid, lid);
  const it = attachment(qp, gid);
  if (it === undefined) fail(verb, 'EINVAL', `qp ${qp.handle} is not attached to ${gidToText(gid)}`);
  destroyMcast(it);
}

/** Ends an attachment. */
export function destroyMcast(it: McastAttachment): void {
  const { device } = it.context;
  destroyObject('detachMcast', it, () => {
    // Out of the table first: no packet finds a queue pair that its driver has let go.
    device.mcast.detach(it.gid, it.qp);
    device.ops.detachMcast(it.qp, it.gid, it.lid);
  });
}

function attachment(qp: QueuePair, gid: Uint8Array): McastAttachment | undefined {
  if (!qp.context.device.mcast.has(gid, qp)) return undefined;
  return qp.context.handles.ofKind('mcast').find((it) => it.qp === qp && gidsEqual(it.gid, gid));
}

function checkGroup(verb: string, qp: QueuePair, gid: Uint8Array, lid: number): void {
  checkLive(verb, 'qp', 'qp', qp);
  qp.context.device.require('attachMcast');
  if (qp.type !== QpType.UD) fail(verb, 'EINVAL', `qp ${qp.handle} is not UD; only UD queue pairs can be in a group`);
  if (!(gid instanceof Uint8Array) || gid.length !== 16) fail(verb, 'EINVAL', 'gid is not 16 bytes');
  if (!isMulticastGid(gid)) {
    fail(verb, 'EINVAL', `gid ${gidToText(gid)} is no multicast group; ff00::/8 and ::ffff:224.0.0.0/100 are allowed`);
  }
  const infiniband = qp.context.device.ops.queryPort(1).linkLayer === LinkLayer.INFINIBAND;
  checkInteger(verb, 'lid', lid, infiniband ? 0xc000 : 0, infiniband ? 0xfffe : 0xffff);
}
