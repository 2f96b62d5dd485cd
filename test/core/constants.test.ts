import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as constants from '../../src/core/constants.ts';
import { missing, requireProgram } from '../helpers/debian.ts';

// Each table's prefix in <infiniband/verbs.h>.
const PREFIX: Record<string, string> = {
  QpType: 'IBV_QPT_',
  QpState: 'IBV_QPS_',
  WrOpcode: 'IBV_WR_',
  SendFlags: 'IBV_SEND_',
  WcStatus: 'IBV_WC_',
  WcOpcode: 'IBV_WC_',
  WcFlags: 'IBV_WC_',
  Access: 'IBV_ACCESS_',
  FlushType: 'IBV_FLUSH_',
  FlushLevel: 'IBV_FLUSH_',
  QpAttrMask: 'IBV_QP_',
  ReregFlags: 'IBV_REREG_MR_CHANGE_',
  DeviceCap: 'IBV_DEVICE_',
  LinkLayer: 'IBV_LINK_LAYER_',
  SrqAttrMask: 'IBV_SRQ_',
  MwType: 'IBV_MW_',
  Mtu: 'IBV_',
  PortState: 'IBV_PORT_',
  EventType: 'IBV_EVENT_',
};
const RENAMED: Record<string, string> = {
  'SrqAttrMask.MAX_WR': 'IBV_SRQ_MAX_WR',
  'SrqAttrMask.LIMIT': 'IBV_SRQ_LIMIT',
};
// Only the kernel has names for them: enum ib_qp_type begins with SMI and GSI.
const NOT_IN_HEADER = new Set(['QpType.SMI', 'QpType.GSI']);

// Newer than libibverbs 44; a header without them is let pass, one with them is compared.
const SINCE_45 = new Set([
  'Access.FLUSH_GLOBAL',
  'Access.FLUSH_PERSISTENT',
  'WcOpcode.FLUSH',
  'WrOpcode.FLUSH',
  'FlushType.GLOBAL',
  'FlushType.PERSISTENT',
  'FlushLevel.RANGE',
  'FlushLevel.MR',
]);

test('every constant is what <infiniband/verbs.h> says', (t) => {
  if (!requireProgram(t, 'gcc', 'gcc')) return;
  if (!existsSync('/usr/include/infiniband/verbs.h'))
    return missing(t, 'needs verbs.h: apt-get install libibverbs-dev');
  const header = ['verbs.h', 'verbs_api.h', 'ib_user_ioctl_verbs.h']
    .map((file) => readFileSync(join('/usr/include/infiniband', file), 'utf8'))
    .join();
  const ours: [string, number][] = [];
  const lines: string[] = [];
  for (const [table, values] of Object.entries(constants)) {
    if (typeof values !== 'object') continue;
    assert.ok(PREFIX[table], `constants.ts has a table ${table} that this test has no prefix for`);
    for (const [name, value] of Object.entries(values)) {
      if (NOT_IN_HEADER.has(`${table}.${name}`)) continue;
      const theirs = RENAMED[`${table}.${name}`] ?? PREFIX[table] + name;
      if (SINCE_45.has(`${table}.${name}`) && !new RegExp(`\\b${theirs}\\b`).test(header)) continue;
      ours.push([`${table}.${name}`, value]);
      lines.push(`  printf("%u\\n", (unsigned)${theirs});`);
    }
  }
  const dir = mkdtempSync(join(tmpdir(), 'verbs-h-'));
  try {
    const source = `#include <stdio.h>\n#include <infiniband/verbs.h>\nint main(void) {\n${lines.join('\n')}\n}\n`;
    writeFileSync(join(dir, 'c.c'), source);
    execFileSync('gcc', ['-o', join(dir, 'c'), join(dir, 'c.c')], { stdio: ['ignore', 'ignore', 'pipe'] });
    const values = execFileSync(join(dir, 'c'), { encoding: 'utf8' }).trim().split('\n').map(Number);
    assert.deepEqual(
      ours,
      ours.map(([name], i) => [name, values[i]]),
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
  assert.ok(ours.length > 150, `${ours.length} constants compared`);
});

test('MTU numbers and bytes', () => {
  for (const bytes of [256, 512, 1024, 2048, 4096]) {
    assert.equal(constants.mtuBytes(constants.mtuEnum(bytes)), bytes);
  }
  for (const bytes of [0, 128, 1500, 8192, -1]) assert.equal(constants.mtuEnum(bytes), 0);
  assert.equal(constants.nameOf(constants.QpState, 3), 'RTS');
  assert.equal(constants.nameOf(constants.QpState, 77), '77');
});
