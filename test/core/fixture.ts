// A registered fake device with a context open, for one test.
import type { TestContext } from 'node:test';
import type { Context } from '../../src/core/context.ts';
import type { CompletionQueue } from '../../src/core/cq.ts';
import type { Device, DeviceOptions } from '../../src/core/device.ts';
import type { DeviceAttributes } from '../../src/core/driver.ts';
import type { ProtectionDomain } from '../../src/core/pd.ts';
import type { QueuePair } from '../../src/core/qp.ts';
import { registerDevice, unregisterDevice } from '../../src/core/registry.ts';
import { allocPd, closeContext, createCq, createQp, type OpenOptions, openContext } from '../../src/core/verbs.ts';
import { address, CAP, FakeDriver } from './fake-driver.ts';

export class Fixture {
  readonly driver: FakeDriver;
  readonly device: Device;
  readonly context: Context;
  readonly pd: ProtectionDomain;
  readonly cq: CompletionQueue;

  constructor(t: TestContext, options: FixtureOptions = {}) {
    this.driver = new FakeDriver(options.attributes);
    this.device = registerDevice({ name: 'fake%d', driver: 'fake', ops: this.driver, ...options.device });
    this.device.gids.add(address('127.0.0.1'), 'lo');
    t.after(() => {
      for (const context of this.device.contexts) closeContext(context);
      unregisterDevice(this.device);
    });
    this.context = this.open(options.open);
    this.pd = allocPd(this.context);
    this.cq = createCq(this.context, 16);
    this.driver.calls.length = 0;
  }

  open(options: Partial<OpenOptions> = {}): Context {
    return openContext(this.device, { owner: 'test', ...options });
  }

  qp(type: number, pd = this.pd): QueuePair {
    return createQp(pd, { type, sendCq: this.cq, recvCq: this.cq, cap: CAP });
  }
}

export interface FixtureOptions {
  readonly attributes?: Partial<DeviceAttributes>;
  readonly device?: DeviceOptions;
  readonly open?: Partial<OpenOptions>;
}
