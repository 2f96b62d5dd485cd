// npm run interop: our side against Linux's rdma_rxe in a QEMU guest. See docs/interop.md.
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { type Cell, idOf } from './cell.ts';
import { allCells } from './cells/all.ts';
import { measureLinux } from './errors.ts';
import { guestImage } from './image/build.ts';
import { enterNamespace } from './namespace.ts';
import { missingNeeds } from './needs.ts';
import { record } from './recordings.ts';
import { bootLab, closeLab, runCells } from './run.ts';
import { measureSpeed, nodeHardware } from './speed.ts';
import { tables } from './table.ts';

interface Flags {
  readonly only?: string;
  readonly subset: 'all' | 'ci';
  readonly list?: boolean;
  readonly keep?: boolean;
  readonly attempts: string;
  readonly rebuild?: boolean;
  readonly output?: string;
  readonly measure?: boolean;
  readonly record?: string;
  readonly speed?: boolean;
}

const command = new Command('interop')
  .description("Tries everything that RoCE peers do with each other, against Linux's rdma_rxe in an emulated machine.")
  .option('--only <pattern>', 'only cells whose name matches (a regular expression; see --list)')
  .addOption(
    new Option('--subset <name>', 'ci: a choice that takes a few minutes').choices(['all', 'ci']).default('all'),
  )
  .option('--list', 'print the names of the cells and end')
  .option('--keep', 'keep a capture and a log of each cell, not only of those that fail')
  .addOption(new Option('--attempts <n>', 'how often a cell is tried that fails').choices(['1', '2', '3']).default('1'))
  .option('--rebuild', 'make the guest image anew, from the newest packages')
  .option('--output <folder>', 'where captures and logs go; default: a new folder')
  .option('--measure', 'have errors between two Linux guests, and write down what they see: interop/data')
  .option('--record <folder>', 'write small captures between two Linux guests, for test/data/captures')
  .option('--speed', 'measure perftest in a guest, over its kernel and over infinitive run: the ratio')
  .action(async (flags: Flags) => {
    process.exitCode = await interop(flags);
  });

async function interop(flags: Flags): Promise<number> {
  const pattern = new RegExp(flags.only ?? '', 'i');
  const cells = allCells().filter((cell) => (flags.subset === 'all' || cell.ci) && pattern.test(idOf(cell)));
  if (flags.list) {
    for (const cell of cells) console.log(idOf(cell));
    return 0;
  }
  if (cells.length === 0) throw new Error(`no cell matches ${flags.only}; see --list`);
  const missing = missingNeeds();
  if (missing.length > 0) {
    console.error(`infinitive interop needs:\n${missing.map((text) => `  ${text}`).join('\n')}`);
    return 1;
  }
  const image = guestImage((text) => console.log(text), flags.rebuild);
  // From here on in a network of its own, where the packages above could not have been had.
  const status = enterNamespace();
  if (status !== null) return status;
  const folder = flags.output ?? mkdtempSync(join(tmpdir(), 'infinitive-interop-'));
  mkdirSync(folder, { recursive: true });
  if (flags.measure) {
    const lab = await bootLab(2, image, folder);
    await measureLinux(lab, image.version, console.log).finally(() => closeLab(lab));
    return 0;
  }
  if (flags.record !== undefined) {
    const lab = await bootLab(2, image, folder);
    await record(lab, image.version, flags.record).finally(() => closeLab(lab));
    return 0;
  }
  if (flags.speed) {
    const lab = await bootLab(2, image, folder, nodeHardware(folder));
    await measureSpeed(lab, console.log).finally(() => closeLab(lab));
    return 0;
  }
  return report(cells, folder, flags, image);
}

async function report(
  cells: readonly Cell[],
  folder: string,
  flags: Flags,
  image: ReturnType<typeof guestImage>,
): Promise<number> {
  const start = performance.now();
  console.log(`Linux ${image.version}; ${cells.length} cells; captures and logs of what fails: ${folder}`);
  const outcomes = await runCells(cells, {
    image,
    folder,
    keep: flags.keep ?? false,
    attempts: Number(flags.attempts),
    onOutcome: ({ cell, failure, seconds, attempts }, done, of) => {
      const place = `${done}/${of}`.padStart(9);
      console.log(
        `${place} ${failure === null ? '✓' : '✗'} ${idOf(cell)} (${seconds.toFixed(1)} s)${attempts > 1 ? `, attempt ${attempts}` : ''}${failure === null ? '' : `\n            ${failure}`}`,
      );
    },
  });
  const failed = outcomes.filter(({ failure }) => failure !== null);
  console.log(`\n${tables(outcomes)}`);
  const seconds = Math.round((performance.now() - start) / 1000);
  console.log(`\n${outcomes.length - failed.length} of ${outcomes.length} as they should be, in ${seconds} s`);
  for (const { cell, failure } of failed) console.log(`✗ ${idOf(cell)}\n  ${failure}`);
  return failed.length === 0 ? 0 : 1;
}

try {
  await command.parseAsync();
} catch (error) {
  console.error(`infinitive interop: ${(error as Error).message}`);
  process.exitCode = 1;
}
