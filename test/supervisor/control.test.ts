import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, suite, test } from 'node:test';
import { askRun, listRuns, type Snapshot, serveControl } from '../../src/supervisor/control.ts';

const snapshot: Snapshot = {
  pid: process.pid,
  command: ['ib_send_bw', '-e'],
  device: 'rxe0',
  netdev: 'lo',
  addresses: ['127.0.0.1'],
  uptime: 1,
  contexts: [],
  resources: [],
  counters: { sent_pkts: 3 },
};

suite('asking a run', () => {
  const directory = mkdtempSync(join(tmpdir(), 'infinitive-control-'));
  process.env.XDG_RUNTIME_DIR = directory;
  after(() => rmSync(directory, { recursive: true, force: true }));

  test('a run is found, answers, and is gone when it has closed', async () => {
    const control = await serveControl(async () => snapshot);
    const runs = listRuns();
    assert.deepEqual(runs, [{ pid: process.pid, path: control.path }]);
    assert.deepEqual(await askRun(runs[0]), snapshot);
    assert.equal(statSync(dirname(control.path)).mode & 0o777, 0o700);
    control.close();
    assert.deepEqual(listRuns(), []);
  });

  test('what a killed run has left is taken away', async () => {
    const control = await serveControl(async () => snapshot);
    // Process ids end at 2^22.
    const left = join(dirname(control.path), '4999999.sock');
    writeFileSync(left, '');
    assert.equal(listRuns().length, 1);
    assert.throws(() => statSync(left), { code: 'ENOENT' });
    control.close();
  });

  test('a run that cannot answer is an error, not an empty answer', async () => {
    const control = await serveControl(() => Promise.reject(new Error('ending')));
    await assert.rejects(askRun(listRuns()[0]), /did not answer/);
    control.close();
  });
});
