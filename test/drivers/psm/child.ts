// A rank in a process of its own: answers messages with tag 1 by sending them back, reversed, with tag 2; ends at an empty one.
import { allocPd, closeContext, openContext } from '../../../src/core/verbs.ts';
import { HFI1_UDP_PORT, Hfi1 } from '../../../src/drivers/hfi1/driver.ts';
import { PsmEndpoint } from '../../../src/drivers/psm/endpoint.ts';
import type { Request } from '../../../src/drivers/psm/request.ts';
import { monotonic } from '../../../src/link/clock.ts';
import { UdpLink } from '../../../src/link/udp.ts';
import { JOB, room, span } from './world.ts';

const hfi = new Hfi1({ link: new UdpLink({ addresses: [process.argv[2]], port: HFI1_UDP_PORT }), clock: monotonic });
const context = openContext(hfi.device, { owner: 'child' });
const pd = allocPd(context);
const ep = new PsmEndpoint(pd, { uuid: JOB, clock: monotonic });
const host = { hfi, context, pd, ep };
process.send!(ep.epid);

async function done(request: Request): Promise<Request> {
  while (!request.done) {
    hfi.engine.progress();
    ep.progress();
    await new Promise(setImmediate);
  }
  return request;
}

const bytes = room(1 << 20);
const whole = span(host, bytes);
for (;;) {
  const got = await done(ep.irecv(null, [0, 0, 1], [0, 0, 0xffffffff], whole));
  bytes.subarray(0, got.length).reverse();
  const connection = ep.connections.get(got.source)!;
  await done(ep.isend(connection, [0, 0, 2], { ...whole, length: got.length }));
  if (got.length === 0) break;
}
ep.close();
closeContext(context);
hfi.close();
process.disconnect();
