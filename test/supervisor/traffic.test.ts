// Programs of rdma-core move data: in one run, between two, with faults and a capture.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { MAIN, start } from '../cli/cli.ts';
import { uniqueAddresses } from '../helpers/address.ts';
import { requireProgram } from '../helpers/debian.ts';
import { run } from '../helpers/run.ts';
import { DIRECTORY, infinitiveRun } from './run.ts';

after(() => rmSync(DIRECTORY, { recursive: true, force: true }));

let port = 20_000 + (process.pid % 10_000);

/** Both ends under one run: the client's output, then the server's and how it ended. */
const pingpong = (options: string, args: readonly string[] = []) => {
  const program = `ibv_rc_pingpong -g 0 -p ${port++} ${options}`;
  const script = `${program} >server & pid=$!
    until grep -qs local server; do sleep 0.05; done; sleep 0.1
    ${program} 127.0.0.1; code=$?; wait $pid; echo "server $?"; cat server; rm server; exit $code`;
  return infinitiveRun(['stdbuf', '-oL', 'sh', '-c', `cd ${DIRECTORY}; ${script}`], { args });
};

suite('ibv_rc_pingpong', () => {
  for (const options of ['-n 20', '-e -c -n 500', '-e -c -s 1000000 -n 20', '-e -c -s 1 -m 256 -n 100']) {
    test(options, async (t) => {
      if (!requireProgram(t, 'ibv_rc_pingpong', 'ibverbs-utils')) return;
      const { status, stdout, stderr } = await pingpong(options);
      assert.equal(stderr, '');
      assert.equal(status, 0);
      assert.match(stdout, /iters in.*server 0.*iters in/s);
      assert.doesNotMatch(stdout, /invalid data/);
    });
  }

  // The client may fail at its last: the server goes when it has sent its last answer, and that may be what is lost.
  test('through loss, reordering and delay', async (t) => {
    if (!requireProgram(t, 'ibv_rc_pingpong', 'ibverbs-utils')) return;
    const faults = ['--loss', '1%', '--reorder', '1%', '--corrupt', '0.5%', '--delay', '50', '--seed', '7'];
    const { stdout } = await pingpong('-e -c -n 100', faults);
    assert.match(stdout, /server 0.*100 iters in/s);
    assert.doesNotMatch(stdout, /invalid data/);
  });

  test('captured: what the device sends to itself is there once', async (t) => {
    if (!requireProgram(t, 'ibv_rc_pingpong', 'ibverbs-utils') || !requireProgram(t, 'tshark', 'tshark')) return;
    const file = join(DIRECTORY, 'pingpong.pcapng');
    assert.equal((await pingpong('-e -s 64 -n 30', ['--capture', file])).status, 0);
    // RC SEND Only and Acknowledge.
    const { stdout } = await run('tshark', ['-r', file, '-T', 'fields', '-e', 'infiniband.bth.opcode']);
    const count = (opcode: string): number => stdout.split('\n').filter((line) => line === opcode).length;
    assert.equal(count('4'), 60);
    assert.ok(count('17') >= 1);
  });

  for (const link of ['auto', 'udp']) {
    test(`between two runs, --link ${link}`, async (t) => {
      if (!requireProgram(t, 'ibv_rc_pingpong', 'ibverbs-utils')) return;
      const [a, b] = uniqueAddresses(2);
      const program = ['stdbuf', '-oL', 'ibv_rc_pingpong', '-g', '0', '-e', '-c', '-n', '200', '-p', String(port++)];
      const under = (ip: string): string[] => ['run', '--ip', ip, '--link', link, '--', ...program];
      const server = start(under(a));
      while (!server.output.stdout.includes('local')) await new Promise((resolve) => setTimeout(resolve, 50));
      await new Promise((resolve) => setTimeout(resolve, 200));
      const client = await run(process.execPath, [MAIN, ...under(b), '127.0.0.1']);
      assert.deepEqual([client.status, client.stderr], [0, '']);
      const { status, stdout } = await server.ended;
      assert.equal(status, 0);
      assert.match(stdout, new RegExp(`remote address:.* GID ::ffff:${b.replaceAll('.', '\\.')}`));
    });
  }
});

test('programs that are killed in mid-transfer: the others do not notice', async (t) => {
  if (!requireProgram(t, 'ibv_rc_pingpong', 'ibverbs-utils')) return;
  const endless = `ibv_rc_pingpong -g 0 -e -n 10000000 -p ${port++}`;
  const next = `ibv_rc_pingpong -g 0 -e -c -n 200 -p ${port++}`;
  const { stdout, stderr } = await infinitiveRun([
    'bash',
    '-c',
    `cd ${DIRECTORY}; stdbuf -oL ${endless} >victim & victim=$!
     stdbuf -oL ${next} >server & server=$!
     until grep -qs local victim && grep -qs local server; do sleep 0.05; done; sleep 0.1
     ${endless} 127.0.0.1 >/dev/null & client=$!
     sleep 0.5; kill -9 $victim; sleep 0.1; kill -9 $client
     ${next} 127.0.0.1 >/dev/null; echo "client $?"; wait $server; echo "server $?"`,
  ]);
  assert.equal(stdout, 'client 0\nserver 0\n', stderr);
});
