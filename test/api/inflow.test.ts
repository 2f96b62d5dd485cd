// What a stream's peer may write: what it was granted, in order and once; and what comes of it.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Inflow } from '../../src/api/inflow.ts';
import { fill } from '../transport/fabric.ts';

const SIZE = 128 * 1024;

/** Takes all that there is. */
function taken(inflow: Inflow): Buffer {
  const parts: Buffer[] = [];
  for (let part = inflow.take(SIZE); part !== null; part = inflow.take(SIZE)) parts.push(part);
  return Buffer.concat(parts);
}

it('bytes come out as they went in, round and round, in pieces of any size', () => {
  const inflow = new Inflow(SIZE);
  const source = fill(Buffer.alloc(4096));
  const written: Buffer[] = [];
  const got: Buffer[] = [];
  let offset = 0;
  for (let i = 1; i < 400; i++) {
    const length = Math.min((i * 379) % 4097, SIZE - offset);
    inflow.grant(length);
    assert.ok(inflow.write(offset, source, 0, length));
    offset = (offset + length) % SIZE;
    written.push(Buffer.from(source.subarray(0, length)));
    if (i % 7 === 0) got.push(taken(inflow));
  }
  got.push(taken(inflow));
  assert.ok(Buffer.concat(got).equals(Buffer.concat(written)));
});

it('no more than was granted, and nowhere else than where it goes on', () => {
  const inflow = new Inflow(SIZE);
  const bytes = Buffer.alloc(10, 1);
  assert.equal(inflow.write(0, bytes, 0, 10), false);
  inflow.grant(15);
  assert.equal(inflow.write(1, bytes, 0, 10), false);
  assert.equal(inflow.write(0, bytes, 0, 10), true);
  assert.equal(inflow.write(0, bytes, 0, 5), false);
  assert.equal(inflow.write(10, bytes, 0, 6), false);
  assert.equal(taken(inflow).length, 10);
  assert.equal(inflow.take(1), null);
  assert.equal(inflow.read(), false);
});

it('what was taken is not written again', () => {
  const inflow = new Inflow(SIZE);
  inflow.grant(SIZE);
  inflow.write(0, Buffer.alloc(8000, 1), 0, 8000);
  const first = inflow.take(8000)!;
  inflow.write(8000, Buffer.alloc(8000, 2), 0, 8000);
  assert.ok(first.equals(Buffer.alloc(8000, 1)));
});
