// The examples in docs/connections.md are those in examples/, and run.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { uniqueAddresses } from '../helpers/address.ts';
import { repoPath, repoUrl, runModule } from '../helpers/run.ts';

const OUTPUT: Record<string, RegExp> = {
  connect:
    /^server: [\d.]+ reads\nclient: All animals are equal, but some have RDMA\.\nclient: ECONNREFUSED: readers only\n$/,
  stream: /^5000000 bytes there; packed a hundred to one: true\nunpacked they are the same\n$/,
};

const doc = readFileSync(repoPath('docs/connections.md'), 'utf8');
const blocks = [...doc.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code);

test('they are the same', () => {
  assert.deepEqual(
    blocks,
    Object.keys(OUTPUT).map((name) => readFileSync(repoPath(`examples/${name}.ts`), 'utf8')),
  );
});

Object.entries(OUTPUT).forEach(([name, output], i) => {
  test(`${name} runs`, async () => {
    const [one, two] = uniqueAddresses(2);
    const text = blocks[i]
      .replaceAll("'infinitive'", `'${repoUrl('src/api/index.ts')}'`)
      .replaceAll('127.0.0.1', one)
      .replaceAll('127.0.0.2', two);
    const ran = await runModule(text);
    assert.deepEqual([ran.status, ran.stderr], [0, '']);
    assert.match(ran.stdout, output);
  });
});
