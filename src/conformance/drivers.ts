// The drivers of this project, as the suite opens them.
import { Rxe } from '../drivers/rxe/driver.ts';
import type { DriverUnderTest } from './machine.ts';

export const DRIVERS: Readonly<Record<string, DriverUnderTest>> = {
  rxe: { open: (link, clock, random) => new Rxe({ link, clock, random }) },
};
