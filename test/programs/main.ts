// npm run test:programs: unmodified programs of Debian packages on our device; a line each.
import { Command, InvalidArgumentError, Option } from 'commander';
import type { ProgramCase } from './case.ts';
import { type Before, execute } from './execute.ts';
import { ffi } from './ffi.ts';
import { ibverbsUtils } from './ibverbs-utils.ts';
import { ensurePackages } from './packages.ts';
import { perftest } from './perftest.ts';
import { pyverbs } from './pyverbs.ts';
import { rdmacm } from './rdmacm.ts';

const WHO: Record<string, Before> = {
  self: [],
  nobody: ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'],
  userns: ['unshare', '-Ur', 'setpriv', '--inh-caps=-all', '--bounding-set=-all', '--'],
};
const pattern = (text: string): RegExp => {
  try {
    return new RegExp(text);
  } catch {
    throw new InvalidArgumentError('a regular expression is wanted');
  }
};

interface Flags {
  readonly only?: RegExp;
  readonly as: string;
  readonly quick?: boolean;
  readonly list?: boolean;
  readonly verbose?: boolean;
}

const flags = new Command('test:programs')
  .description('Runs the programs of Debian packages under "infinitive run", and prints a line for each.')
  .option('--only <pattern>', 'those whose package and name match', pattern)
  .addOption(
    new Option('--as <who>', 'self; nobody: uid 65534 (as root only); userns: no rights at all, in a user namespace')
      .choices(Object.keys(WHO))
      .default('self'),
  )
  .option('--quick', 'leave out what is much like another case')
  .option('--list', 'only say what there is')
  .option('--verbose', 'print what the programs print')
  .parse()
  .opts<Flags>();

const cases: readonly ProgramCase[] = [...ibverbsUtils, ...perftest, ...rdmacm, ffi, ...pyverbs].filter(
  (one) => (flags.only?.test(`${one.package}: ${one.name}`) ?? true) && !(flags.quick && one.long),
);
if (!flags.list && !ensurePackages(cases)) process.exit(1);

const failed: string[] = [];
const started = performance.now();
for (const one of cases) {
  const label = `${one.name}${one.runs === 2 ? '   (two runs)' : ''}`;
  if (flags.list) {
    console.log(label);
    continue;
  }
  const { ok, seconds, output, reason } = await execute(one, WHO[flags.as]);
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${seconds.toFixed(1).padStart(5)} s  ${label}${ok ? '' : `: ${reason}`}`);
  if (!ok || flags.verbose) console.log(output.replaceAll(/^/gm, '      | '));
  if (!ok) failed.push(label);
}
if (!flags.list) {
  const took = ((performance.now() - started) / 1000).toFixed(0);
  console.log(`${cases.length - failed.length} of ${cases.length} in ${took} s`);
}
process.exitCode = failed.length > 0 ? 1 : 0;
