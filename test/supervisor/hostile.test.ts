// A program that does all it can to its device, beside an honest pair in the same run: the pair's data is right, the supervisor
// answers to the end, and nothing of the hostile program is left.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import type { Snapshot } from '../../src/supervisor/control.ts';
import { cli, start } from '../cli/cli.ts';
import { uniqueAddress } from '../helpers/address.ts';
import { missing, requireProgram } from '../helpers/debian.ts';
import { repoPath } from '../helpers/run.ts';
import { DIRECTORY } from './run.ts';

after(() => rmSync(DIRECTORY, { recursive: true, force: true }));

const SEED = process.env.HOSTILE_SEED ?? '7';

/** What is done, how often or for how many milliseconds; `mayDie`: it writes over what its own library reads. */
const ATTACKS: readonly (readonly [name: string, command: string, mayDie?: true])[] = [
  ['calls with random headers, attributes and lengths', 'ioctls 8000'],
  ['handles and keys of others', 'foreign 0'],
  ['rings written over while the device works', 'rings 900', true],
  ['the same, unreliable', 'rings-uc 500', true],
  ['long queues in error, full again at once', 'flushes 400'],
  ['garbage, seeks, holes and writes in the doorbell log', 'log 700'],
  ['memory that goes away in mid-transfer: of senders, WRITE targets, READ sources', 'unmap 18'],
  ['killed in mid-transfer', 'killed 6'],
  ['a device that outlives who opened it', 'orphan 0'],
  ['descriptors copied and closed in the middle of calls', 'dups 400'],
  ['a program executed with an open device', 'exec 0'],
  ['thousands of objects', 'objects 1500'],
  ['event files that nobody reads, that are closed, that are written to', 'channels 0'],
  ['packets to queue pairs of others', 'strangers 200'],
];

const PORT = 30_000 + (process.pid % 10_000);

/** For each attack: honest pairs beside it, one after the other, until it is over. */
const script = (program: string): string => `
pair() { # options
  ibv_rc_pingpong -g 0 -c -n 150 -s 10000 -p ${PORT} $1 >server 2>&1 & server=$!
  for i in $(seq 300); do ibv_rc_pingpong -g 0 -c -n 150 -s 10000 -p ${PORT} $1 127.0.0.1 >client 2>&1 && break; grep -q "Couldn't connect" client || break; sleep 0.03; done
  grep -q 'iters in' client && wait $server && grep -q 'iters in' server || { cat client server >&2; return 1; }
}
attack() {
  ${program} $1 $2 ${SEED} >out 2>&1 & hostile=$!
  good=0; bad=0; options=-e
  while :; do
    pair $options && good=$((good+1)) || bad=$((bad+1))
    test "$options" = -e && options= || options=-e
    kill -0 $hostile 2>/dev/null || break
  done
  wait $hostile
  echo "$1 status $? good $good bad $bad: $(tr '\\n' ' ' <out)"
}
${ATTACKS.map(([, command]) => `attack ${command}`).join('\n')}
echo over
for i in $(seq 600); do test -e go-on && break; sleep 0.05; done
pair -e && echo still`;

function compile(t: TestContext): string | null {
  if (!requireProgram(t, 'gcc', 'gcc libc6-dev') || !requireProgram(t, 'ibv_rc_pingpong', 'ibverbs-utils')) return null;
  const file = join(DIRECTORY, 'hostile');
  try {
    execFileSync('gcc', ['-Wall', '-O1', '-o', file, repoPath('test/supervisor/hostile.c'), '-libverbs', '-lpthread'], {
      stdio: 'pipe',
    });
  } catch (error) {
    const stderr = String((error as { stderr?: unknown }).stderr);
    if (!/infiniband\/verbs\.h|-libverbs/.test(stderr)) throw error;
    missing(t, 'needs infiniband/verbs.h: apt-get install libibverbs-dev');
    return null;
  }
  return file;
}

async function snapshotOf(pid: number): Promise<Snapshot> {
  const { status, stdout, stderr } = await cli(['res', '--run', String(pid), '--json']);
  assert.equal(status, 0, stderr);
  return (JSON.parse(stdout) as Snapshot[])[0];
}

/** What programs have; the owner of the device's own objects has no process id. */
const left = ({ resources }: Snapshot): string[] =>
  resources.filter(({ owner }) => /\[\d+\]$/.test(owner)).map(({ kind, owner }) => `${kind} of ${owner}`);

test('a hostile program: the others do not notice', { timeout: 120_000 }, async (t) => {
  const program = compile(t);
  if (program === null) return;
  const run = start(['run', '--ip', uniqueAddress(), '--', 'bash', '-c', `cd ${DIRECTORY}; ${script(program)}`]);
  const pid = run.child.pid!;
  const { output } = run;
  const state = { ended: false };
  void run.ended.then(() => {
    state.ended = true;
  });
  const until = async (condition: () => boolean): Promise<void> => {
    for (let i = 0; i < 3000 && !state.ended && !condition(); i++)
      await new Promise((resolve) => setTimeout(resolve, 20));
  };
  // Not SIGKILL: it ends what the script has started.
  t.after(() => {
    writeFileSync(join(DIRECTORY, 'go-on'), '');
    run.kill('SIGTERM');
  });

  for (const [name, command, mayDie] of ATTACKS) {
    await t.test(`${name} (seed ${SEED})`, async () => {
      const what = command.split(' ')[0];
      const line = new RegExp(`^${what} status (\\d+) good (\\d+) bad (\\d+): .*\\n`, 'm');
      await until(() => line.test(output.stdout));
      const [, status, good, bad] = line.exec(output.stdout) ?? assert.fail(`the run has ended: ${output.stderr}`);
      assert.equal(bad, '0', `the honest pair has failed: ${output.stderr}`);
      assert.ok(Number(good) > 0);
      // SIGSEGV and SIGBUS of its own doing.
      if (mayDie !== true || !['139', '135', '134'].includes(status))
        assert.equal(status, '0', line.exec(output.stdout)![0]);
    });
  }

  await t.test('the supervisor answers; nothing is left', async () => {
    await until(() => output.stdout.includes('over'));
    assert.equal(state.ended, false, output.stderr);
    const snapshot = await snapshotOf(pid);
    assert.deepEqual(left(snapshot), []);
    assert.deepEqual(snapshot.contexts, []);
    writeFileSync(join(DIRECTORY, 'go-on'), '');
    const { status, stdout, stderr } = await run.ended;
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^still$/m);
    assert.equal(stderr.replaceAll(/^infinitive run: .* too many queues.*$/gm, ''), '');
  });
});
