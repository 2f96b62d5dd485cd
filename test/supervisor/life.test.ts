// How a run begins and ends: exit codes, signals, what is left over, nested runs, other users.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { openDevice } from '../../src/api/index.ts';
import { MAIN, start } from '../cli/cli.ts';
import { uniqueAddress } from '../helpers/address.ts';
import { missing, requireProgram } from '../helpers/debian.ts';
import { run } from '../helpers/run.ts';
import { DIRECTORY, infinitiveRun } from './run.ts';

after(() => rmSync(DIRECTORY, { recursive: true, force: true }));

const sh = (script: string, args: readonly string[] = []) => infinitiveRun(['bash', '-c', script], { args });

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(condition());
}

suite('exit codes', () => {
  for (const [name, command, status, stderr] of [
    ['success', ['true'], 0, ''],
    ["the program's", ['sh', '-c', 'exit 42'], 42, ''],
    ['a signal', ['sh', '-c', 'kill -9 $$'], 137, ''],
    ['not found', ['no-such-program'], 127, 'infinitive: no-such-program: command not found\n'],
    ['no such file', ['./no/such'], 127, 'infinitive: ./no/such: there is no such file\n'],
    ['not executable', ['/proc/version'], 126, 'infinitive: /proc/version: permission denied\n'],
    ['a directory', ['/etc'], 126, 'infinitive: /etc: it is a directory\n'],
  ] as const) {
    test(name, async () => {
      const ran = await infinitiveRun(command);
      assert.deepEqual([ran.status, ran.stderr], [status, stderr]);
    });
  }

  test('a script whose interpreter is missing', async () => {
    const script = join(DIRECTORY, 'script');
    writeFileSync(script, '#!/no/such/interpreter\n', { mode: 0o755 });
    const { status, signal, stderr } = await infinitiveRun([script]);
    assert.deepEqual([status, signal], [127, null], stderr);
    assert.match(stderr, /script: cannot be executed: its interpreter is missing/);
  });

  // Threads that end write down what they compiled, when that is new: the launching thread did so under its own filter.
  test('a device that cannot be had, and nothing of us in the cache of compiled code', async () => {
    const env = { ...process.env, NODE_COMPILE_CACHE: join(DIRECTORY, 'cold') };
    const { status, signal, stderr } = await infinitiveRun(['true'], { args: ['--ip', '203.0.113.9'], env });
    assert.deepEqual([status, signal], [1, null], stderr);
    assert.match(stderr, /203\.0\.113\.9 is not an address of this host/);
  });

  test('options after the program are its own', async () => {
    const { stdout } = await infinitiveRun(['echo', '--ip', '-x', '--trace']);
    assert.equal(stdout, '--ip -x --trace\n');
  });
});

test('standard input and output, environment, limits', async () => {
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))![1];
  const { stdout } = await infinitiveRun(
    ['sh', '-c', 'echo $FOO; printenv INFINITIVE_RUN >/dev/null && echo inside; ulimit -n; cat'],
    {
      env: { ...process.env, FOO: 'bar' },
    },
  );
  assert.equal(stdout, `bar\ninside\n${limit}\n`);
});

suite('signals', () => {
  const startRun = (script: string) => start(['run', '--ip', uniqueAddress(), '--', 'bash', '-c', script]);

  for (const [signal, code] of [
    ['SIGTERM', 15],
    ['SIGHUP', 1],
    ['SIGUSR1', 10],
    ['SIGUSR2', 12],
  ] as const) {
    test(`${signal} is passed on`, async () => {
      const handled = startRun(`trap 'echo got; exit 3' ${signal}; echo ready; while :; do sleep 0.05; done`);
      await until(() => handled.output.stdout.includes('ready'));
      handled.kill(signal);
      const { status, stdout } = await handled.ended;
      assert.deepEqual([status, stdout], [3, 'ready\ngot\n']);
      const deadly = startRun('echo ready; exec sleep 60');
      await until(() => deadly.output.stdout.includes('ready'));
      deadly.kill(signal);
      assert.equal((await deadly.ended).status, 128 + code);
    });
  }

  test('SIGINT is for the program alone', async () => {
    const { kill, output, ended } = startRun('echo ready; sleep 0.5; echo done');
    await until(() => output.stdout.includes('ready'));
    kill('SIGINT');
    const { status, stdout } = await ended;
    assert.deepEqual([status, stdout], [0, 'ready\ndone\n']);
  });
});

