// The suite itself: does it ask everything there is to ask, and does it tell what it found?
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  CHECKS,
  DRIVERS,
  EXCEPTIONS,
  formatJunit,
  runConformance,
  simulatedPair,
} from '../../src/conformance/index.ts';
import { VERBS } from '../../src/core/mandatory.ts';

test('every verb that a driver can be asked for is proved by a check', () => {
  const proved = new Set(CHECKS.flatMap((c) => c.verbs));
  const unproved = VERBS.filter((v) => v.owed !== 'core' && !proved.has(v.name)).map((v) => v.name);
  // No device here claims raw packets yet.
  assert.deepEqual(unproved, ['raw_packet']);
  for (const name of proved)
    assert.ok(
      VERBS.some((v) => v.name === name),
      name,
    );
});

test('the statements judged are those of docs/compliance.md, all of them, but for the exceptions', () => {
  const page = readFileSync(new URL('../../docs/compliance.md', import.meta.url), 'utf8');
  const listed = [...page.matchAll(/^\| ([Co]\d[\d.-]*) \|/gm)].map((m) => m[1]);
  const judged = new Set(CHECKS.flatMap((c) => c.statements ?? []));
  assert.deepEqual(
    listed.filter((id) => !judged.has(id)),
    Object.keys(EXCEPTIONS),
  );
  for (const id of judged) assert.ok(listed.includes(id), `${id} is not in docs/compliance.md`);
});

test('names of checks are unique', () => {
  assert.equal(new Set(CHECKS.map((c) => c.name)).size, CHECKS.length);
});

test('a check of a statement that is an exception is no failure when it fails, and says why', async () => {
  const { open } = DRIVERS.rxe;
  const report = await runConformance({
    open: () => {
      const pair = simulatedPair({
        open(link, clock, random) {
          const rxe = open(link, clock, random);
          const { postSend } = rxe.device.ops;
          Object.assign(rxe.device.ops, {
            postSend: (...[qp, wr, more]: Parameters<typeof postSend>) => {
              if (wr.opcode === 8) wr.bindLength = Math.min(wr.bindLength, 1);
              postSend(qp, wr, more);
            },
          });
          return rxe;
        },
      });
      return pair;
    },
    only: 'C10-75',
    exceptions: { 'C10-75': 'binds one byte' },
  });
  assert.deepEqual(
    report.checks.map((c) => [c.status, c.reason]),
    [['exception', 'binds one byte']],
  );
  assert.equal(report.passed, true);
  assert.match(formatJunit(report), /<skipped message="binds one byte"\/>/);
});
