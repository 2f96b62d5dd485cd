import assert from 'node:assert/strict';
import { test } from 'node:test';
import { svgOf } from '../../bench/plot.ts';
import { reportOf } from '../../bench/report.ts';
import { runRounds } from '../../bench/rounds.ts';
import { plotOf, SWEEPS } from '../../bench/sweep.ts';

test('larger figures are higher, larger messages further to the right, names are escaped', () => {
  const points = [
    [64, 0.2],
    [4096, 3],
  ] as const;
  const svg = svgOf({ title: 'a < b', unit: 'GB/s', lines: [{ name: 'x & y', points }] });
  assert.match(svg, />a &lt; b</);
  assert.match(svg, />x &amp; y</);
  const [, left, low, right, high] = /points="([\d.]+),([\d.]+) ([\d.]+),([\d.]+)"/.exec(svg)!.map(Number);
  assert.ok(left < right && high < low);
  assert.deepEqual(
    ['0.1', '1', '10'].map((label) => svg.includes(`>${label}</text>`)),
    [true, true, true],
  );
  assert.throws(() => svgOf({ title: 't', unit: '', lines: [] }), /nothing to plot/);
});

test('who has no figure for a size has no point there, and who has none at all no line', async () => {
  const measures = SWEEPS[1].measures.slice(0, 2).map((measure) => ({
    ...measure,
    ours: { name: 'ours', run: () => Promise.resolve(2) },
    peers: [
      {
        name: 'some',
        run: () => (measure.name.endsWith('-64') ? Promise.resolve(3) : Promise.reject(new Error('no'))),
      },
      { name: 'none', run: () => Promise.reject(new Error('no')) },
    ],
  }));
  const signal = new AbortController().signal;
  const runs = await runRounds(measures, { rounds: 1, quick: true, limit: 1000, total: 1000, signal });
  assert.deepEqual(plotOf('t', runs.map(reportOf)).lines, [
    {
      name: 'ours',
      points: [
        [64, 2],
        [256, 2],
      ],
    },
    { name: 'some', points: [[64, 3]] },
  ]);
});
