// The same statements through a stock libibverbs: two ordinary programs under `infinitive run`, each with its device.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { formatText, runConformance } from '../../src/conformance/index.ts';
import { missing, requireProgram } from '../helpers/debian.ts';
import { ProgramSide } from './abi/program-side.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const SOURCE = fileURLToPath(new URL('./abi/side.c', import.meta.url));

test('conformance of the ABI: rxe, by programs that are linked with rdma-core', { timeout: 100_000 }, async (t) => {
  if (!requireProgram(t, 'gcc', 'gcc libc6-dev')) return;
  if (!existsSync('/usr/include/infiniband/verbs.h'))
    return missing(t, 'needs verbs.h: apt-get install libibverbs-dev');
  const dir = mkdtempSync(join(tmpdir(), 'abi-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const program = join(dir, 'side');
  execFileSync('gcc', ['-Wall', '-Werror', '-O1', '-o', program, SOURCE, '-libverbs']);
  const start = (ip: string): Promise<ProgramSide> =>
    ProgramSide.start(process.execPath, [MAIN, 'run', '--ip', ip, '--', program]);
  const [a, b] = await Promise.all([start('127.27.0.1'), start('127.27.0.2')]);
  t.after(() => {
    a.stop();
    b.stop();
  });
  const report = await runConformance({
    open: async () => {
      await Promise.all([a.reset(), b.reset()]);
      return { a, b, wire: null, close: () => {} };
    },
  });
  assert.ok(report.passed, formatText(report));
  assert.ok(report.counts.passed >= 60, JSON.stringify(report.counts));
  assert.deepEqual(report.stubs, []);
});
