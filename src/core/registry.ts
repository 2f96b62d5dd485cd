// The devices there are: drivers register them here, and what a driver owes is checked here.
import { Device, type DeviceOptions, type DriverSource } from './device.ts';
import { VerbsError } from './errors.ts';
import { impliedCapabilities, missingOwed } from './mandatory.ts';

export interface DeviceRegistration extends DeviceOptions {
  /** A name, or a pattern such as `rxe%d` that takes the lowest number free. */
  readonly name: string;
  readonly driver: string;
  readonly ops: DriverSource;
}

const devices = new Map<string, Device>();

/**
 * Registers a device. With the whole mandatory set of verbs it is of kernel-verbs class; lacking some it is for user
 * contexts only, and `missingVerbs` says which. A capability claimed without its verbs is an error (EINVAL).
 */
export function registerDevice(registration: DeviceRegistration): Device {
  const name = allocateName(registration.name);
  const device = new Device(name, registration.ops, registration);
  // Linux reads both for every device that registers, whatever its class (setup_device, setup_port_data).
  const undescribed = (['queryDevice', 'queryPort'] as const).filter((op) => !device.has(op));
  if (undescribed.length > 0) {
    throw refused(
      'EINVAL',
      `${registration.driver}: without ${undescribed.join(' and ')} a device cannot be described`,
    );
  }
  const attr = device.attributes;
  if (attr.physPortCnt !== 1) {
    throw refused('EINVAL', `${registration.driver}: physPortCnt is ${attr.physPortCnt}; a device here has one port`);
  }
  for (const capability of impliedCapabilities(attr, device.qpTypes)) device.capabilities.add(capability);
  const unpaid = missingOwed(device.capabilities, (op) => device.has(op));
  if (unpaid.length > 0)
    throw refused('EINVAL', `${registration.driver} claims what it lacks the verbs for: ${unpaid.join(', ')}`);
  device.registered = true;
  devices.set(name, device);
  return device;
}

/** Takes a device away; EBUSY while contexts are open. */
export function unregisterDevice(device: Device): void {
  if (devices.get(device.name) !== device) {
    throw new VerbsError('unregisterDevice', 'ENODEV', `device ${device.name} is not registered`);
  }
  if (device.contexts.size > 0) {
    const owners = [...device.contexts].map((context) => context.owner).join(', ');
    throw new VerbsError('unregisterDevice', 'EBUSY', `device ${device.name} is open: ${owners}`);
  }
  device.registered = false;
  devices.delete(device.name);
}

/** The registered devices, in the order they were registered. */
export function listDevices(): Device[] {
  return [...devices.values()];
}

export function findDevice(name: string): Device | undefined {
  return devices.get(name);
}

// IB_DEVICE_NAME_MAX is 64 with its NUL; the name is a directory's in sysfs.
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

function allocateName(pattern: string): string {
  let name = pattern;
  if (pattern.includes('%d')) {
    let n = 0;
    while (devices.has(pattern.replace('%d', String(n)))) n++;
    name = pattern.replace('%d', String(n));
  }
  if (!NAME.test(name)) {
    throw refused('EINVAL', `name ${JSON.stringify(pattern)}: 1 to 63 letters, digits and _.- are allowed, and one %d`);
  }
  if (devices.has(name)) throw refused('EEXIST', `there is a device ${name} already`);
  return name;
}

function refused(code: 'EINVAL' | 'EEXIST', message: string): VerbsError {
  return new VerbsError('registerDevice', code, message);
}
