import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

test('docs/mandatory-verbs.md is what scripts/mandatory-verbs.ts makes', () => {
  const script = new URL('../../scripts/mandatory-verbs.ts', import.meta.url).pathname;
  const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});
