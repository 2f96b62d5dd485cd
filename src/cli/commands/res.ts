// infinitive res: what lives in the device of a run, as "rdma resource show" has it for a kernel's.
import { Argument, Command } from 'commander';
import type { ResourceEntry } from '../../core/resources.ts';
import type { Snapshot } from '../../supervisor/control.ts';
import { snapshots } from '../info/runs.ts';
import { parseInteger } from '../parse.ts';

const KINDS = ['pd', 'cq', 'qp', 'mr', 'mw', 'srq', 'ah', 'mcast', 'comp_channel', 'extension', 'ctx'] as const;
type Kind = (typeof KINDS)[number];

const HELP = `
  $ infinitive res
  rxe0: pd 1 cq 1 qp 1 mr 1 ctx 1   run 4711: ib_send_bw
  $ infinitive res qp
  link rxe0/1 lqpn 37212 type RC state RTS rqpn 4097 pid 4712 comm ib_send_bw`;

export function resCommand(): Command {
  return new Command('res')
    .summary('list live objects of a running "infinitive run", like rdma resource show')
    .description('Lists the live objects of each running "infinitive run" of this user, or how many there are.')
    .addArgument(new Argument('[kind]', 'objects of this kind, one in each line').choices(KINDS))
    .option('--run <pid>', 'of the run with this process id only', parseInteger(1, 2 ** 31))
    .option('--json', 'as JSON')
    .addHelpText('after', HELP)
    .action(async (kind: Kind | undefined, { run, json }: { run?: number; json?: boolean }) => {
      const found = await snapshots(run);
      if (json) console.log(JSON.stringify(found, null, 2));
      else for (const snapshot of found) for (const line of lines(snapshot, kind)) console.log(line);
    });
}

function lines(snapshot: Snapshot, kind: Kind | undefined): string[] {
  const { device, resources, contexts } = snapshot;
  if (kind === undefined) return [summary(snapshot)];
  if (kind === 'ctx')
    return contexts.map(({ id, pid, command }) => `dev ${device} ctxn ${id} pid ${pid} comm ${plain(command)}`);
  return resources.filter((entry) => entry.kind === kind).map((entry) => describe(device, entry));
}

function summary({ device, resources, contexts, pid, command }: Snapshot): string {
  const counted = KINDS.filter((kind) => kind !== 'ctx').map((kind) => {
    const n = resources.filter((entry) => entry.kind === kind).length;
    return n === 0 && !['pd', 'cq', 'qp', 'mr'].includes(kind) ? '' : `${kind} ${n} `;
  });
  return `${device}: ${counted.join('')}ctx ${contexts.length}   run ${pid}: ${command.join(' ')}`;
}

/** What the id is called by `rdma resource show`, and which link or device line it stands on. */
const ID: Readonly<Record<string, string>> = { qp: 'lqpn', mr: 'lkey', mw: 'rkey', cq: 'cqn', pd: 'pdn', srq: 'srqn' };
const hex = (key: number): string => `0x${key.toString(16)}`;

function describe(
  device: string,
  { kind, id, handle, owner, parents, users, state, attributes }: ResourceEntry,
): string {
  const [, comm, pid] = /^(.*)\[(\d+)\]$/.exec(owner) ?? [null, owner, '-'];
  const words: (string | number)[] = kind === 'qp' ? ['link', `${device}/1`] : ['dev', device];
  words.push(ID[kind] ?? 'handle', kind === 'mr' || kind === 'mw' ? hex(id) : id);
  const { type, destQpn, rkey, iova, ...rest } = attributes;
  if (type !== undefined) words.push('type', String(type));
  if (state !== null) words.push('state', state);
  if (kind === 'qp') words.push('rqpn', Number(destQpn));
  if (kind === 'mr') words.push('rkey', hex(Number(rkey)), 'iova', hex(Number(iova)));
  for (const [name, value] of Object.entries(rest)) words.push(dashed(name), String(value));
  for (const parent of parents) words.push(parent.kind, parent.handle);
  if (kind !== 'qp') words.push('users', users);
  if (ID[kind] !== undefined) words.push('handle', handle);
  words.push('pid', pid, 'comm', plain(comm));
  return words.join(' ');
}

/** A program chooses its own name: it shall not write to the terminal. */
const plain = (text: string): string => JSON.stringify(text).slice(1, -1);
const dashed = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
