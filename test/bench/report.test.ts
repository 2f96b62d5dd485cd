import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { CpuDistance } from '../../bench/distance.ts';
import type { Measure } from '../../bench/measure.ts';
import { MEASURES } from '../../bench/measures.ts';
import { isDisturbed, markdownOf, reportOf, shown, tableOf } from '../../bench/report.ts';
import { runRounds } from '../../bench/rounds.ts';

const machine = { cpu: 'a CPU', cores: 2, kernel: '6.1', node: 'v26', crc: 'zlib', load: 0 } as const;
const where = { machine, quick: true, rounds: 3, distance: null };

function measureOf(own: () => Promise<number>, order: string[]): Measure {
  const contender = (name: string, run: () => Promise<number>) => ({
    name,
    run: () => {
      order.push(name);
      return run();
    },
  });
  return {
    name: 'x',
    title: 'X',
    unit: 'GB/s',
    better: 'higher',
    ours: { ...contender('ours', own), profile: () => Promise.reject(new Error('not here')) },
    peers: [
      { ...contender('steady', () => Promise.resolve(2)), bar: { goal: 1, aim: 1.5 } },
      {
        ...contender('absent', () => Promise.resolve(1)),
        needs: { command: 'no-such-program', pkg: 'no-such-package' },
        bar: { goal: 1, aim: 2 },
      },
    ],
  };
}

const spread = (min: number, max: number) => ({ figure: { median: min, min, max, count: 2 }, failures: [] });

const schedule = { rounds: 3, quick: true, limit: 1000, total: 10_000, signal: new AbortController().signal };

test('all take turns; a program that is missing is named with its package, and the rest runs', async () => {
  const order: string[] = [];
  const figures = [2, 2.2, 4];
  const runs = await runRounds([measureOf(() => Promise.resolve(figures.shift()!), order)], schedule);
  assert.deepEqual(order, ['ours', 'steady', 'ours', 'steady', 'ours', 'steady']);
  const [report] = runs.map(reportOf);
  assert.equal(report.ours.figure?.median, 2.2);
  assert.equal(report.peers[0].ratio, 1.1);
  assert.equal(report.peers[0].verdict, 'met');
  assert.equal(report.peers[1].ratio, null);
  assert.ok(isDisturbed({ ...where, measures: [{ ...report, ours: spread(1, 2.1) }] }));
  assert.ok(!isDisturbed({ ...where, measures: [{ ...report, ours: spread(1, 1.9) }] }));
  const text = tableOf({ ...where, measures: [report] });
  const [head, rule, ...rows] = markdownOf({ ...where, measures: [report] }).split('\n');
  assert.equal(head.split('|').length, rule.split('|').length);
  assert.ok(rows.filter((row) => row.startsWith('|')).every((row) => row.split('|').length === head.split('|').length));
  assert.ok(rows[0].includes(report.title));
  assert.match(text, /2\.20 GB\/s \(2\.00–4\.00\)/);
  assert.match(text, /absent: 0 of 3 rounds\. no-such-program is not installed \(Debian package no-such-package\)/);
});

test('a bar can be for the figure itself, and a peer without one is only told', async () => {
  const measure = measureOf(() => Promise.resolve(3), []);
  const peers = [{ ...measure.peers[0], bar: undefined }];
  const [run] = await runRounds([{ ...measure, bar: { goal: 2 }, peers }], schedule);
  const report = reportOf(run);
  assert.equal(report.verdict, 'met');
  assert.deepEqual([report.peers[0].ratio, report.peers[0].verdict], [1.5, null]);
  const text = tableOf({ ...where, measures: [report] });
  assert.match(text, /≥ 2 GB\/s +│ met/);
});

test('it is told how far the CPUs are apart, and that they were moved', () => {
  const near = { median: 50, min: 45, max: 70, count: 9, moved: false };
  const text = (distance: typeof near): string => tableOf({ ...where, distance, measures: [] });
  assert.match(text(near), /took 50 ns \(45–70\)\.$/m);
  assert.match(text({ ...near, max: 260, moved: true }), /took 50 ns \(45–260\)\. The host has moved them/);
  assert.ok(markdownOf({ ...where, distance: near, measures: [] }).includes('45–70'));
  const distance = new CpuDistance();
  for (let i = 0; i < 50 && distance.summary === null; i++) distance.look();
  distance.close();
  if (availableParallelism() > 1) assert.ok(distance.summary!.min > 1 && distance.summary!.max < 1e6);
});

test('a round that fails counts for nobody', async () => {
  let round = 0;
  const own = (): Promise<number> => (++round === 2 ? Promise.reject(new Error('broke')) : Promise.resolve(3));
  const [run] = await runRounds([measureOf(own, [])], schedule);
  const report = reportOf(run);
  assert.equal(report.ours.figure?.count, 2);
  assert.equal(report.peers[0].figure?.count, 3);
  assert.equal(report.peers[0].ratio, 1.5);
  assert.deepEqual(report.ours.failures, ['broke']);
});

test('the time that is left limits what is begun', async () => {
  const never: Measure['ours']['run'] = ({ signal }) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('took too long'))));
  const measure = { ...measureOf(() => Promise.resolve(1), []), peers: [] };
  const slow = { ...measure, ours: { ...measure.ours, run: never } };
  const [run] = await runRounds([measure, slow], { ...schedule, rounds: 1, total: 200 });
  assert.deepEqual(run.ours.series, [1]);
  const [, second] = await runRounds([measure, slow], { ...schedule, rounds: 1, total: 200 });
  assert.deepEqual(second.ours.failures, ['took too long']);
});

test('without time left nothing is started', async () => {
  const order: string[] = [];
  const [run] = await runRounds([measureOf(() => Promise.resolve(1), order)], { ...schedule, total: 0 });
  assert.deepEqual(order, []);
  assert.deepEqual(run.ours.failures, ['no time was left', 'no time was left', 'no time was left']);
});

test('names of measures are unique, and aims go beyond goals', () => {
  assert.equal(new Set(MEASURES.map(({ name }) => name)).size, MEASURES.length);
  for (const { better, bar: own, peers } of MEASURES) {
    for (const bar of [own, ...peers.map(({ bar }) => bar)]) {
      if (bar?.aim === undefined) continue;
      assert.ok(better === 'lower' ? bar.aim < bar.goal : bar.aim > bar.goal);
    }
  }
});

test('figures are shown with their spread', () => {
  assert.equal(shown({ median: 3.874, min: 3.8, max: 4.1, count: 5 }, ' µs'), '3.87 µs (3.80–4.10)');
  assert.equal(shown(null, ' µs'), 'none');
});
