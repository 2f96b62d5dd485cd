// Two ends that talk: over each kind of link, and two queue pairs of one device.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import {
  type AccessName,
  type Completion,
  type CompletionQueue,
  type ConnectOptions,
  type CreateQpOptions,
  type Device,
  type MemoryRegion,
  type OpenOptions,
  openDevice,
  type ProtectionDomain,
  type QueuePair,
} from '../../src/api/index.ts';
import { uniqueAddresses } from '../helpers/address.ts';

/** `auto`: memory between the two devices. */
export const WIRINGS = ['auto', 'udp', 'dgram', 'one device'] as const;
export type Wiring = (typeof WIRINGS)[number];

export const ALL_ACCESS: readonly AccessName[] = [
  'LOCAL_WRITE',
  'REMOTE_WRITE',
  'REMOTE_READ',
  'REMOTE_ATOMIC',
  'MW_BIND',
];

/** Devices of the ends: one or two; closed when the test ends. */
export async function openEnds(t: TestContext, wiring: Wiring, options: OpenOptions = {}): Promise<[Device, Device]> {
  const link = wiring === 'one device' ? 'auto' : wiring;
  const open = async (address: string): Promise<Device> => {
    const device = await openDevice({ address, link, ...options });
    t.after(() => device.close());
    return device;
  };
  if (wiring === 'one device') {
    const device = await open(uniqueAddresses(1)[0]);
    return [device, device];
  }
  const [a, b] = uniqueAddresses(2);
  return [await open(a), await open(b)];
}

/** What a program has on its side of a connection. */
export interface End {
  readonly device: Device;
  readonly pd: ProtectionDomain;
  readonly sendCq: CompletionQueue;
  readonly recvCq: CompletionQueue;
  readonly mr: MemoryRegion;
  readonly qp: QueuePair;
}

export interface EndOptions extends Partial<Omit<CreateQpOptions, 'sendCq' | 'recvCq'>> {
  readonly bytes?: number;
  readonly cqe?: number;
}

export function makeEnd(device: Device, { bytes = 65536, cqe = 256, ...qp }: EndOptions = {}): End {
  const pd = device.allocPd();
  const sendCq = device.createCq({ cqe });
  const recvCq = device.createCq({ cqe });
  const mr = pd.regMr(Buffer.alloc(bytes), { access: ALL_ACCESS });
  return { device, pd, sendCq, recvCq, mr, qp: pd.createQp({ type: 'RC', sendCq, recvCq, ...qp }) };
}

export function connect(x: End, y: End, options: ConnectOptions = {}, other: ConnectOptions = options): void {
  x.qp.connect(y.qp.endpoint(), options);
  y.qp.connect(x.qp.endpoint(), other);
}

export async function connectedEnds(
  t: TestContext,
  wiring: Wiring,
  end: EndOptions = {},
  options: ConnectOptions = {},
): Promise<[End, End]> {
  const [a, b] = await openEnds(t, wiring);
  const ends: [End, End] = [makeEnd(a, end), makeEnd(b, end)];
  connect(...ends, options);
  return ends;
}

/** The next completion; fails the test instead of waiting for ever. */
export const next = (cq: CompletionQueue, ms = 10_000): Promise<Completion> =>
  cq.next({ signal: AbortSignal.timeout(ms) });

export const nextOk = async (cq: CompletionQueue): Promise<Completion> => (await next(cq)).orThrow();

export async function nextStatus(cq: CompletionQueue): Promise<string> {
  return (await next(cq)).status;
}

/** Statuses of the next `n` completions. */
export async function statuses(cq: CompletionQueue, n: number): Promise<string[]> {
  const found: string[] = [];
  while (found.length < n) found.push(await nextStatus(cq));
  return found;
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Nothing comes within `ms`. */
export async function assertQuiet(cq: CompletionQueue, ms = 30): Promise<void> {
  await assert.rejects(cq.next({ signal: AbortSignal.timeout(ms) }), { name: 'TimeoutError' });
}

/** Resolves with the next asynchronous event of the type. */
export function eventOf(device: Device, type: string, ms = 5_000): Promise<{ type: string; qpn?: number }> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      device.off('async', seen);
      reject(new Error(`no ${type} event in ${ms} ms`));
    }, ms);
    const seen = (event: { type: string; qpn?: number }): void => {
      if (event.type !== type) return;
      clearTimeout(timer);
      device.off('async', seen);
      resolve(event);
    };
    device.on('async', seen);
  });
}

/** Bytes that tell where they belong. */
export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let x = (seed * 2654435761) >>> 0;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    bytes[i] = x >>> 24;
  }
  return bytes;
}
