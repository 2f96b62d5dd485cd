// Attributes as ibv_devinfo names and shows them.
import { DeviceCap, nameOf, PortState } from '../../core/constants.ts';
import type { Device } from '../../core/device.ts';
import { gidToText } from '../../core/gid-text.ts';
import { guidText } from './devices.ts';

/** Name and value; a value that is a list takes a line for each. */
export type Attribute = readonly [name: string, value: string | number | readonly string[]];

const hex = (value: number, digits = 0): string => `0x${value.toString(16).padStart(digits, '0')}`;
const MTU_NAMES = ['', '256', '512', '1024', '2048', '4096'];
const mtu = (value: number): string => `${MTU_NAMES[value] ?? 'invalid'} (${value})`;
const LINK_LAYERS = ['Unspecified', 'InfiniBand', 'Ethernet'];
const WIDTHS: Record<number, string> = { 1: '1', 2: '4', 4: '8', 8: '12', 16: '2' };
const SPEEDS: Record<number, string> = {
  1: '2.5 Gbps',
  2: '5.0 Gbps',
  4: '10.0 Gbps',
  8: '10.0 Gbps',
  16: '14.0 Gbps',
  32: '25.0 Gbps',
};
const PHYSICAL: Record<number, string> = { 2: 'POLLING', 3: 'DISABLED', 5: 'LINK_UP' };

/** Of the device; all of them with `all`. */
export function deviceAttributes(device: Device, all: boolean): Attribute[] {
  const a = device.attributes;
  const some: Attribute[] = [
    // IBV_TRANSPORT_UNSPECIFIED: without queue pairs there are no packets of any transport.
    ['transport', device.qpTypes.length === 0 ? 'Unspecified (4)' : 'InfiniBand (0)'],
    ['node_guid', guidText(a.nodeGuid)],
    ['sys_image_guid', guidText(a.sysImageGuid)],
    ['vendor_id', hex(a.vendorId, 4)],
    ['vendor_part_id', a.vendorPartId],
    ['hw_ver', hex(a.hwVer)],
    ['phys_port_cnt', a.physPortCnt],
    // What makes a device one for user contexts only is told whether it is asked for or not.
    ...(device.kverbs
      ? []
      : [['contexts', 'user contexts only'] as const, ['missing_verbs', device.missingVerbs] as const]),
  ];
  if (!all) return some;
  const caps = Object.entries(DeviceCap).filter(([, bit]) => a.deviceCapFlags & bit);
  return [
    ...some,
    ['driver', device.driver],
    ...(device.kverbs ? [['missing_verbs', 'none'] as const] : []),
    ...(device.extensions.length === 0 ? [] : [['extensions', device.extensions.map(({ name }) => name)] as const]),
    ['max_mr_size', hex(a.maxMrSize)],
    ['page_size_cap', hex(a.pageSizeCap)],
    ['max_qp', a.maxQp],
    ['max_qp_wr', a.maxQpWr],
    ['device_cap_flags', [hex(a.deviceCapFlags, 8), ...caps.map(([name]) => name)]],
    ['max_sge', a.maxSge],
    ['max_sge_rd', a.maxSgeRd],
    ['max_inline_data', a.maxInlineData],
    ['max_cq', a.maxCq],
    ['max_cqe', a.maxCqe],
    ['max_mr', a.maxMr],
    ['max_pd', a.maxPd],
    ['max_qp_rd_atom', a.maxQpRdAtom],
    ['max_res_rd_atom', a.maxResRdAtom],
    ['max_qp_init_rd_atom', a.maxQpInitRdAtom],
    ['max_mw', a.maxMw],
    ['max_mcast_grp', a.maxMcastGrp],
    ['max_mcast_qp_attach', a.maxMcastQpAttach],
    ['max_ah', a.maxAh],
    ['max_srq', a.maxSrq],
    ['max_srq_wr', a.maxSrqWr],
    ['max_srq_sge', a.maxSrqSge],
    ['max_pkeys', a.maxPkeys],
  ];
}

/** Of port 1. */
export function portAttributes(device: Device, all: boolean): Attribute[] {
  const p = device.ops.queryPort(1);
  const some: Attribute[] = [
    ['state', `PORT_${nameOf(PortState, p.state)} (${p.state})`],
    ['max_mtu', mtu(p.maxMtu)],
    ['active_mtu', mtu(p.activeMtu)],
    ['sm_lid', p.smLid],
    ['port_lid', p.lid],
    ['port_lmc', hex(p.lmc, 2)],
    ['link_layer', LINK_LAYERS[p.linkLayer] ?? String(p.linkLayer)],
    ['netdev', p.netdev],
  ];
  if (!all) return some;
  return [
    ...some,
    ['max_msg_sz', hex(p.maxMsgSz)],
    ['port_cap_flags', hex(p.portCapFlags, 8)],
    ['max_vl_num', p.maxVlNum],
    ['bad_pkey_cntr', hex(p.badPkeyCntr)],
    ['qkey_viol_cntr', hex(p.qkeyViolCntr)],
    ['sm_sl', p.smSl],
    ['pkey_tbl_len', p.pkeyTblLen],
    ['gid_tbl_len', p.gidTblLen],
    ['active_width', `${WIDTHS[p.activeWidth] ?? '?'}X (${p.activeWidth})`],
    ['active_speed', `${SPEEDS[p.activeSpeed] ?? '?'} (${p.activeSpeed})`],
    ['phys_state', `${PHYSICAL[p.physState] ?? '?'} (${p.physState})`],
    ...device.gids
      .list()
      .map(({ index, gid, type }): Attribute => [`GID[${String(index).padStart(3)}]`, `${gidToText(gid)}, ${type}`]),
    ...[...device.pkeys.entries]
      .map((pkey, index): Attribute => [`P_Key[${String(index).padStart(3)}]`, hex(pkey, 4)])
      .filter(([, pkey]) => pkey !== '0x0000'),
  ];
}

const NAME_WIDTH = 24;

/** One line each, `name:` and value, the values in a column. */
export function attributeLines(attributes: readonly Attribute[], indent: string): string[] {
  return attributes.flatMap(([name, value]) => {
    const [first = '', ...rest] = Array.isArray(value) ? (value as readonly string[]) : [String(value)];
    const blank = ' '.repeat(NAME_WIDTH);
    return [`${indent}${`${name}:`.padEnd(NAME_WIDTH)}${first}`, ...rest.map((text) => `${indent}${blank}${text}`)];
  });
}
