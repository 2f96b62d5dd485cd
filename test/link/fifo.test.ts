import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { Fifo } from '../../src/link/fifo.ts';

it('Fifo does what an array does', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 500 }), (pushes) => {
      const fifo = new Fifo<number>();
      const model: number[] = [];
      for (const [i, push] of pushes.entries()) {
        if (push) {
          fifo.push(i);
          model.push(i);
        } else {
          assert.equal(fifo.shift(), model.shift());
        }
        assert.equal(fifo.length, model.length);
        assert.equal(fifo.peek(), model[0]);
      }
    }),
    { seed: 1, numRuns: 300 },
  );
});
