// The command line, and how errors are told.
import { Command, CommanderError } from 'commander';
import type { ServiceThread } from '../supervisor/service-thread.ts';
import { addCommands } from './commands/index.ts';
import { CliError, messageOf } from './errors.ts';
import { VERSION } from './version.ts';

async function program(service: ServiceThread | null): Promise<Command> {
  const top = new Command('infinitive')
    .description('RDMA verbs in user space: a RoCEv2 device for machines that have none.')
    .version(VERSION, '-V, --version')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText(
      'after',
      '\nStart with "infinitive demo". What goes wrong is told in one line; INFINITIVE_DEBUG=1 adds where.',
    )
    .configureHelp({ showGlobalOptions: false })
    // Options after the program of "run" are the program's.
    .enablePositionalOptions();
  await addCommands(top, process.argv[2], service);
  for (const command of [top, ...top.commands, ...top.commands.flatMap((c) => c.commands)]) {
    command
      .exitOverride()
      .showHelpAfterError(false)
      .configureOutput({ outputError: (text, write) => write(oneLine(text)) });
  }
  return top;
}

/** Commander's errors in our form; what it suggests comes on the same line. */
const oneLine = (text: string): string =>
  `${text
    .trim()
    .replace(/^error: /, 'infinitive: ')
    .replaceAll('\n', ' ')}\n`;

/** Runs the command of `process.argv`; the exit code. `service` is for `run`. */
export async function main(service: ServiceThread | null): Promise<number> {
  // A program that is run has its own descriptors, and a run goes on for it.
  if (service === null) endWithReader();
  try {
    await (await program(service)).parseAsync();
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return exitCodeFor(error);
  }
}

/** As by SIGPIPE. */
const BROKEN_PIPE = 128 + 13;

/** Who reads what is printed may have had enough (`| head`): that is no error to be told. */
function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(BROKEN_PIPE);
  });
}

/** 0: done; 1: failed; 2: the command line was not understood. What commander reports it has printed already. */
function exitCodeFor(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  console.error(`infinitive: ${messageOf(error)}`);
  if (process.env.INFINITIVE_DEBUG === '1' && error instanceof Error) console.error(error.stack);
  return error instanceof CliError ? error.exitCode : 1;
}
