// What /proc tells of a process or thread.
import { readFileSync, readlinkSync } from 'node:fs';
import { CAP_NET_BIND_SERVICE, CAP_NET_RAW } from './constants.ts';

export interface ProcessStatus {
  readonly name: string;
  /** The process that the thread belongs to. */
  readonly tgid: number;
  /** CAP_NET_RAW is among the effective capabilities. */
  readonly netRaw: boolean;
  /** CAP_NET_BIND_SERVICE likewise. */
  readonly netBindService: boolean;
}

/** Of a process or thread; null when there is none of that id. */
export function processStatus(id: number): ProcessStatus | null {
  const text = tryRead(() => readFileSync(`/proc/${id}/status`, 'latin1'));
  if (text === null) return null;
  const field = (name: string): string => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(text)?.[1] ?? '';
  const capabilities = Number.parseInt(field('CapEff').slice(-8), 16);
  return {
    name: field('Name'),
    tgid: Number(field('Tgid')),
    netRaw: (capabilities & (1 << CAP_NET_RAW)) !== 0,
    netBindService: (capabilities & (1 << CAP_NET_BIND_SERVICE)) !== 0,
  };
}

/** Is a signal waiting for the thread, which it has not blocked? */
export function hasSignal(tid: number): boolean {
  const text = tryRead(() => readFileSync(`/proc/${tid}/status`, 'latin1')) ?? '';
  const mask = (name: string): bigint =>
    BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(text)?.[1] ?? '0'}`);
  return ((mask('SigPnd') | mask('ShdPnd')) & ~mask('SigBlk')) !== 0n;
}

/** Is it in the user namespace of this process? */
export function inOurUserNamespace(id: number): boolean {
  const namespace = (of: number | 'self'): string | null => tryRead(() => readlinkSync(`/proc/${of}/ns/user`));
  const ours = namespace('self');
  return ours === null || ours === namespace(id);
}

export function workingDirectory(id: number): string | null {
  return tryRead(() => readlinkSync(`/proc/${id}/cwd`));
}

/** What a process's descriptor is (`pipe:[4711]`, a path); null: not open. */
export function describeFd(id: number, fd: number): string | null {
  return tryRead(() => readlinkSync(`/proc/${id}/fd/${fd}`));
}

/** The open file flags of a process's descriptor; 0 when it is not open. */
export function fdFlags(id: number, fd: number): number {
  const text = tryRead(() => readFileSync(`/proc/${id}/fdinfo/${fd}`, 'latin1'));
  return Number.parseInt(/^flags:\s*(\d+)$/m.exec(text ?? '')?.[1] ?? '0', 8);
}

function tryRead(read: () => string): string | null {
  try {
    return read();
  } catch {
    return null;
  }
}
