// usnic devices on sockets of this host, and on simulated nodes.
import type { TestContext } from 'node:test';
import type { Context } from '../../src/core/context.ts';
import { closeContext, openContext } from '../../src/core/verbs.ts';
import { Usnic } from '../../src/drivers/usnic/driver.ts';
import type { Tap } from '../../src/link/capture.ts';
import { withCapture } from '../../src/link/capture.ts';
import { LoopbackLink } from '../../src/link/loopback.ts';
import type { Simulation } from '../../src/link/sim.ts';
import { UdpLink } from '../../src/link/udp.ts';

export interface Opened {
  readonly usnic: Usnic;
  readonly context: Context;
}

export function onSockets(t: TestContext, address: string, tap: Tap | null = null): Opened {
  const usnic = new Usnic({
    link: new LoopbackLink({ addresses: [address], mtu: 1500 }),
    openLink(port) {
      const link = new UdpLink({ addresses: [address], port });
      return { link: withCapture(link, tap), port: link.port };
    },
  });
  return opened(t, usnic);
}

/** A simulated node has one port: one vNIC. */
export function simulated(t: TestContext, sim: Simulation, address: string, port: number): Opened {
  const link = sim.node(address, { port });
  const usnic = new Usnic({
    link: new LoopbackLink({ addresses: [address], mtu: 1500 }),
    openLink: () => ({ link, port }),
  });
  return opened(t, usnic);
}

function opened(t: TestContext, usnic: Usnic): Opened {
  const context = openContext(usnic.device, { owner: 'test', contextClass: 'user' });
  t.after(() => {
    if (!context.closed) closeContext(context);
    usnic.close();
  });
  return { usnic, context };
}
