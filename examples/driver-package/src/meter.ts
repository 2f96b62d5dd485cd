// The extension: a meter counts what is sent to one address from when it is made.
import {
  addressOfGid,
  bytes,
  type Device,
  defineExtension,
  fail,
  made,
  method,
  objectType,
  own,
  sameAddress,
  u64,
} from 'infinitive/driver';
import type { BarePath, BarePort } from './port.ts';

interface Meter {
  readonly port: BarePort;
  readonly address: Uint8Array;
  readonly before: { readonly packets: number; readonly bytes: number };
}

const ports = new WeakMap<Device, BarePort>();
/** Its device's meters count this port's packets. */
export const meterFor = (device: Device, port: BarePort): void => void ports.set(device, port);

function total(port: BarePort, address: Uint8Array): { packets: number; bytes: number } {
  const sum = { packets: 0, bytes: 0 };
  const there = (path: BarePath): boolean => sameAddress(path.flow.dst, address);
  for (const path of [...port.paths.values()].filter(there)) {
    sum.packets += path.packets;
    sum.bytes += path.bytes;
  }
  return sum;
}

const meterType = objectType<Meter>('meter', 0, () => {});

export const meter = defineExtension('bare', {
  create: method(meterType, 0, { gid: bytes(0, 'in', 16), meter: made(1, meterType) }, ({ context, args }) => {
    const port = ports.get(context.device);
    if (port === undefined) fail('bare.create', 'ENODEV', `device ${context.device.name} has no meters`);
    const address = Uint8Array.from(addressOfGid(args.gid));
    args.meter.state = { port, address, before: total(port, address) };
    return {};
  }),
  read: method(meterType, 1, { meter: own(0, meterType), packets: u64(1, 'out'), bytes: u64(2, 'out') }, ({ args }) => {
    const { port, address, before } = args.meter.state!;
    const now = total(port, address);
    return { packets: now.packets - before.packets, bytes: now.bytes - before.bytes };
  }),
  destroy: method(meterType, 2, { meter: own(0, meterType, 'destroy') }, () => ({})),
});
