// Endpoints on hfi1 devices of a simulated fabric.
import { Access } from '../../../src/core/constants.ts';
import type { Context } from '../../../src/core/context.ts';
import { LocalMemory } from '../../../src/core/memory.ts';
import type { ProtectionDomain } from '../../../src/core/pd.ts';
import { allocPd, closeContext, openContext, regMr } from '../../../src/core/verbs.ts';
import { HFI1_UDP_PORT, Hfi1 } from '../../../src/drivers/hfi1/driver.ts';
import type { Connection } from '../../../src/drivers/psm/connection.ts';
import { type EndpointOptions, PsmEndpoint } from '../../../src/drivers/psm/endpoint.ts';
import type { Span } from '../../../src/drivers/psm/request.ts';
import type { Fifo } from '../../../src/link/fifo.ts';
import { Simulation, type SimulationOptions } from '../../../src/link/sim.ts';

export const JOB = new Uint8Array(16).fill(0x4a);
const STEP_US = 2;

export interface Host {
  readonly hfi: Hfi1;
  readonly context: Context;
  readonly pd: ProtectionDomain;
  readonly ep: PsmEndpoint;
}

export class World {
  readonly sim: Simulation;
  readonly hosts: Host[] = [];

  constructor(options: SimulationOptions = {}) {
    this.sim = new Simulation({ latencyUs: 2, ...options });
  }

  host(options: Partial<EndpointOptions> = {}): Host {
    const { sim } = this;
    const n = this.hosts.length + 1;
    const link = sim.node(`fd00::${(n >> 16).toString(16)}:${(n & 0xffff).toString(16)}`, {
      window: 256 * 1024,
      port: HFI1_UDP_PORT,
    });
    const hfi = new Hfi1({ link, clock: sim.clock, random: (below) => Math.floor(sim.random() * below) });
    const context = openContext(hfi.device, { owner: `rank ${n - 1}` });
    const pd = allocPd(context);
    const host = { hfi, context, pd, ep: new PsmEndpoint(pd, { uuid: JOB, clock: sim.clock, ...options }) };
    this.hosts.push(host);
    return host;
  }

  /** Lets all hosts work until `done`; throws when it takes longer than so many microseconds. */
  until(done: () => boolean, us = 3_000_000): void {
    const end = this.sim.now + us;
    while (!done()) {
      if (this.sim.now > end) throw new Error(`not done after ${us} µs`);
      for (const { hfi, ep } of this.hosts) {
        hfi.engine.progress();
        ep.progress();
      }
      this.sim.run(this.sim.now + STEP_US);
    }
  }

  /** Until nothing has been left to do for a while. */
  settle(us = 2000): void {
    const end = this.sim.now + us;
    this.until(() => this.sim.now >= end);
  }

  connect(from: Host, to: Host): Connection {
    const connection = from.ep.connect(to.ep.epid);
    this.until(() => connection.state !== 'connecting');
    return connection;
  }

  close(): void {
    for (const { ep, context, hfi } of this.hosts) {
      ep.close();
      closeContext(context);
      hfi.close();
    }
  }
}

/** A region of bytes, and a part of it. */
export function span(host: Host, bytes: Buffer): Span {
  const whole = bytes.length > 0 ? bytes : room(1);
  const mr = regMr(host.pd, new LocalMemory(whole), { access: Access.LOCAL_WRITE, iova: 0x10000 });
  return { mr, offset: 0, length: bytes.length };
}

export const itemsOf = <T>(fifo: Fifo<T>): T[] => Array.from({ length: fifo.length }, (_, i) => fifo.at(i));

export const room = (length: number): Buffer => Buffer.from(new ArrayBuffer(length));

/** Bytes that tell which message they are of. */
export function bytesOf(n: number, length: number): Buffer {
  const out = room(length);
  for (let i = 0; i < length; i++) out[i] = (n * 31 + i * 7) & 0xff;
  return out;
}
