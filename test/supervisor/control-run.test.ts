// `infinitive res` and `infinitive stat` of a run: what they say is what its programs say of themselves.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, test } from 'node:test';
import type { Snapshot } from '../../src/supervisor/control.ts';
import { cli, start } from '../cli/cli.ts';
import { uniqueAddress } from '../helpers/address.ts';
import { requireProgram } from '../helpers/debian.ts';
import { DIRECTORY } from './run.ts';

after(() => rmSync(DIRECTORY, { recursive: true, force: true }));

const PORT = 40_000 + (process.pid % 10_000);

test('res and stat of a run with ibv_rc_pingpong -e in it', async (t) => {
  if (!requireProgram(t, 'ibv_rc_pingpong', 'ibverbs-utils')) return;
  const address = uniqueAddress();
  const run = start([
    'run',
    '--ip',
    address,
    '--device',
    'rxe_res',
    '--',
    'stdbuf',
    '-oL',
    'bash',
    '-c',
    `program="ibv_rc_pingpong -g 0 -e -n 100000000 -p ${PORT}"
     $program >${DIRECTORY}/server & until grep -qs local ${DIRECTORY}/server; do sleep 0.05; done; sleep 0.1
     $program 127.0.0.1 & until grep -qs remote ${DIRECTORY}/server; do sleep 0.05; done; cat ${DIRECTORY}/server; echo begun; wait`,
  ]);
  t.after(() => run.kill('SIGTERM'));
  for (let i = 0; i < 1000 && !run.output.stdout.includes('begun'); i++) await new Promise((r) => setTimeout(r, 20));
  const only = ['--run', String(run.child.pid)];
  const ask = async (...args: string[]): Promise<string> => {
    const { status, stdout, stderr } = await cli([...args, ...only]);
    assert.deepEqual([status, stderr], [0, '']);
    return stdout;
  };
  const printed = [...run.output.stdout.matchAll(/local address:.*QPN (0x[0-9a-f]+), PSN (0x[0-9a-f]+)/g)];
  const qpns = printed.map(([, qpn]) => Number(qpn)).sort((a, b) => a - b);
  assert.equal(qpns.length, 2, run.output.stderr);

  const lines = (await ask('res', 'qp')).split('\n').filter((line) => line.includes('comm ibv_rc_pingpong'));
  const found = lines.map(
    (line) => /^link rxe_res\/1 lqpn (\d+) type RC state RTS rqpn (\d+) .*pid (\d+) comm/.exec(line)!,
  );
  assert.deepEqual(
    found.map(([, lqpn]) => Number(lqpn)).sort((a, b) => a - b),
    qpns,
  );
  // Each is the other's peer, in processes of their own.
  assert.deepEqual([found[0][2], found[1][2]], [found[1][1], found[0][1]]);
  assert.notEqual(found[0][3], found[1][3]);

  const summary = await ask('res');
  assert.match(summary, /^rxe_res: pd \d+ cq \d+ qp \d+ mr \d+ .*comp_channel 2 ctx 2 {3}run \d+: stdbuf/);
  const [snapshot] = JSON.parse(await ask('res', '--json')) as Snapshot[];
  assert.deepEqual([snapshot.pid, snapshot.device, snapshot.addresses], [run.child.pid, 'rxe_res', [address]]);
  const pids = found.map(([, , , pid]) => Number(pid)).sort((a, b) => a - b);
  assert.deepEqual(
    snapshot.contexts.map(({ pid }) => pid).sort((a, b) => a - b),
    pids,
  );
  for (const kind of ['pd', 'cq', 'mr', 'comp_channel']) {
    const owners = snapshot.resources.filter((r) => r.kind === kind && r.owner.startsWith('ibv_rc_pingpong['));
    assert.equal(owners.length, 2, kind);
  }

  const counters = async (): Promise<Record<string, number>> =>
    (JSON.parse(await ask('stat', '--json')) as Record<string, Record<string, number>>)[String(run.child.pid)];
  const before = await counters();
  const text = await ask('stat', '--all');
  const later = await counters();
  assert.match(text, /^link rxe_res\/1 {3}run \d+: stdbuf/);
  const shown = Number(/^ +sent_pkts +(\d+)$/m.exec(text)![1]);
  assert.ok(before.sent_pkts < shown && shown < later.sent_pkts, `${before.sent_pkts} ${shown} ${later.sent_pkts}`);
});
