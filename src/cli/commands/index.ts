// All commands by name, each loaded when it is asked for: together they are most of this project, and a command would spend most
// of its start on the others.
import type { Command } from 'commander';
import { RUN_VARIABLE } from '../../supervisor/run-variable.ts';

/** In the order of the help. `asked`: it will be run, and is not loaded for its help alone. */
const COMMANDS: Readonly<Record<string, (asked: boolean) => Promise<Command>>> = {
  demo: async () => (await import('./demo.ts')).demoCommand(),
  run: loadRun,
  devices: async () => (await import('./devices.ts')).devicesCommand(),
  devinfo: async () => (await import('./devinfo.ts')).devinfoCommand(),
  perf: async () => (await import('./perf.ts')).perfCommand(),
  pingpong: async () => (await import('./pingpong.ts')).pingpongCommand(),
  res: async () => (await import('./res.ts')).resCommand(),
  stat: async () => (await import('./stat.ts')).statCommand(),
  capture: async () => (await import('./capture.ts')).captureCommand(),
  conformance: async () => (await import('./conformance.ts')).conformanceCommand(),
  'demo-client': async () => (await import('./demo.ts')).demoClientCommand(),
};
/** The help does not name it. */
const HIDDEN = 'demo-client';

/** Its service thread takes longest to start: it does so while the command itself is loaded, and the command line read. */
async function loadRun(asked: boolean): Promise<Command> {
  const inside = process.env[RUN_VARIABLE] !== undefined;
  const service = asked && !inside ? new (await import('../../supervisor/service-thread.ts')).ServiceThread() : null;
  return (await import('./run.ts')).runCommand(service);
}

/** The command that the arguments begin with; all where they begin otherwise: with an option, `help`, or a mistake. */
export async function addCommands(top: Command, first = ''): Promise<void> {
  const names = Object.hasOwn(COMMANDS, first) ? [first] : Object.keys(COMMANDS);
  for (const name of names) top.addCommand(await COMMANDS[name](names.length === 1), { hidden: name === HIDDEN });
}
