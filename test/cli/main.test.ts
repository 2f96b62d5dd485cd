// What holds for all commands: help, versions, exit codes, errors in one line.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { uniqueAddress } from '../helpers/address.ts';
import { run } from '../helpers/run.ts';
import { cli, MAIN } from './cli.ts';

test('--version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const { status, stdout } = await cli(['--version']);
  assert.equal(status, 0);
  assert.equal(stdout, `${version}\n`);
});

test('--help names all commands; each has a help of its own', async () => {
  const { status, stdout } = await cli(['--help']);
  assert.equal(status, 0);
  const commands = [...stdout.matchAll(/^ {2}([a-z]+) [ []/gm)].map((match) => match[1]);
  assert.deepEqual(commands, [
    ...['demo', 'run', 'devices', 'devinfo', 'perf', 'pingpong', 'res', 'stat', 'capture', 'conformance', 'help'],
  ]);
  const helps = await Promise.all(commands.slice(0, -1).map((command) => cli([command, '--help'])));
  for (const help of helps) {
    assert.equal(help.status, 0);
    assert.match(help.stdout, /^Usage: infinitive /);
  }
});

test('nothing at all: the help, and exit code 2', async () => {
  const { status, stderr } = await cli([]);
  assert.equal(status, 2);
  assert.match(stderr, /^Usage: infinitive /);
});

test('a reader that has had enough ends the command; a run goes on', async () => {
  const node = `${process.execPath} ${MAIN}`;
  const { stdout, stderr } = await run('bash', [
    '-c',
    `${node} perf --help | true; echo \${PIPESTATUS[0]};
     ${node} run --ip ${uniqueAddress()} --trace -- sh -c 'sleep 0.3; test -c /dev/infiniband/uverbs0 && echo there' 2> >(head -n 1 >/dev/null)`,
  ]);
  assert.equal(stdout, '141\nthere\n');
  assert.equal(stderr, '');
});

describe('command lines that are not understood: one line, exit code 2', { concurrency: 4 }, () => {
  const cases: [args: string, complaint: RegExp][] = [
    ['frobnicate', /unknown command 'frobnicate'/],
    ['perf --frobnicate', /unknown option '--frobnicate'/],
    ['perf --itres 3', /unknown option '--itres'/],
    ['perf one two', /too many arguments/],
    ['perf --op fetch', /'fetch' is invalid\. Allowed choices are send, write, read, atomic/],
    ['perf --size 12x', /Bytes from 1 to 1g/],
    ['perf --iters 0', /An integer from 1 to 1000000000/],
    ['perf --mtu 1500', /Allowed choices are 256, 512, 1024, 2048, 4096/],
    ['perf --loss 2', /A probability is needed/],
    ['perf --ip host', /An IPv4 or IPv6 address is needed/],
    ['perf h -c ud -o write', /UD can only send; for --op write use --connection rc/],
    ['perf h -c uc -o read', /UC has no read/],
    ['perf h -n 5 -D 5', /--iters and --duration exclude each other/],
    ['perf h --lat -q 2', /latency is measured on one QP/],
    ['perf h --lat -b', /--bidirectional is for bandwidth/],
    ['perf h --lat -o write -e', /write latency is measured by polling on memory/],
    ['perf h -a -s 5', /--size and --all exclude each other/],
    ['perf h -o atomic -s 16', /atomic operations are on 8 bytes/],
    ['perf h -o read -I 10', /--inline is not for --op read/],
    ['perf h -q 4096', /need more than the 32767 entries of a CQ/],
    ['perf --persist --capture f.pcapng', /--capture with --persist needs --ip/],
    ['pingpong -t xrc', /Allowed choices are rc, uc, ud, srq/],
    ['demo --ip 127.0.0.1', /--ip needs two addresses/],
  ];
  for (const [args, complaint] of cases) {
    test(args, async () => {
      const { status, stdout, stderr } = await cli(args.split(' '));
      assert.equal(status, 2, stderr);
      assert.equal(stdout, '');
      assert.match(stderr, complaint);
      assert.match(stderr, /^infinitive: [^\n]+\n$/);
    });
  }
});

test('INFINITIVE_DEBUG=1 adds the stack', async () => {
  const args = ['devinfo', '--ip', '203.0.113.9'];
  const plain = await cli(args);
  assert.match(plain.stderr, /^infinitive: 203\.0\.113\.9 is not an address of this host[^\n]*\n$/);
  const { stderr } = await cli(args, { env: { ...process.env, INFINITIVE_DEBUG: '1' } });
  assert.match(stderr, /^infinitive: 203.*\n.*\n +at /);
});
