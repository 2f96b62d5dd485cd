import type { FaultOptions } from '../../api/index.ts';
import type { DriverName } from '../../drivers/index.ts';
import { defaultLink, type LinkKind } from '../../link/kind.ts';

/** What client and server choose for their own device. */
export interface DeviceOptions {
  /** Own address; default: see addresses.ts. */
  readonly ip?: string;
  readonly driver?: DriverName;
  readonly link?: LinkKind;
  readonly faults?: FaultOptions;
  readonly capture?: string;
}

export const DEFAULT_PORT = 18515;

/** Whether a link's packets come in only when the event loop has its turn: node:dgram's, which openDevice takes where it must. */
export const receivesInEventLoop = (link: LinkKind | undefined): boolean => (link ?? defaultLink()) === 'dgram';
