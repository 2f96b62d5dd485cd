import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { CmEventType } from '../../src/cm/rdma/events.ts';
import * as ids from '../../src/ucma/ids.ts';
import * as layout from '../../src/ucma/layout.ts';
import { PortSpace } from '../../src/wire/cm-ip.ts';
import { cValues } from '../helpers/c-values.ts';
import { missing, requireProgram } from '../helpers/debian.ts';

const HEADER = '/usr/include/rdma/rdma_user_cm.h';
const snake = (name: string): string => name.replace(/(?<=[a-z0-9])[A-Z]/g, (c) => `_${c}`).toLowerCase();
const STRUCTS: Readonly<Record<string, string>> = {
  PathRecData: 'ib_path_rec_data',
  UserPathRec: 'ib_user_path_rec',
  QpAttr: 'ib_uverbs_qp_attr',
};
const FIELDS: Readonly<Record<string, string>> = { numbPath: 'numb_path' };

function compare(ours: readonly [name: string, value: number, expression: string][], headers: readonly string[]): void {
  const theirs = cValues(
    headers,
    ours.map(([, , expression]) => expression),
  );
  assert.deepEqual(
    ours.map(([name, value]) => `${name} ${value}`),
    ours.map(([name], i) => `${name} ${theirs[i]}`),
  );
}

function headersHere(t: Parameters<typeof requireProgram>[0]): boolean {
  if (!requireProgram(t, 'gcc', 'gcc')) return false;
  if (existsSync(HEADER)) return true;
  missing(t, 'needs rdma_user_cm.h: apt-get install linux-libc-dev');
  return false;
}

test('sizes and offsets are those of the kernel headers', (t) => {
  if (!headersHere(t)) return;
  const ours: [string, number, string][] = [];
  for (const [name, fields] of Object.entries(layout)) {
    // The header that has it is the kernel's own.
    if (name === 'SockaddrIb') continue;
    const struct = `struct ${STRUCTS[name] ?? `rdma_ucm_${snake(name)}`}`;
    for (const [field, value] of Object.entries(fields)) {
      const expression =
        field === 'size' ? `sizeof(${struct})` : `offsetof(${struct}, ${FIELDS[field] ?? snake(field)})`;
      ours.push([`${name}.${field}`, value, expression]);
    }
  }
  compare(ours, ['rdma/rdma_user_cm.h']);
  assert.ok(ours.length > 120, `${ours.length} compared`);
});

test('numbers are those of the kernel headers', (t) => {
  if (!headersHere(t)) return;
  const ours: [string, number, string][] = [['abi', ids.ABI_VERSION, 'RDMA_USER_CM_ABI_VERSION']];
  for (const [name, value] of Object.entries(ids.Command)) ours.push([name, value, `RDMA_USER_CM_CMD_${name}`]);
  for (const [name, value] of Object.entries(ids.QueryOption)) ours.push([name, value, `RDMA_USER_CM_QUERY_${name}`]);
  for (const [name, value] of Object.entries(ids.OptionLevel)) ours.push([name, value, `RDMA_OPTION_${name}`]);
  for (const [name, value] of Object.entries(ids.IdOption)) ours.push([name, value, `RDMA_OPTION_ID_${name}`]);
  for (const [name, value] of Object.entries(ids.IbOption)) ours.push([name, value, `RDMA_OPTION_IB_${name}`]);
  for (const [name, value] of Object.entries(ids.JoinFlag)) ours.push([name, value, `RDMA_MC_JOIN_FLAG_${name}`]);
  for (const [name, value] of Object.entries(PortSpace)) ours.push([name, value, `RDMA_PS_${name}`]);
  ours.push(['PATH_FLAGS', ids.PATH_FLAGS, 'IB_PATH_GMP | IB_PATH_PRIMARY | IB_PATH_BIDIRECTIONAL']);
  compare(ours, ['rdma/rdma_user_cm.h', 'rdma/ib_user_sa.h']);
});

test('events and sockaddr_ib are those of librdmacm', (t) => {
  if (!headersHere(t)) return;
  if (!existsSync('/usr/include/rdma/rdma_cma.h')) return missing(t, 'needs rdma_cma.h: apt-get install librdmacm-dev');
  const ours: [string, number, string][] = [];
  for (const [name, value] of Object.entries(CmEventType)) ours.push([name, value, `RDMA_CM_EVENT_${name}`]);
  for (const [field, value] of Object.entries(layout.SockaddrIb)) {
    const of = 'struct sockaddr_ib';
    ours.push([field, value, field === 'size' ? `sizeof(${of})` : `offsetof(${of}, sib_${snake(field)})`]);
  }
  compare(ours, ['rdma/rdma_cma.h', 'infiniband/ib.h']);
});
