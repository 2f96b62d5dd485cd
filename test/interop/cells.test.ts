// What can be said of the harness without a guest: its table is whole, and its data is there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idOf } from '../../interop/cell.ts';
import { allCells } from '../../interop/cells/all.ts';
import { CHOICES } from '../../interop/cells/choices.ts';
import { linuxErrors } from '../../interop/errors.ts';
import { ERRORS } from '../../interop/scenarios/errors.ts';

test('each cell has a name of its own; the subset for CI is a small part', () => {
  const cells = allCells();
  assert.equal(new Set(cells.map(idOf)).size, cells.length);
  const ci = cells.filter((cell) => cell.ci).length;
  assert.ok(ci > 50 && ci < cells.length / 3, `${ci} of ${cells.length}`);
});

test('of each error it was measured what Linux does, and each choice of ours differs from that', () => {
  const { errors } = linuxErrors();
  assert.deepEqual(Object.keys(errors).sort(), Object.keys(ERRORS).sort());
  for (const [row, choice] of Object.entries(CHOICES)) {
    assert.ok(row in errors, row);
    for (const seen of Object.values(choice)) assert.notDeepEqual({ ...errors[row], ...seen }, errors[row], row);
  }
});
