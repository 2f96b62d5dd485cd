// Where it was measured: figures of different machines are not to be compared, and those of a busy one are worth little.
import { availableParallelism, cpus, loadavg, release } from 'node:os';
import { nativeCrc32 } from '../src/os/crc.ts';

/** With more running than this beforehand, two processes that spin on two cores are disturbed. */
const QUIET_LOAD = 0.7;

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly node: string;
  /** What computes the ICRC. */
  readonly crc: 'ISA-L' | 'zlib';
  /** Load average of the minute before. */
  readonly load: number;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    kernel: release(),
    node: process.version,
    crc: nativeCrc32() === null ? 'zlib' : 'ISA-L',
    load: Number(loadavg()[0].toFixed(2)),
  };
}

export function machineLine({ cpu, cores, kernel, node, crc, load }: Machine): string {
  const busy = load > QUIET_LOAD ? ' (busy: figures may be off, ratios less so)' : '';
  return `${cpu}, ${cores} cores, Linux ${kernel}, Node ${node}, CRC by ${crc}, load ${load}${busy}`;
}
