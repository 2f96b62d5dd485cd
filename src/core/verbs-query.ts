// What a context may ask about its device.
import { checkInteger, checkOpen, fail } from './check.ts';
import type { Context } from './context.ts';
import type { DeviceAttributes, PortAttributes } from './driver.ts';
import type { GidEntry } from './gid.ts';

/** `ibv_query_device` */
export function queryDevice(context: Context): DeviceAttributes {
  checkOpen('queryDevice', context);
  return context.device.attributes;
}

/** `ibv_query_port`. The lengths of the GID and P_Key tables are the core's, whose tables they are. */
export function queryPort(context: Context, port: number): PortAttributes {
  checkPort('queryPort', context, port);
  const { device } = context;
  return { ...device.ops.queryPort(port), gidTblLen: device.gids.length, pkeyTblLen: device.pkeys.length };
}

/** `ibv_query_gid`: 16 bytes, all 0 where the table has no entry. */
export function queryGid(context: Context, port: number, index: number): Uint8Array {
  const entry = gidAt('queryGid', context, port, index);
  return entry === null ? new Uint8Array(16) : Uint8Array.from(entry.gid);
}

/** `ibv_query_gid_ex`: ENODATA where the table has no entry. */
export function queryGidEntry(context: Context, port: number, index: number): GidEntry {
  const entry = gidAt('queryGidEntry', context, port, index);
  if (entry === null) fail('queryGidEntry', 'ENODATA', `the GID table has no entry ${index}`);
  return entry;
}

/** `ibv_query_pkey`: 0, which is no key, where the table has no entry. */
export function queryPkey(context: Context, port: number, index: number): number {
  checkPort('queryPkey', context, port);
  const { pkeys } = context.device;
  checkInteger('queryPkey', 'index', index, 0, pkeys.length - 1);
  return pkeys.entries[index];
}

function gidAt(verb: string, context: Context, port: number, index: number): GidEntry | null {
  checkPort(verb, context, port);
  const { gids } = context.device;
  checkInteger(verb, 'index', index, 0, gids.length - 1);
  return gids.at(index);
}

function checkPort(verb: string, context: Context, port: number): void {
  checkOpen(verb, context);
  checkInteger(verb, 'port', port, 1, context.device.attributes.physPortCnt);
}
