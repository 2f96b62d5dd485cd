// Runs cells: boots what they need, keeps what is to be seen of those that fail.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Cable, toPcapng } from './cable.ts';
import { type Cell, idOf } from './cell.ts';
import { Guest, type Hardware } from './guest.ts';
import type { Image } from './image/build.ts';
import { Lab } from './lab.ts';
import { HOST4, HOST6, makeNetwork } from './namespace.ts';
import type { Outcome } from './table.ts';

const CELL_SECONDS = 120;
/** What the kernel says when it has come to harm. */
const HARM = /\b(BUG|WARNING|Oops|Call Trace|panic|hung task)\b/;

export interface RunOptions {
  readonly image: Image;
  /** Where consoles, captures and logs go. */
  readonly folder: string;
  /** Keep captures and logs of all cells. */
  readonly keep: boolean;
  /** How often a cell is tried that should not fail at all; default: once. */
  readonly attempts?: number;
  onOutcome(outcome: Outcome, done: number, of: number): void;
}

export async function bootLab(count: number, image: Image, folder: string, hardware?: Hardware): Promise<Lab> {
  makeNetwork();
  const guests = await Promise.all(Array.from({ length: count }, (_, i) => Guest.boot(i + 1, image, folder, hardware)));
  // The first packets teach the bridge and the neighbours; what is tried first should not have to wait for that.
  for (const guest of guests) {
    await guest.must(`for ip in ${HOST4} ${HOST6}; do until ping -c 1 -W 1 $ip; do :; done; done`);
  }
  return new Lab(guests, await Cable.open('data-1'), folder);
}

export async function closeLab(lab: Lab): Promise<void> {
  lab.finish();
  await lab.cable.close();
  for (const guest of lab.guests) await guest.stop();
}

export async function runCells(cells: readonly Cell[], options: RunOptions): Promise<Outcome[]> {
  const { image, folder } = options;
  const lab = await bootLab(Math.max(...cells.map(({ guests }) => guests)), image, folder);
  const outcomes: Outcome[] = [];
  try {
    for (const cell of cells) {
      const most = Math.max(mayFail(cell) ? 3 : 1, options.attempts ?? 1);
      let attempts = 1;
      let outcome = await runCell(cell, lab, options);
      for (; outcome.failure !== null && attempts < most; attempts++) outcome = await runCell(cell, lab, options);
      outcome = { ...outcome, attempts };
      outcomes.push(outcome);
      options.onOutcome(outcome, outcomes.length, cells.length);
      if (!lab.guests.every((guest) => guest.alive)) throw new Error(`a guest has died: see ${folder}`);
    }
  } finally {
    await closeLab(lab);
  }
  return outcomes;
}

/**
 * What is lost of UC and UD is not sent again, by anybody: an emulated CPU that is busy loses some of a message of 1 MiB now and
 * then. It must come through in three attempts.
 */
const isUnreliable = (cell: Cell): boolean => /\bU[CD]\b|_u[cd]_|-c U[CD]/.test(idOf(cell));

/**
 * perftest's event mode stops now and then, both ends waiting: between two Linux guests, too, one run of 60. With -R it makes two
 * connections, and when the server, emulated or under `infinitive run`, does not yet listen for the second the client, rejected, crashes. These also
 * have three attempts.
 */
const stopsByItself = (cell: Cell): boolean => /\bib_\w+_lat .*-e\b|^librdmacm .*\bib_\w+ /.test(idOf(cell));

const mayFail = (cell: Cell): boolean => isUnreliable(cell) || stopsByItself(cell);

async function runCell(cell: Cell, lab: Lab, { folder, keep }: RunOptions): Promise<Outcome> {
  const start = performance.now();
  const consoles = lab.guests.map((guest) => guest.log().length);
  let failure: string | null = null;
  let timer: NodeJS.Timeout | undefined;
  try {
    await Guest.setMtu(lab.guests, cell.mtu);
    await lab.cable.clear();
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not done in ${CELL_SECONDS} s`)), CELL_SECONDS * 1000);
    });
    await Promise.race([cell.run(lab), late]);
  } catch (error) {
    failure = (error as Error).message;
  } finally {
    clearTimeout(timer);
  }
  const said = lab.guests.map((guest, i) => guest.log().slice(consoles[i])).join('');
  if (HARM.test(said)) failure ??= `the guest's kernel: ${said.slice(0, 500)}`;
  const log = lab.finish();
  if (failure !== null || keep) {
    mkdirSync(folder, { recursive: true });
    const name = join(folder, idOf(cell).replaceAll(/[^\w→+-]+/g, '_'));
    writeFileSync(`${name}.pcapng`, toPcapng(await lab.cable.pcap(), idOf(cell)));
    writeFileSync(`${name}.log`, `${idOf(cell)}\n${failure ?? 'ok'}\n\n${log}\n\nThe guest's console:\n${said}`);
  }
  return { cell, failure, seconds: (performance.now() - start) / 1000, attempts: 1 };
}
