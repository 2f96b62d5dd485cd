// What programs see of the device: paths, descriptors, threads, children.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { DIRECTORY, infinitiveRun, probe } from './run.ts';

after(() => rmSync(DIRECTORY, { recursive: true, force: true }));

const SHOWN = `range 1
fstat chr 231:192
stat 1 231:192
lstat 1
statx 1 231:192
statx fd 1 231:192
ioctl 93
access 0 13 2
cloexec 1
bad address 14
bad stat 14
`;

const EXPECTED: Record<string, string> = {
  show: SHOWN,
  files: `read 6
write 13 13 21
missing 2 20
relative rxe0
fchdir 0 231:192
directory 20
link 22
entry uverbs0
`,
  copies: `dup chr 231:192 93
cloexec 0 1
fcntl chr 231:192 93
low reg 0:0 93
high chr 231:192 93
last 93
other 700 chr 1:3 25
forged reg 0:0 25
`,
  replaced: '100 100 100 100\nwrong 0\n',
  anew: 'context 0 22\nanew 50\n',
  inherited: 'child chr 231:192 93\nparent 93\n',
  threads: 'failed 0\n',
  leader: 'late 93\n',
  interrupted: 'wrong 0 left 0\n',
  killed: 'then 93\n',
  many: '1\n',
};

suite('a dynamic program', () => {
  for (const [command, expected] of Object.entries(EXPECTED)) {
    test(command, async (t) => {
      const file = probe(t);
      if (file === null) return;
      const { stdout, stderr, status } = await infinitiveRun([file, command]);
      assert.equal(stderr, '');
      assert.equal(stdout, expected);
      assert.equal(status, 0);
    });
  }

  test('an orphan that has left its session has the device, and ends with the run', async (t) => {
    const file = probe(t);
    if (file === null) return;
    const { stdout, ms, status } = await infinitiveRun([file, 'orphan', join(DIRECTORY, 'orphan')]);
    assert.equal(stdout, 'orphan 1\n');
    assert.equal(status, 0);
    assert.ok(ms < 20_000);
  });
});

suite('a static program', () => {
  for (const command of ['show', 'copies', 'replaced', 'anew']) {
    test(command, async (t) => {
      const file = probe(t, '-static');
      if (file !== null) assert.equal((await infinitiveRun([file, command])).stdout, EXPECTED[command]);
    });
  }
});

test('a low limit on open files', async (t) => {
  const file = probe(t);
  if (file === null) return;
  const { stdout } = await infinitiveRun(['sh', '-c', `ulimit -n; exec ${file} show`]);
  assert.ok(stdout.endsWith(SHOWN));
});

test('what the shell and ls see', async () => {
  const { stdout, stderr } = await infinitiveRun([
    'bash',
    '-c',
    'ls -l /sys/class/infiniband; ls /sys/class/infiniband/*; test -c /dev/infiniband/uverbs0 && echo device; ' +
      'cat /sys/class/infiniband_verbs/uverbs0/dev; cd /dev && test -c infiniband/uverbs0 && echo relative; ' +
      'echo x > /sys/class/infiniband_verbs/abi_version',
  ]);
  assert.match(stdout, /^drwxr-xr-x .* rxe0$/m);
  assert.match(stdout, /^ports$/m);
  assert.match(stdout, /^device\n231:192\nrelative\n$/m);
  assert.match(stderr, /^bash: line 1: \/sys\/class\/infiniband_verbs\/abi_version: Permission denied\n$/);
});

test('--trace tells each call', async () => {
  const { stderr } = await infinitiveRun(['cat', '/sys/class/infiniband_verbs/abi_version'], { args: ['--trace'] });
  assert.match(stderr, /^infinitive run: \[\d+\] openat\("\/sys\/class\/infiniband_verbs\/abi_version"\) = \d+$/m);
  assert.match(stderr, /^infinitive run: \[\d+\] access\("\/etc\/ld\.so\.preload"\) = left to the kernel$/m);
});
