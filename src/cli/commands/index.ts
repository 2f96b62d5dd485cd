// All commands by name, each loaded when it is asked for: together they are most of this project, and a command would spend most
// of its start on the others.
import type { Command } from 'commander';
import type { ServiceThread } from '../../supervisor/service-thread.ts';

/** In the order of the help. */
const COMMANDS: Readonly<Record<string, (service: ServiceThread | null) => Promise<Command>>> = {
  demo: async () => (await import('./demo.ts')).demoCommand(),
  run: async (service) => (await import('./run.ts')).runCommand(service),
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

/** The command that the arguments begin with; all where they begin otherwise: with an option, `help`, or a mistake. */
export async function addCommands(top: Command, first = '', service: ServiceThread | null = null): Promise<void> {
  const names = Object.hasOwn(COMMANDS, first) ? [first] : Object.keys(COMMANDS);
  for (const name of names) top.addCommand(await COMMANDS[name](service), { hidden: name === HIDDEN });
}
