// Where our side differs from Linux on purpose; the reasons are in docs/interop.md.
import type { Measured } from '../errors.ts';

/** By row and direction: what is seen instead of what two Linux peers see. */
export const CHOICES: Readonly<Record<string, Readonly<Record<string, Partial<Measured>>>>> = {};
