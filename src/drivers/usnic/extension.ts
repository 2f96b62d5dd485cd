// The extension of usnic: its queues are objects of its own type in the driver's namespace, on the same context, handles and
// rights as every other object. No queue pair is made to mean something that a queue pair is not.
import { fail } from '../../core/check.ts';
import type { Context } from '../../core/context.ts';
import { defineExtension, method } from '../../core/extension.ts';
import { bytes, made, object, objectType, own, u16, u32 } from '../../core/extension-attrs.ts';
import { standOn } from '../../core/extension-call.ts';
import type { ExtensionObject } from '../../core/extension-object.ts';
import type { Link } from '../../link/link.ts';
import { Vnic } from './vnic.ts';

/** What makes vNICs: the device they are on. */
export interface VnicHost {
  readonly vnics: Set<Vnic>;
  /** A link on a UDP port of the device's address; 0: any. EADDRINUSE when another has it. */
  openLink(port: number): { readonly link: Link; readonly port: number };
}

const hosts = new WeakMap<object, VnicHost>();

/** The device of a context is this host. */
export function hostOf(device: object, host: VnicHost): void {
  hosts.set(device, host);
}

const MAX_ENTRIES = 4096;
/** Ports below need CAP_NET_BIND_SERVICE of a socket program; here, CAP_NET_RAW, which is the right that contexts know. */
const FIRST_FREE_PORT = 1024;

export type VnicObject = ExtensionObject<{ readonly vnic: Vnic; readonly host: VnicHost }>;

export const vnicType = objectType<{ readonly vnic: Vnic; readonly host: VnicHost }>('vnic', 0, ({ state }) => {
  if (state === null) return;
  state.host.vnics.delete(state.vnic);
  state.vnic.link.close();
});

function checkPort(context: Context, port: number): void {
  if (port === 0 || port >= FIRST_FREE_PORT || context.rights.netRaw) return;
  fail('usnic.create', 'EACCES', `UDP port ${port} is privileged, and ${context.owner} lacks CAP_NET_RAW`);
}

function checkEntries(name: string, value: number): void {
  if (value < 1 || value > MAX_ENTRIES)
    fail('usnic.create', 'EINVAL', `${name} is ${value}; 1 to ${MAX_ENTRIES} are allowed`);
}

/** Little-endian: port, longest payload, entries of the send, receive and completion rings; and 16 bytes of the address. */
function describe(vnic: Vnic): Uint8Array {
  const out = Buffer.alloc(INFO_BYTES);
  const numbers = [vnic.port, vnic.mtu, vnic.send.mask + 1, vnic.recv.mask + 1, vnic.comp.mask + 1];
  for (const [i, n] of numbers.entries()) out.writeUInt32LE(n, 4 * i);
  const own = vnic.link.addresses[0].bytes;
  out.set(own, INFO_BYTES - own.length);
  if (own.length === 4) out.writeUInt16BE(0xffff, INFO_BYTES - 6);
  return out;
}

export const INFO_BYTES = 36;

export const usnic = defineExtension('usnic', {
  create: method(
    vnicType,
    0,
    {
      pd: object(0, 'pd'),
      port: u16(1, 'in'),
      sendEntries: u32(2, 'in'),
      recvEntries: u32(3, 'in'),
      vnic: made(4, vnicType),
      info: bytes(5, 'out', INFO_BYTES),
    },
    ({ context, args }) => {
      const host = hosts.get(context.device);
      if (host === undefined) fail('usnic.create', 'ENODEV', `device ${context.device.name} makes no vNICs`);
      checkPort(context, args.port);
      checkEntries('sendEntries', args.sendEntries);
      checkEntries('recvEntries', args.recvEntries);
      const { link, port } = host.openLink(args.port);
      const { pd, sendEntries, recvEntries } = args;
      const { keys } = context.device;
      const vnic = new Vnic({ pd, keys, link, port, sendEntries, recvEntries, memory: context.queueMemory });
      host.vnics.add(vnic);
      args.vnic.state = { vnic, host };
      standOn(args.vnic, pd);
      return { info: describe(vnic) };
    },
  ),
  query: method(
    vnicType,
    1,
    {
      vnic: own(0, vnicType),
      info: bytes(1, 'out', INFO_BYTES),
      sent: u32(2, 'out'),
      received: u32(3, 'out'),
      /** Datagrams dropped because no buffer was posted. */
      noBuffer: u32(4, 'out'),
    },
    ({ args }) => {
      const { vnic } = args.vnic.state!;
      const { sent, received, noBuffer } = vnic.counters;
      return { info: describe(vnic), sent, received, noBuffer };
    },
  ),
  doorbell: method(vnicType, 2, { vnic: own(0, vnicType) }, ({ args }) => {
    args.vnic.state!.vnic.progress(0);
    return {};
  }),
  destroy: method(vnicType, 3, { vnic: own(0, vnicType, 'destroy') }, () => ({})),
});
