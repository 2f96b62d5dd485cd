// What a C compiler makes of the kernel's headers.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The values of C expressions, with these headers included. */
export function cValues(headers: readonly string[], expressions: readonly string[]): number[] {
  const dir = mkdtempSync(join(tmpdir(), 'c-values-'));
  const source = [
    ...['stdio.h', 'stddef.h', ...headers].map((name) => `#include <${name}>`),
    'int main(void) {',
    ...expressions.map((it) => `  printf("%lu\\n", (unsigned long)(${it}));`),
    '}',
  ];
  try {
    writeFileSync(join(dir, 'c.c'), source.join('\n'));
    execFileSync('gcc', ['-o', join(dir, 'c'), join(dir, 'c.c')], { stdio: ['ignore', 'ignore', 'pipe'] });
    return execFileSync(join(dir, 'c'), { encoding: 'utf8' }).trim().split('\n').map(Number);
  } finally {
    rmSync(dir, { recursive: true });
  }
}
