import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as ids from '../../src/uverbs/ids.ts';
import * as layout from '../../src/uverbs/layout.ts';
import { missing, requireProgram } from '../helpers/debian.ts';

const snake = (name: string): string => name.replace(/(?<=[a-z0-9])[A-Z]/g, (c) => `_${c}`).toLowerCase();
const STRUCTS: Readonly<Record<string, string>> = {
  IoctlHdr: 'ib_uverbs_ioctl_hdr',
  Attr: 'ib_uverbs_attr',
};
const COMMANDS = '/usr/include/rdma/ib_user_ioctl_cmds.h';

/** The values of C expressions, as a compiler that reads the kernel's headers has them; null for those it does not know. */
function evaluate(expressions: readonly string[]): number[] {
  const dir = mkdtempSync(join(tmpdir(), 'uverbs-h-'));
  const headers = ['rdma/ib_user_verbs.h', 'rdma/ib_user_ioctl_verbs.h', 'rdma/rdma_user_ioctl_cmds.h'];
  const includes = ['stdio.h', 'stddef.h', ...headers, 'rdma/ib_user_ioctl_cmds.h', 'rdma/rdma_user_rxe.h'];
  const source = [
    ...includes.map((name) => `#include <${name}>`),
    'int main(void) {',
    ...expressions.map((it) => `  printf("%lu\\n", (unsigned long)(${it}));`),
    '}',
  ];
  try {
    writeFileSync(join(dir, 'c.c'), source.join('\n'));
    execFileSync('gcc', ['-o', join(dir, 'c'), join(dir, 'c.c')], { stdio: ['ignore', 'ignore', 'pipe'] });
    return execFileSync(join(dir, 'c'), { encoding: 'utf8' }).trim().split('\n').map(Number);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function compare(ours: readonly [name: string, value: number, expression: string][]): void {
  const theirs = evaluate(ours.map(([, , expression]) => expression));
  assert.deepEqual(
    ours.map(([name, value]) => `${name} ${value}`),
    ours.map(([name], i) => `${name} ${theirs[i]}`),
  );
}

function headersHere(t: Parameters<typeof requireProgram>[0]): boolean {
  if (!requireProgram(t, 'gcc', 'gcc')) return false;
  if (existsSync(COMMANDS)) return true;
  missing(t, 'needs ib_user_ioctl_cmds.h: apt-get install linux-libc-dev');
  return false;
}

test('sizes and offsets are those of the kernel headers', (t) => {
  if (!headersHere(t)) return;
  const ours: [string, number, string][] = [];
  for (const [name, fields] of Object.entries(layout)) {
    const struct = `struct ${STRUCTS[name] ?? `ib_uverbs_${snake(name)}`}`;
    for (const [field, value] of Object.entries(fields)) {
      const expression = field === 'size' ? `sizeof(${struct})` : `offsetof(${struct}, ${snake(field)})`;
      ours.push([`${name}.${field}`, value, expression]);
    }
  }
  compare(ours);
  assert.ok(ours.length > 300, `${ours.length} compared`);
});

test('commands, objects and methods have the numbers of the kernel headers', (t) => {
  if (!headersHere(t)) return;
  const ours: [string, number, string][] = [];
  for (const [name, value] of Object.entries(ids.Command)) ours.push([name, value, `IB_USER_VERBS_CMD_${name}`]);
  for (const [name, value] of Object.entries(ids.ExCommand)) ours.push([name, value, `IB_USER_VERBS_EX_CMD_${name}`]);
  for (const [name, value] of Object.entries(ids.UObject)) ours.push([name, value, `UVERBS_OBJECT_${name}`]);
  for (const [name, value] of Object.entries(ids.AttrFlag)) ours.push([name, value, `UVERBS_ATTR_F_${name}`]);
  for (const [name, value] of Object.entries(ids.DeviceMethod)) ours.push([name, value, `UVERBS_METHOD_${name}`]);
  for (const object of ['CQ', 'QP', 'SRQ']) {
    ours.push([`${object} CREATE`, 0, `UVERBS_METHOD_${object}_CREATE`]);
    ours.push([`${object} DESTROY`, 1, `UVERBS_METHOD_${object}_DESTROY`]);
  }
  for (const object of ['PD', 'AH', 'MW']) {
    ours.push([`${object} DESTROY`, ids.DESTROY_METHOD, `UVERBS_METHOD_${object}_DESTROY`]);
  }
  ours.push(['MR DESTROY', ids.MrMethod.DESTROY, 'UVERBS_METHOD_MR_DESTROY']);
  ours.push(['MR QUERY', ids.MrMethod.QUERY, 'UVERBS_METHOD_QUERY_MR']);
  // Linux 6.17
  if (/UVERBS_METHOD_REG_MR\b/.test(readFileSync(COMMANDS, 'utf8'))) {
    ours.push(['MR REG', ids.MrMethod.REG, 'UVERBS_METHOD_REG_MR']);
  }
  ours.push(['ASYNC', ids.ASYNC_EVENT_ALLOC, 'UVERBS_METHOD_ASYNC_EVENT_ALLOC']);
  ours.push(['UHW_IN', ids.UHW_IN, 'UVERBS_ATTR_UHW_IN'], ['UHW_OUT', ids.UHW_OUT, 'UVERBS_ATTR_UHW_OUT']);
  ours.push(['EXTENDED', ids.EXTENDED, 'IB_USER_VERBS_CMD_FLAG_EXTENDED']);
  ours.push(['CORE_SUPPORT', ids.CORE_SUPPORT, 'IB_UVERBS_CORE_SUPPORT_OPTIONAL_MR_ACCESS']);
  compare(ours);
});

test('what rxe answers has the layout of rdma_user_rxe.h', (t) => {
  if (!headersHere(t)) return;
  compare([
    ['driver id', 14, 'RDMA_DRIVER_RXE'],
    ['mminfo', 16, 'sizeof(struct mminfo)'],
    ['mminfo.size', 8, 'offsetof(struct mminfo, size)'],
    ['create_qp', 32, 'sizeof(struct rxe_create_qp_resp)'],
    ['sq_mi', 16, 'offsetof(struct rxe_create_qp_resp, sq_mi)'],
    ['create_srq', 24, 'sizeof(struct rxe_create_srq_resp)'],
    ['srq_num', 16, 'offsetof(struct rxe_create_srq_resp, srq_num)'],
    ['create_ah', 8, 'sizeof(struct rxe_create_ah_resp)'],
    ['modify_srq', 8, 'sizeof(struct rxe_modify_srq_cmd)'],
    ['post_send', 32, 'sizeof(struct ib_uverbs_cmd_hdr) + sizeof(struct ib_uverbs_post_send)'],
  ]);
});
