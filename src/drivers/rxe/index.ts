// The driver as a device is opened with; by itself, because `infinitive run` loads no other.
import { ROCE_PORT } from '../../link/udp.ts';
import type { Driver } from '../machine.ts';
import { Rxe } from './driver.ts';

export const RXE: Driver<Rxe> = {
  name: 'rxe',
  udpPort: ROCE_PORT,
  jumbo: true,
  open: (options) => new Rxe(options),
};
