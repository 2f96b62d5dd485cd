// What the port is, and its GIDs.
import { readFileSync } from 'node:fs';
import type { GidEntry as CoreEntry } from '../core/gid.ts';
import { queryGidEntry, queryPort } from '../core/verbs-query.ts';
import { refuse } from './errno.ts';
import type { UverbsFile } from './file.ts';
import { Command as Cmd, DeviceMethod, UObject } from './ids.ts';
import { GidEntry, QueryPort, QueryPortRespEx, QueryPortResp as R } from './layout.ts';
import { bytesOut, type Command, command, constIn, flagsIn, type Method, structOut, u64Out } from './spec.ts';

/** IB_UVERBS_QPF_GRH_REQUIRED: RoCE has no addresses but GIDs. */
const GRH_REQUIRED = 1;
const ETHERNET = 2;
/** IB_UVERBS_PCF_IP_BASED_GIDS: the GIDs are made of IP addresses. */
const IP_BASED_GIDS = 1 << 26;
/** IB_UVERBS_GID_TYPE_ROCE_V2 */
const ROCE_V2 = 2;

function describePort(file: UverbsFile, port: number, into: Buffer): void {
  const a = queryPort(file.context, port);
  into.writeUInt32LE((a.portCapFlags | (a.linkLayer === ETHERNET ? IP_BASED_GIDS : 0)) >>> 0, R.portCapFlags);
  into.writeUInt32LE(a.maxMsgSz, R.maxMsgSz);
  into.writeUInt32LE(a.badPkeyCntr, R.badPkeyCntr);
  into.writeUInt32LE(a.qkeyViolCntr, R.qkeyViolCntr);
  into.writeUInt32LE(a.gidTblLen, R.gidTblLen);
  into.writeUInt16LE(a.pkeyTblLen, R.pkeyTblLen);
  into.writeUInt16LE(a.lid, R.lid);
  into.writeUInt16LE(a.smLid, R.smLid);
  into[R.state] = a.state;
  into[R.maxMtu] = a.maxMtu;
  into[R.activeMtu] = a.activeMtu;
  into[R.lmc] = a.lmc;
  into[R.maxVlNum] = a.maxVlNum;
  into[R.smSl] = a.smSl;
  into[R.activeWidth] = a.activeWidth;
  into[R.activeSpeed] = a.activeSpeed;
  into[R.physState] = a.physState;
  into[R.linkLayer] = a.linkLayer;
  into[R.flags] = a.linkLayer === ETHERNET ? GRH_REQUIRED : 0;
}

const indexes = new Map<string, number>();

/** The interface's index, which `if_nametoindex` gives in the program too: they share a network namespace. */
function ifindex(netdev: string): number {
  let index = indexes.get(netdev);
  if (index === undefined) {
    try {
      index = Number(readFileSync(`/sys/class/net/${netdev}/ifindex`, 'latin1')) || 0;
    } catch {
      index = 0;
    }
    indexes.set(netdev, index);
  }
  return index;
}

function describeGid(entry: CoreEntry): Buffer {
  const bytes = Buffer.alloc(GidEntry.size);
  bytes.set(entry.gid, GidEntry.gid);
  bytes.writeUInt32LE(entry.index, GidEntry.gidIndex);
  bytes.writeUInt32LE(1, GidEntry.portNum);
  bytes.writeUInt32LE(ROCE_V2, GidEntry.gidType);
  bytes.writeUInt32LE(entry.netdev === '' ? 0 : ifindex(entry.netdev), GidEntry.netdevIfindex);
  return bytes;
}

export const portCommands: readonly Command[] = [
  command(Cmd.QUERY_PORT, QueryPort.size, R.size, (call) => {
    const answer = Buffer.alloc(R.size);
    describePort(call.file, call.u8(QueryPort.portNum), answer);
    call.answer(answer);
  }),
];

const PORT_NUM = 0;
const PORT_RESP = 1;
const ENTRY_SIZE = 0;
const TABLE_FLAGS = 1;
const ENTRIES = 2;
const NUM_ENTRIES = 3;
const GID_PORT = 0;
const GID_INDEX = 1;
const GID_FLAGS = 2;
const GID_ENTRY = 3;

export const portMethods: readonly Method[] = [
  {
    object: UObject.DEVICE,
    id: DeviceMethod.QUERY_PORT,
    attrs: [constIn(PORT_NUM), structOut(PORT_RESP, QueryPortRespEx.portCapFlags2 + 2, QueryPortRespEx.size)],
    run: (attrs) => {
      const answer = Buffer.alloc(QueryPortRespEx.size);
      describePort(attrs.file, attrs.constant(PORT_NUM, 0xff), answer);
      attrs.putStruct(PORT_RESP, answer);
    },
  },
  {
    object: UObject.DEVICE,
    id: DeviceMethod.QUERY_GID_TABLE,
    attrs: [constIn(ENTRY_SIZE), flagsIn(TABLE_FLAGS), bytesOut(ENTRIES, 0), u64Out(NUM_ENTRIES)],
    run: (attrs) => {
      attrs.flags(TABLE_FLAGS, 0);
      const size = attrs.constant(ENTRY_SIZE, 0xffff);
      const room = attrs.roomOf(ENTRIES);
      // uverbs_attr_ptr_get_array_size
      if (size === 0 || room % size !== 0) refuse('EINVAL', `entries of ${size} bytes, and room for ${room}`);
      if (room === 0) refuse('EINVAL', 'room for no entry');
      const entries = attrs.file.context.device.gids.list();
      if (entries.length > room / size) refuse('EINVAL', `${entries.length} entries, and room for ${room / size}`);
      const table = Buffer.alloc(entries.length * size);
      entries.forEach((entry, i) => {
        describeGid(entry).copy(table, i * size, 0, Math.min(size, GidEntry.size));
      });
      attrs.put(ENTRIES, table);
      attrs.putU64(NUM_ENTRIES, entries.length);
    },
  },
  {
    object: UObject.DEVICE,
    id: DeviceMethod.QUERY_GID_ENTRY,
    attrs: [
      constIn(GID_PORT),
      constIn(GID_INDEX),
      flagsIn(GID_FLAGS),
      structOut(GID_ENTRY, GidEntry.size, GidEntry.size),
    ],
    run: (attrs) => {
      attrs.flags(GID_FLAGS, 0);
      const entry = queryGidEntry(
        attrs.file.context,
        attrs.constant(GID_PORT, 0xffffffff),
        attrs.constant(GID_INDEX, 0xffffffff),
      );
      attrs.putStruct(GID_ENTRY, describeGid(entry));
    },
  },
];
