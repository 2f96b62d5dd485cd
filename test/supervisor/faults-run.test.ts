// Each fault of the network alone, with a seed: ibv_rc_pingpong -c ends with the right data.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { requireProgram } from '../helpers/debian.ts';
import { run } from '../helpers/run.ts';
import { DIRECTORY, infinitiveRun } from './run.ts';

after(() => rmSync(DIRECTORY, { recursive: true, force: true }));

let port = 50_000 + (process.pid % 10_000);

const once = (args: readonly string[], options: string) => {
  const program = `ibv_rc_pingpong -g 0 -e -c ${options} -p ${port++}`;
  const log = `${DIRECTORY}/server${port}`;
  return infinitiveRun(
    [
      'bash',
      '-c',
      `stdbuf -oL ${program} >${log} & server=$!
    until grep -qs local ${log}; do sleep 0.05; done; sleep 0.1
    ${program} 127.0.0.1; code=$?; wait $server || code=$?; exit $code`,
    ],
    { args: ['--seed', '7', ...args] },
  );
};

/**
 * ibv_rc_pingpong goes when it has its last message. Is the acknowledgement of that one lost, the other side asks a queue pair
 * that is gone until its retries run out: the program's own weakness, with any device. Then once more.
 */
async function pingpong(args: readonly string[], options: string): ReturnType<typeof once> {
  for (let left = 3; ; left--) {
    const ran = await once(args, options);
    if (left === 0 || !ran.stderr.includes('transport retry counter exceeded')) return ran;
  }
}

suite('ibv_rc_pingpong -c through', { concurrency: 2 }, () => {
  for (const args of [
    ['--loss', '5%'],
    ['--corrupt', '3%'],
    ['--reorder', '10%'],
    ['--duplicate', '10%'],
    ['--delay', '200'],
  ]) {
    test(args.join(' '), async (t) => {
      if (!requireProgram(t, 'ibv_rc_pingpong', 'ibverbs-utils')) return;
      const { status, stdout, stderr } = await pingpong(args, '-n 40 -s 8000');
      assert.deepEqual([status, stderr], [0, ''], stdout);
      assert.match(stdout, /40 iters in/);
    });
  }

  test('the capture has no malformed packet', async (t) => {
    if (!requireProgram(t, 'ibv_rc_pingpong', 'ibverbs-utils') || !requireProgram(t, 'tshark', 'tshark')) return;
    const file = join(DIRECTORY, 'faults.pcapng');
    const { status } = await pingpong(['--loss', '2%', '--duplicate', '5%', '--capture', file], '-n 40 -s 8000');
    assert.equal(status, 0);
    const bad = await run('tshark', ['-r', file, '-Y', '_ws.malformed || _ws.expert.severity == error']);
    assert.equal(bad.stdout, '');
    const { stdout } = await run('tshark', ['-r', file, '-Y', 'infiniband.bth', '-T', 'fields', '-e', 'frame.number']);
    assert.ok(stdout.split('\n').length > 80 * 8);
  });
});
