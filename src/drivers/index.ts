// The drivers of this project, by name.
import { UdpLink } from '../link/udp.ts';
import { HFI1_UDP_PORT, Hfi1 } from './hfi1/driver.ts';
import type { Driver, UserMachine } from './machine.ts';
import { QIB_UDP_PORT, Qib } from './qib/driver.ts';
import { RXE } from './rxe/index.ts';
import { Usnic } from './usnic/driver.ts';

const HFI1: Driver<Hfi1> = {
  name: 'hfi1',
  udpPort: HFI1_UDP_PORT,
  oneAddress: true,
  pkeyTable: 16,
  open: (options) => new Hfi1(options),
};

const QIB: Driver<Qib> = {
  name: 'qib',
  udpPort: QIB_UDP_PORT,
  oneAddress: true,
  pkeyTable: 4,
  open: (options) => new Qib(options),
};

const USNIC: Driver<UserMachine> = {
  name: 'usnic',
  udpPort: 0,
  oneAddress: true,
  open: ({ name, link }) =>
    new Usnic({
      name,
      link,
      openLink(asked) {
        const own = new UdpLink({ addresses: [link.addresses[0]], port: asked });
        return { link: own, port: own.port };
      },
    }),
};

export type DriverName = 'rxe' | 'hfi1' | 'qib' | 'usnic';
export const DRIVERS: Readonly<Record<DriverName, Driver<UserMachine>>> = {
  rxe: RXE,
  hfi1: HFI1,
  qib: QIB,
  usnic: USNIC,
};
