// The conformance suite: `import { conformance } from 'infinitive/conformance'`. A driver's whole test:
//
//   import { conformance } from 'infinitive/conformance';
//   conformance('mydriver', {
//     open: (link, clock, random) => new MyDriver({ link, clock, random }),
//   });
export type { Check, Need } from './check.ts';
export { CHECKS } from './checks/index.ts';
export { DRIVERS } from './drivers.ts';
export { formatJunit, formatText } from './format.ts';
export { LocalSide, type Run } from './local-side.ts';
export {
  type DriverUnderTest,
  type Machine,
  type Pair,
  realTime,
  simulatedPair,
  udpPair,
  udpSide,
} from './machine.ts';
export { remoteSide, serve } from './remote.ts';
export type { CheckResult, Report, StatementResult, Status, VerbResult } from './report.ts';
export { EXCEPTIONS, type RunOptions, runConformance } from './run.ts';
export type { Facts, Side } from './side.ts';
export { conformance } from './suite.ts';
