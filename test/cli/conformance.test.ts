import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cli, start } from './cli.ts';

test('infinitive conformance: passes on rxe, over UDP of this host', async () => {
  const { status, stdout, stderr } = await cli(['conformance', '--ip', '127.22.0.1']);
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /rxe0 \(rxe\), kernel-verbs class/);
  assert.match(stdout, /C9-88/);
  assert.match(stdout, /\d+ passed, 0 failed, \d+ not claimed/);
});

test('--json and --junit, on a simulated network', async () => {
  const json = JSON.parse((await cli(['conformance', '--simulated', '--only', 'C9-88', '--json'])).stdout);
  assert.equal(json.passed, true);
  assert.deepEqual(json.counts, { passed: 1, failed: 0, 'not-claimed': 0, exception: 0 });
  const junit = await cli(['conformance', '--simulated', '--only', 'partitions', '--junit']);
  assert.match(junit.stdout, /<testsuite name="rxe: partitions" tests="2" failures="0" errors="0" skipped="2">/);
  assert.equal(junit.status, 0);
});

test('--peer: one device here, one in another process', async () => {
  const server = start(['conformance', '--serve', '0', '--ip', '127.22.0.3']);
  const port = await new Promise<string>((resolve, reject) => {
    server.child.stdout!.on('data', () => {
      const found = /TCP port (\d+)/.exec(server.output.stdout);
      if (found !== null) resolve(found[1]);
    });
    void server.ended.then(({ stderr }) => reject(new Error(stderr)));
  });
  const { status, stdout, stderr } = await cli([
    ...['conformance', '--ip', '127.22.0.4', '--peer', `127.22.0.3:${port}`, '--json'],
  ]);
  assert.equal(status, 0, stdout + stderr);
  const report = JSON.parse(stdout);
  assert.equal(report.counts.failed, 0);
  assert.ok(report.counts.passed > 60, JSON.stringify(report.counts));
  const packets = report.checks.filter((c: { area: string }) => c.area === 'packets');
  for (const { reason } of packets) assert.equal(reason, 'its packets cannot be seen from here');
  assert.equal((await server.ended).status, 0);
});

test('what is wrong with the command line is told', async () => {
  const both = await cli(['conformance', '--json', '--junit']);
  assert.equal(both.status, 2);
  const none = await cli(['conformance', '--simulated', '--only', 'no such check']);
  assert.equal(none.status, 2);
  const gone = await cli(['conformance', '--ip', '127.22.0.5', '--peer', '127.22.0.6:9']);
  assert.equal(gone.status, 1);
  assert.match(gone.stderr, /ECONNREFUSED.*--serve/);
});
