import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isCandidate, MAPPED, mapPath } from '../../src/supervisor/paths.ts';

const ROOT = '/tmp/infinitive-run-abc';
const map = (path: string, cwd: string | null = '/home/me'): string | null => mapPath(path, ROOT, () => cwd);

test('what leads into the tree', () => {
  for (const [path, expected] of [
    ['/sys/class/infiniband', '/sys/class/infiniband'],
    ['/sys/class/infiniband/', '/sys/class/infiniband/'],
    ['//sys///class/./infiniband/rxe0/../rxe0/ports', '/sys/class/infiniband/rxe0/ports'],
    ['/sys/class/net/../infiniband_verbs/abi_version', '/sys/class/infiniband_verbs/abi_version'],
    ['/dev/infiniband/uverbs0', '/dev/infiniband/uverbs0'],
    ['/sys/class/misc/rdma_cm/abi_version', '/sys/class/misc/rdma_cm/abi_version'],
    ['/dev/infiniband/../infiniband/uverbs0', '/dev/infiniband/uverbs0'],
    [`${ROOT}/dev/infiniband/uverbs0`, '/dev/infiniband/uverbs0'],
  ] as const) {
    assert.equal(map(path), expected, path);
  }
});

test('what does not', () => {
  for (const path of [
    '',
    '/sys/class/infiniband_other',
    '/sys/class/infinibandx/y',
    '/dev/infiniband/..',
    '/dev/infiniband/../null',
    '/home/me/dev/infiniband/uverbs0',
    '/sys/class',
    `${ROOT}x/dev/infiniband`,
    ROOT,
  ]) {
    assert.equal(map(path), null, path);
  }
});

test('relative paths, from where the program is', () => {
  assert.equal(map('infiniband/uverbs0', '/dev'), '/dev/infiniband/uverbs0');
  assert.equal(map('../dev/infiniband', '/home'), '/dev/infiniband');
  assert.equal(map('infiniband', '/home'), null);
  assert.equal(map('infiniband', null), null);
  // After fchdir() to a directory of the tree.
  assert.equal(map('uverbs0', `${ROOT}/dev/infiniband`), '/dev/infiniband/uverbs0');
});

test('no path that leads into the tree escapes the quick look', () => {
  const part = fc.constantFrom(
    'sys',
    'class',
    'dev',
    'infiniband',
    'infiniband_verbs',
    'uverbs0',
    '.',
    '..',
    '',
    'net',
    'finiband',
  );
  const seed = 20261123;
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 8 }),
      fc.constantFrom('/', ''),
      fc.constantFrom('/', '/dev', '/sys/class'),
      (parts, slash, cwd) => {
        const path = slash + parts.join('/');
        const buf = Buffer.from(`${path}\0infiniband`);
        if (map(path, cwd) !== null) assert.ok(isCandidate(buf, path.length), path);
        assert.equal(isCandidate(buf, path.length), /finiband|uverbs/.test(path), path);
      },
    ),
    { seed, numRuns: 2000 },
  );
});

test('the mapped paths are names of directories, each found by the quick look', () => {
  for (const path of MAPPED) assert.ok(isCandidate(Buffer.from(path), path.length));
});
