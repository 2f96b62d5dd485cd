import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { Fifo } from '../../src/link/fifo.ts';

it('Fifo does what an array does', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.boolean(), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })), {
        maxLength: 500,
      }),
      (steps) => {
        const fifo = new Fifo<number>();
        const model: number[] = [];
        for (const [i, step] of steps.entries()) {
          if (step === true) {
            fifo.push(i);
            model.push(i);
          } else if (typeof step === 'number') {
            // One from the middle.
            const at = Math.floor(step * model.length);
            if (at < model.length) assert.equal(fifo.removeAt(at), model.splice(at, 1)[0]);
          } else {
            assert.equal(fifo.shift(), model.shift());
          }
          assert.equal(fifo.length, model.length);
          assert.equal(fifo.peek(), model[0]);
          for (const [at, item] of model.entries()) assert.equal(fifo.at(at), item);
        }
      },
    ),
    { seed: 1, numRuns: 300 },
  );
});
