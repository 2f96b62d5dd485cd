import type { Memory } from '../core/memory.ts';

/** The process that makes a call, as the host of the ABI (the supervisor, or a test) shows it. */
export interface Caller {
  /** Its process id (thread group), in the host's pid namespace. */
  readonly pid: number;
  /** All of its address space, addressed from 0: what a memory region is registered from. It outlives the call. */
  readonly memory: Memory;
  /** CAP_NET_RAW in the program: raw packet QPs and Q_Keys with the high bit set. */
  readonly netRaw: boolean;
  /** Copies `length` bytes at `address` of the program to `dst` at `at`; false: not (all) there, EFAULT. */
  read(address: number, dst: Buffer, at: number, length: number): boolean;
  write(address: number, src: Buffer, at: number, length: number): boolean;
  /** Writes the first bytes of `src` to several places, `lengths[i]` of them to `addresses[i]`, at the price of one. */
  scatter(src: Buffer, addresses: readonly number[], lengths: readonly number[]): boolean;
  /**
   * Gives the program a close-on-exec descriptor of the open file behind `fd`, which stays the host's own; returns the
   * number it has there.
   *
   * @throws {VerbsError} EMFILE
   */
  installFd(fd: number): number;
  /** What the program's descriptor `fd` is, as `readlink /proc/PID/fd/N` has it (`pipe:[4711]`); null: not open. */
  describeFd(fd: number): string | null;
  /**
   * Calls `use` with a descriptor of ours, closed afterwards, that shares its open file (and so its position) with the program's
   * descriptor that the call came through. A host that cannot get one leaves this out, or does not call `use`.
   */
  withFile?(use: (fd: number) => void): void;
}
