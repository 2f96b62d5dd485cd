import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Fifo } from '../../../src/drivers/psm/fifo.ts';

test('as an array with push and shift, whatever the order of the two', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constant(null), { arbitrary: fc.integer(), weight: 3 }), { maxLength: 200 }),
      (steps) => {
        const fifo = new Fifo<number>();
        const array: number[] = [];
        for (const step of steps) {
          if (step === null) {
            assert.equal(fifo.shift(), array.shift());
          } else {
            fifo.push(step);
            array.push(step);
          }
          assert.equal(fifo.length, array.length);
        }
        assert.deepEqual(fifo.takeAll(), array);
        assert.equal(fifo.length, 0);
      },
    ),
  );
});
