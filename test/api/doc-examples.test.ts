// The examples in the documentation of the API compile.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { repoPath, run } from '../helpers/run.ts';

const API = repoPath('src/api/');
/** What the fragments take for granted. */
const GIVEN = `import { connect, connectSocket, listen, listenSocket, openDevice, psm2, PsmEndpoint, type Completion, type CompletionQueue, type ProtectionDomain } from '${API}index.ts';
export async function example(
  pd: ProtectionDomain, cq: CompletionQueue, handle: (wc: Completion) => void,
): Promise<void> {`;

function examplesOf(text: string): string[] {
  const comments = text.match(/\/\*\*[\s\S]*?\*\//g) ?? [];
  return comments.flatMap((comment) => {
    const plain = comment.slice(3, -2).replace(/^\s*\* ?/gm, '');
    const blocks = plain.split(/^@example[^\S\n]*\n/m).slice(1);
    return blocks.map((block) => block.split(/^@\w/m)[0].replace(/^```\w*$/gm, ''));
  });
}

test('each @example compiles', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'infinitive-examples-'));
  t.after(() => rmSync(dir, { recursive: true }));
  let count = 0;
  for (const file of readdirSync(API)) {
    for (const example of examplesOf(readFileSync(join(API, file), 'utf8'))) {
      writeFileSync(
        join(dir, `${file.replace('.ts', '')}-${count++}.mts`),
        `${GIVEN}\n{\n${example}\n}\nvoid [pd, cq, handle, openDevice, connect, connectSocket, listen, listenSocket, psm2, PsmEndpoint];\n}\n`,
      );
    }
  }
  assert.ok(count >= 3, `${count} examples`);
  const config = {
    extends: repoPath('tsconfig.json'),
    compilerOptions: { noUnusedLocals: false, typeRoots: [repoPath('node_modules/@types')], paths: {} },
    include: ['*.mts'],
  };
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify(config));
  const { status, stdout } = await run(process.execPath, [repoPath('node_modules/.bin/tsc'), '-p', dir]);
  assert.deepEqual([status, stdout], [0, '']);
});
