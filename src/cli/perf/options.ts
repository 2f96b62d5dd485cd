import type { FaultOptions } from '../../api/index.ts';

/** What client and server choose for their own device. */
export interface DeviceOptions {
  /** Own address; default: see addresses.ts. */
  readonly ip?: string;
  readonly link?: 'udp' | 'dgram';
  readonly faults?: FaultOptions;
  readonly capture?: string;
}

export const DEFAULT_PORT = 18515;
