// The suite as tests of node:test.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type DriverUnderTest, type Pair, simulatedPair } from './machine.ts';
import type { Report } from './report.ts';
import { runConformance } from './run.ts';

/**
 * Declares the suite as tests: one per check, skipped where the device does not claim what it needs, with the reason.
 * On a simulated network in virtual time unless `open` makes another pair. `after` sees the whole report.
 */
export function conformance(
  name: string,
  driver: DriverUnderTest,
  open: () => Pair | Promise<Pair> = () => simulatedPair(driver),
  after: (report: Report) => void = () => {},
): void {
  describe(`${name}: conformance`, async () => {
    const report = await runConformance({ open, exceptions: driver.exceptions });
    for (const { area, name: check, statements, status, reason } of report.checks) {
      const ids = statements.length === 0 ? '' : ` [${statements.join(', ')}]`;
      const skip = status === 'not-claimed' || status === 'exception' ? (reason ?? true) : false;
      it(`${area}: ${check}${ids}`, { skip }, () => assert.equal(status, 'passed', reason ?? ''));
    }
    it('has no stubs', () => assert.deepEqual(report.stubs, []));
    it('report', () => after(report));
  });
}
