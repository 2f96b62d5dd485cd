// What a driver outside of this project is made of: `import { … } from 'infinitive/driver'`. examples/driver-package shows one.
export type { AddressVector } from '../core/ah.ts';
export { fail } from '../core/check.ts';
export { Access, DeviceCap, LinkLayer, Mtu, mtuBytes, PortState, QpType } from '../core/constants.ts';
export type { Context } from '../core/context.ts';
export type { Device, DeviceOptions, DriverSource } from '../core/device.ts';
export type { DeviceAttributes, DriverOps, PortAttributes } from '../core/driver.ts';
export { VerbsError } from '../core/errors.ts';
export { defineExtension, type Extension, method } from '../core/extension.ts';
export {
  big64,
  bytes,
  type ExtensionObjectType,
  fd,
  made,
  object,
  objectType,
  optional,
  own,
  u8,
  u16,
  u32,
  u64,
} from '../core/extension-attrs.ts';
export { standOn } from '../core/extension-call.ts';
export type { ExtensionObject } from '../core/extension-object.ts';
export { addressOfGid, gidFromAddress, gidFromText, gidsEqual, gidToText } from '../core/gid-text.ts';
export type { Injector } from '../core/injector.ts';
export { type Capability, VERBS } from '../core/mandatory.ts';
export { pkeysMatch } from '../core/pkey.ts';
export { listDevices, registerDevice, unregisterDevice } from '../core/registry.ts';
export { allocPd, closeContext, openContext } from '../core/verbs.ts';
export { sameAddress } from '../link/address.ts';
export type { Arrival, Flow, Link } from '../link/link.ts';
export { UdpLink } from '../link/udp.ts';
export { Engine, type EngineHost } from '../transport/engine.ts';
export type { Inbound, Path, Port } from '../transport/port.ts';
export type { SoftQp } from '../transport/qp.ts';
export { MAX_MESSAGE } from '../transport/send-slot.ts';
export { type SoftOps, type SoftVerbsOptions, softVerbs } from '../transport/verbs.ts';
export { PeerWindow } from '../transport/window.ts';
export { writeIpv6 } from '../wire/ip.ts';
export type { Drive, Driver, DriverOptions, Machine, UserMachine } from './machine.ts';
