// /dev/infiniband/rdma_cm as a program sees it; what its commands do is tested in test/ucma.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, test } from 'node:test';
import { requireProgram } from '../helpers/debian.ts';
import { repoPath } from '../helpers/run.ts';
import { DIRECTORY, infinitiveRun } from './run.ts';

after(() => rmSync(DIRECTORY, { recursive: true, force: true }));

const EXPECTED: Record<string, string> = {
  show: `chr True True
abi 4
cloexec True
id 0
readable False
resolve 0 readable True
event 0 (1, 0, 0, 0) readable False
none EAGAIN
ioctl ENOTTY
other EINVAL
`,
  waits: 'waited True 0\n',
  interrupted: 'waited True 4\nhandled 1\n',
  restarted: 'waited True 0\n',
  killed: 'ended -9\nended -15\n',
  many: 'ids 200\nagain 0\n',
};

for (const [command, expected] of Object.entries(EXPECTED)) {
  test(command, async (t) => {
    if (!requireProgram(t, '/usr/bin/python3', 'python3')) return;
    const { stdout, stderr, status } = await infinitiveRun([
      '/usr/bin/python3',
      repoPath('test/supervisor/rdma-cm.py'),
      command,
    ]);
    assert.equal(stderr, '');
    assert.equal(stdout, expected);
    assert.equal(status, 0);
  });
}
