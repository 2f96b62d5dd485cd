// infinitive stat: counters of a run's device, like rdma statistic.
import { Command } from 'commander';
import { snapshots } from '../info/runs.ts';
import { parseInteger } from '../parse.ts';

export function statCommand(): Command {
  return new Command('stat')
    .summary('counters of a running "infinitive run", like rdma statistic')
    .description('Prints the counters of the device of each running "infinitive run" of this user.')
    .option('--run <pid>', 'of the run with this process id only', parseInteger(1, 2 ** 31))
    .option('--all', 'also counters that are 0')
    .option('--json', 'as JSON')
    .action(async ({ run, all, json }: { run?: number; all?: boolean; json?: boolean }) => {
      const found = await snapshots(run);
      if (json) {
        console.log(JSON.stringify(Object.fromEntries(found.map(({ pid, counters }) => [pid, counters])), null, 2));
        return;
      }
      for (const { device, pid, command, counters } of found) {
        console.log(`link ${device}/1   run ${pid}: ${command.join(' ')}`);
        const shown = Object.entries(counters).filter(([, value]) => all || value !== 0);
        const width = Math.max(0, ...shown.map(([name]) => name.length));
        for (const [name, value] of shown) console.log(`    ${name.padEnd(width)} ${value}`);
      }
    });
}
