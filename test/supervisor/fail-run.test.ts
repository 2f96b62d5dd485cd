// Failures made on purpose, as programs of rdma-core and perftest meet them.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, suite, type TestContext, test } from 'node:test';
import { requireProgram } from '../helpers/debian.ts';
import type { Ran } from '../helpers/run.ts';
import { DIRECTORY, infinitiveRun } from './run.ts';

after(() => rmSync(DIRECTORY, { recursive: true, force: true }));

let port = 45_000 + (process.pid % 5000);

/** Client and server in one run; the client's exit code is the run's. */
async function pingpong(t: TestContext, args: readonly string[]): Promise<Ran | null> {
  if (!requireProgram(t, 'ibv_rc_pingpong', 'ibverbs-utils')) return null;
  const program = `ibv_rc_pingpong -g 0 -e -c -n 200 -p ${port++}`;
  const log = `${DIRECTORY}/server${port}`;
  return infinitiveRun(
    [
      'bash',
      '-c',
      `stdbuf -oL ${program} >${log} 2>&1 & server=$!
    for i in $(seq 200); do grep -qs local ${log} && break; kill -0 $server || break; sleep 0.05; done; sleep 0.1
    ${program} 127.0.0.1; code=$?; kill $server 2>/dev/null; wait $server; cat ${log}; exit $code`,
    ],
    { args },
  );
}

test('--fail event: ibv_asyncwatch is told', async (t) => {
  if (!requireProgram(t, 'ibv_asyncwatch', 'ibverbs-utils')) return;
  const { stdout } = await infinitiveRun(['timeout', '-s', 'INT', '1', 'stdbuf', '-oL', 'ibv_asyncwatch'], {
    args: ['--fail', 'event:PORT_ERR@in=0.4', '--fail', 'event:LID_CHANGE@in=0.5'],
  });
  assert.match(stdout, /IBV_EVENT_PORT_ERR \(10\), port 1\n.*IBV_EVENT_LID_CHANGE \(11\), port 1/);
});

suite('--fail with ibv_rc_pingpong', () => {
  for (const [status, code] of [
    ['RNR_RETRY_EXC', 13],
    ['RETRY_EXC', 12],
    ['REM_ACCESS', 10],
  ] as const) {
    test(`wc:${status}`, async (t) => {
      const ran = await pingpong(t, ['--fail', `wc:${status}@op=SEND,after=20`]);
      if (ran === null) return;
      assert.match(ran.stdout + ran.stderr, new RegExp(`Failed status .*\\(${code}\\) for wr_id`));
    });
  }

  for (const [verb, errno, says] of [
    ['create_qp', 'ENOMEM', /Couldn't create QP/],
    ['reg_user_mr', 'EPERM', /Couldn't register MR/],
    ['create_cq', 'EAGAIN', /Couldn't create CQ/],
    ['alloc_pd', 'ENOMEM', /Couldn't allocate PD/],
  ] as const) {
    test(`verb:${verb}=${errno}`, async (t) => {
      if (!requireProgram(t, 'ibv_rc_pingpong', 'ibverbs-utils')) return;
      const { status, stderr } = await infinitiveRun(['ibv_rc_pingpong', '-g', '0', '-p', String(port++)], {
        args: ['--fail', `verb:${verb}=${errno}`],
      });
      assert.equal(status, 1);
      assert.match(stderr, says);
    });
  }
});
