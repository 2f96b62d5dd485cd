// Ours and others' as small programs of bench/sides, each two processes, of which the client prints its figures as JSON.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Contender, type Ours, perRound, type Settings } from './measure.ts';
import { Running } from './running.ts';

export const sidePath = (file: string): string => join(import.meta.dirname, 'sides', file);

/** What the program is called with; some of it depends on how long it may take. */
export type SideArgs = (settings: Settings) => readonly string[];

const start = (file: string, args: SideArgs, settings: Settings, flags: readonly string[]): Running =>
  new Running(process.execPath, ['--expose-gc', ...flags, sidePath(file), ...args(settings)], settings);

/** A program whose figures are several contenders': `side(...)('us')`. It runs once in a round. */
export function side(file: string, args: SideArgs): (key: string, name?: string) => Ours {
  const measure = perRound(async (settings) => {
    await using running = start(file, args, settings, []);
    return await running.output();
  });
  return (key, name = 'infinitive') => ({
    name,
    run: async (settings) => parseSide(await measure(settings), key),
    async profile(settings, dir) {
      const own = join(dir, `${file}-${key}`);
      // The server inherits the flags, and both write a file there.
      await using running = start(file, args, settings, ['--cpu-prof', `--cpu-prof-dir=${own}`]);
      const figure = parseSide(await running.output(), key);
      return { figure, profiles: readdirSync(own).map((name) => ({ side: name, file: join(own, name) })) };
    },
  });
}

/** The same for one that is no program of ours: nothing to be profiled. */
export function otherSide(file: string, args: SideArgs): (key: string, name: string) => Contender {
  const contenders = side(file, args);
  return (key, name) => ({ name, run: contenders(key).run });
}

/** Reads what a program of bench/sides prints. */
export function parseSide(text: string, key: string): number {
  const figure = (JSON.parse(text) as Record<string, unknown>)[key];
  if (typeof figure !== 'number' || !Number.isFinite(figure)) throw new Error(`no figure "${key}" in ${text.trim()}`);
  return figure;
}
