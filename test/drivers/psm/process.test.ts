// Two processes, over UDP sockets of this host.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { allocPd, closeContext, openContext } from '../../../src/core/verbs.ts';
import { HFI1_UDP_PORT, Hfi1 } from '../../../src/drivers/hfi1/driver.ts';
import { PsmEndpoint } from '../../../src/drivers/psm/endpoint.ts';
import { monotonic } from '../../../src/link/clock.ts';
import { UdpLink } from '../../../src/link/udp.ts';
import { bytesOf, JOB, room, span } from './world.ts';

test('messages of all lengths there and back between two processes', { timeout: 30_000 }, async (t) => {
  const child = fork(new URL('./child.ts', import.meta.url), ['127.26.0.2']);
  t.after(() => child.kill());
  const [epid] = (await once(child, 'message')) as [number];
  const hfi = new Hfi1({ link: new UdpLink({ addresses: ['127.26.0.1'], port: HFI1_UDP_PORT }), clock: monotonic });
  const context = openContext(hfi.device, { owner: 'parent' });
  const pd = allocPd(context);
  const ep = new PsmEndpoint(pd, { uuid: JOB, clock: monotonic });
  const until = async (done: () => boolean): Promise<void> => {
    while (!done()) {
      hfi.engine.progress();
      ep.progress();
      await new Promise(setImmediate);
    }
  };
  const connection = ep.connect(epid);
  await until(() => connection.state !== 'connecting');
  assert.equal(connection.state, 'connected', connection.reason ?? '');
  for (const length of [1, 1000, 8192, 8193, 1 << 20, 0]) {
    const [sent, back] = [bytesOf(length, length), room(length)];
    const host = { hfi, context, pd, ep };
    const answer = ep.irecv(epid, [0, 0, 2], [0, 0, 0xffffffff], span(host, back));
    const send = ep.isend(connection, [0, 0, 1], span(host, sent));
    await until(() => answer.done && send.done);
    assert.deepEqual([answer.status, answer.length], ['ok', length]);
    assert.ok(back.reverse().equals(sent), `${length} bytes`);
  }
  const [code] = await once(child, 'exit');
  assert.equal(code, 0);
  ep.close();
  closeContext(context);
  hfi.close();
});
