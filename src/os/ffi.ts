// The door to native code, opened on first use so that importing this folder costs and needs nothing.
import { createRequire } from 'node:module';
import type koffiModule from 'koffi';

type Koffi = typeof koffiModule;

let koffi: Koffi | null = null;

/** The FFI library, loaded on first use. */
export function ffi(): Koffi {
  koffi ??= createRequire(import.meta.url)('koffi') as Koffi;
  return koffi;
}

/** Whether this process runs on Linux with a byte order that the structures here are laid out for. */
export function isLinux(): boolean {
  return process.platform === 'linux' && ['x64', 'arm64', 'riscv64', 'loong64'].includes(process.arch);
}

/** Throws a sentence naming `what` when this is not Linux. */
export function requireLinux(what: string): void {
  if (!isLinux())
    throw new Error(`${what} needs 64-bit little-endian Linux; this is ${process.platform}/${process.arch}`);
}