suite('what is left over', () => {
  test('ends with the program', async () => {
    const { status, stdout } = await sh('sleep 60 & echo $!');
    assert.equal(status, 0);
    assert.ok(!existsSync(`/proc/${Number(stdout)}`));
  });

  test('even if it does not want to', async () => {
    const { status, stdout } = await sh(`(trap '' TERM HUP; while :; do sleep 0.1; done) & echo $!`);
    assert.equal(status, 0);
    assert.ok(!existsSync(`/proc/${Number(stdout)}`));
  });

  test('but not before it has had a moment', async () => {
    const { stdout } = await sh('(sleep 0.1; echo finished) & exit 0');
    assert.equal(stdout, 'finished\n');
  });

  test('orphans that end leave no zombies', async () => {
    const { stdout } = await sh(
      'for i in 1 2 3 4 5; do (true & true & true &) ; done; sleep 0.3; grep -l "^State:.Z" /proc/[0-9]*/status 2>/dev/null | ' +
        'xargs -r grep -l "^PPid:.$PPID$" | wc -l',
    );
    assert.equal(stdout, '0\n');
  });

  test('nor does a run leave files', async () => {
    const directory = join(DIRECTORY, 'tmp');
    mkdirSync(directory, { recursive: true });
    await infinitiveRun(['true'], { env: { ...process.env, TMPDIR: directory } });
    assert.deepEqual(
      readdirSync(directory).filter((name) => name.startsWith('infinitive-')),
      ['infinitive-0'].filter((name) => existsSync(join(directory, name))),
    );
  });
});

suite('a run inside of a run', () => {
  const inner = (options: string): string =>
    `${process.execPath} ${MAIN} run ${options} -- sh -c 'ls /sys/class/infiniband; exit 5'`;

  test('uses the device that is there', async () => {
    const { status, stdout, stderr } = await sh(inner(''), ['--device', 'rxe_outer']);
    assert.deepEqual([status, stdout, stderr], [5, 'rxe_outer\n', '']);
    assert.match((await sh(inner('--verbose'))).stderr, /^infinitive run: using the device of the run \d+\n$/);
  });

  test('takes no options for one', async () => {
    const { status, stderr } = await sh(inner('--ip 127.0.0.9'));
    assert.equal(status, 2);
    assert.match(stderr, /^infinitive: --ip: the program is inside of the run \d+, and has the device of that\n$/);
  });

  test('without the variable it says what is wrong', async () => {
    const { status, stderr } = await sh(`unset INFINITIVE_RUN; ${inner('--ip 127.0.0.9')}`);
    assert.equal(status, 1);
    assert.match(stderr, /these processes are supervised through seccomp already/);
  });
});

suite('devices', () => {
  test('an address that is taken', async () => {
    const address = uniqueAddress();
    await using _device = await openDevice({ address });
    const { status, stderr } = await run(process.execPath, [MAIN, 'run', '--ip', address, '--', 'true']);
    assert.equal(status, 1);
    assert.match(stderr, /^infinitive: UDP port 4791 on .* is already in use.*such as 127\.0\.0\.2\n$/);
  });

  test('several addresses, and a name', async () => {
    const [a, b] = [uniqueAddress(), uniqueAddress()];
    const { stdout } = await infinitiveRun(
      [
        'sh',
        '-c',
        'cd /; cat /sys/class/infiniband_verbs/uverbs0/ibdev; cat /sys/class/infiniband/*/ports/1/gids/[12]',
      ],
      { args: ['--ip', `${a},${b}`, '--device', 'mlx5_0'] },
    );
    const gid = (address: string): string =>
      Buffer.from(address.split('.').map(Number))
        .toString('hex')
        .replace(/^(....)/, '$1:');
    assert.match(stdout, /^mlx5_0$/m);
    for (const address of [a, b]) assert.ok(stdout.includes(`0000:0000:0000:0000:0000:ffff:${gid(address)}`));
  });
});

suite('other users', () => {
  const SCRIPT = 'test -c /dev/infiniband/uverbs0 && cat /sys/class/infiniband_verbs/abi_version';

  test('the whole run as uid 65534', async (t) => {
    if (process.getuid?.() !== 0) return missing(t, 'needs root, to become another user');
    const child = spawn(process.execPath, [MAIN, 'run', '--ip', uniqueAddress(), '--', 'sh', '-c', SCRIPT], {
      uid: 65534,
      gid: 65534,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let stdout = '';
    for await (const chunk of child.stdout) stdout += chunk;
    assert.equal(stdout, '6\n');
  });

  test('a program that becomes another user', async (t) => {
    if (process.getuid?.() !== 0) return missing(t, 'needs root, to become another user');
    if (!requireProgram(t, 'setpriv', 'util-linux')) return;
    const { stdout } = await infinitiveRun([
      'setpriv',
      '--reuid',
      '65534',
      '--regid',
      '65534',
      '--clear-groups',
      'sh',
      '-c',
      SCRIPT,
    ]);
    assert.equal(stdout, '6\n');
  });

  test('a program in a user namespace of its own; a run in one', async (t) => {
    if (!requireProgram(t, 'unshare', 'util-linux')) return;
    const { stdout } = await infinitiveRun(['unshare', '-Ur', 'sh', '-c', SCRIPT]);
    assert.equal(stdout, '6\n');
    const whole = await run('unshare', [
      '-Ur',
      process.execPath,
      MAIN,
      'run',
      '--ip',
      uniqueAddress(),
      '--',
      'sh',
      '-c',
      SCRIPT,
    ]);
    assert.equal(whole.stdout, '6\n');
  });
});
