// The drivers of this project, as the suite opens them.
import { HFI1_UDP_PORT, Hfi1 } from '../drivers/hfi1/driver.ts';
import { QIB_UDP_PORT, Qib } from '../drivers/qib/driver.ts';
import { Rxe } from '../drivers/rxe/driver.ts';
import { Usnic } from '../drivers/usnic/driver.ts';
import type { DriverUnderTest } from './machine.ts';

/** Full members of the default partition and of another, limited ones of each: what the checks of P_Keys need. */
const PKEYS: readonly number[] = [0xffff, 0x7fff, 0x8001, 0x0001];

export const DRIVERS: Readonly<Record<string, DriverUnderTest>> = {
  rxe: { open: (link, clock, random) => new Rxe({ link, clock, random }) },
  hfi1: { open: (link, clock, random) => new Hfi1({ link, clock, random, pkeys: PKEYS }), port: HFI1_UDP_PORT },
  usnic: {
    // What is asked of it needs no vNIC: it has no queue pairs to be connected.
    open: (link) =>
      new Usnic({
        link,
        openLink: () => {
          throw new Error('no vNICs in a conformance run');
        },
      }),
    port: 24793,
  },
  qib: { open: (link, clock, random) => new Qib({ link, clock, random, pkeys: PKEYS }), port: QIB_UDP_PORT },
};
