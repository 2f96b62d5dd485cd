import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DgramLink } from '../../src/link/dgram.ts';
import { flowTo, linkConformance, pattern, put, receiveFrom } from './conformance.ts';

const open = (...addresses: string[]) => DgramLink.open({ addresses, port: 0 });
const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some((a) => a.address === '::1'));

linkConformance('node:dgram, IPv4', async () => {
  const a = await open('127.0.0.1');
  // The group's socket is bound to the port of the link that joins: senders must use the same.
  const b = await DgramLink.open({ addresses: ['127.0.0.2'], port: a.port });
  return { a, b, group: Uint8Array.of(239, 255, 47, 91) };
});
if (hasIPv6) {
  linkConformance('node:dgram, IPv6', async () => ({ a: await open('::1'), b: await open('::1') }));
}

describe('DgramLink', () => {
  it('says in a sentence that address and port are taken, and what else to use', async () => {
    const first = await open('127.0.0.3');
    try {
      await assert.rejects(DgramLink.open({ addresses: ['127.0.0.3'], port: first.port }), (error) => {
        const { message, code } = error as NodeJS.ErrnoException;
        assert.equal(code, 'EADDRINUSE');
        assert.match(
          message,
          new RegExp(`UDP port ${first.port} on 127\\.0\\.0\\.3 is already in use.*such as 127.0.0.2`),
        );
        return true;
      });
    } finally {
      first.close();
    }
    const again = await DgramLink.open({ addresses: ['127.0.0.3'], port: first.port });
    again.close();
  });

  it('closes what it opened when a later address cannot be had', async () => {
    const first = await open('127.0.0.4');
    await assert.rejects(DgramLink.open({ addresses: ['127.0.0.5', '127.0.0.4'], port: first.port }));
    const second = await DgramLink.open({ addresses: ['127.0.0.5'], port: first.port });
    first.close();
    second.close();
  });

  it('drops and counts what it has no room for', async () => {
    const a = await open('127.0.0.1');
    const b = await DgramLink.open({ addresses: ['127.0.0.1'], port: 0, capacity: 1000 });
    try {
      for (let i = 0; i < 20; i++) put(flowTo(a, b), pattern(100, i));
      a.flush();
      for (let i = 0; i < 100 && b.stats.rxPackets < 20; i++) await sleep(1);
      assert.equal(b.dropped, 10);
      assert.equal(
        b.poll(() => {}, 100),
        10,
      );
    } finally {
      a.close();
      b.close();
    }
  });

  it('exchanges datagrams with any UDP socket, and tells its port', async () => {
    const link = await open('127.0.0.1');
    const socket = createSocket('udp4');
    try {
      await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
      const received = new Promise<[Buffer, number]>((resolve) =>
        socket.once('message', (bytes, from) => resolve([bytes, from.port])),
      );
      put(link.flow({ local: 0, dst: Uint8Array.of(127, 0, 0, 1), dport: socket.address().port }), pattern(77, 1));
      link.flush();
      assert.deepEqual(await received, [pattern(77, 1), link.port]);
      socket.send(pattern(88, 2), link.port, '127.0.0.1');
      const [got] = await receiveFrom({ a: link, b: link }, link, 1);
      assert.deepEqual(got.data, pattern(88, 2));
      assert.equal(got.sport, socket.address().port);
    } finally {
      link.close();
      socket.close();
    }
  });

  it('does not keep the process alive unless asked to', () => {
    const source = new URL('../../src/link/dgram.ts', import.meta.url).href;
    const run = (after: string): ReturnType<typeof spawnSync> => {
      const code = `const { DgramLink } = await import('${source}');
        const link = await DgramLink.open({ addresses: ['127.0.0.1'], port: 0 });
        link.join(0, Uint8Array.of(239, 1, 1, 1));
        ${after}`;
      return spawnSync(process.execPath, ['--input-type=module', '-e', code], { timeout: 5000, encoding: 'utf8' });
    };
    assert.equal(run('').status, 0);
    const start = performance.now();
    const wrap = `const { withLoopback } = await import('${new URL('../../src/link/host.ts', import.meta.url).href}');
      const { withFaults } = await import('${new URL('../../src/link/faults.ts', import.meta.url).href}');
      const outer = withFaults(withLoopback(link), {});`;
    const held = run(`${wrap} outer.ref(); setTimeout(() => { outer.unref(); process.exitCode = 7; }, 300).unref();`);
    assert.equal(held.status, 7);
    assert.ok(performance.now() - start >= 300);
  });
});
