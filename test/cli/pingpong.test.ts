// infinitive pingpong, as processes on the loopback interface.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { uniqueAddresses } from '../helpers/address.ts';
import { cli, Server } from './cli.ts';

const [SERVER, CLIENT] = uniqueAddresses(2);

async function pingpong(args: string): Promise<[client: string, server: string]> {
  const options = args.split(' ');
  const [serverIp, clientIp] = uniqueAddresses(2);
  await using server = await Server.start('pingpong', ['--ip', serverIp, ...options]);
  const client = await cli(['pingpong', '127.0.0.1', '-p', String(server.port), '--ip', clientIp, ...options]);
  const ended = await server.ended;
  assert.equal(client.status, 0, client.stderr);
  assert.equal(ended.status, 0, ended.stderr);
  return [client.stdout, ended.stdout];
}

describe('types', { concurrency: 3 }, () => {
  for (const type of ['rc', 'uc', 'ud', 'srq']) {
    for (const how of ['-c', '-e -c']) {
      test(`${type} ${how}`, async () => {
        for (const output of await pingpong(`-t ${type} -n 40 ${how}`)) {
          const size = type === 'ud' ? 1024 : 4096;
          assert.match(output, new RegExp(`^${2 * 40 * size} bytes in [\\d.]+ seconds = [\\d.]+ Mbit/sec$`, 'm'));
          assert.match(output, /^40 iters in [\d.]+ seconds = [\d.]+ usec\/iter$/m);
          assert.match(output, /^data is as it was sent$/m);
        }
      });
    }
  }
});

test('one side’s local address is the other’s remote address', async () => {
  const [client, server] = await pingpong('-n 10 -t srq -q 3');
  const lines = (output: string, which: string): string[] =>
    [...output.matchAll(new RegExp(`^ {2}${which} address: +(LID.*)$`, 'gm'))].map((match) => match[1]);
  assert.equal(lines(client, 'local').length, 3);
  assert.deepEqual(lines(client, 'local'), lines(server, 'remote'));
  assert.deepEqual(lines(server, 'local'), lines(client, 'remote'));
  for (const line of lines(client, 'local')) {
    assert.match(line, /^LID 0x0000, QPN 0x[0-9a-f]{6}, PSN 0x[0-9a-f]{6}, GID ::ffff:127\.[\d.]+$/);
  }
});

test('size, MTU and depth', async () => {
  const [client] = await pingpong('-s 100k -m 256 -r 3 -n 20 -c');
  assert.match(client, /^4096000 bytes in /m);
});

describe('what goes wrong', () => {
  test('data that is not what was sent: the client did not mark it', async () => {
    await using server = await Server.start('pingpong', ['--ip', SERVER, '-n', '5', '-c']);
    await cli(['pingpong', '127.0.0.1', '-p', String(server.port), '--ip', CLIENT, '-n', '5']);
    const { status, stderr } = await server.ended;
    assert.equal(status, 1);
    assert.match(stderr, /^infinitive: invalid data at byte 0 \(did the client have --chk, too\?\)$/m);
  });

  test('a peer without GID', async () => {
    await using server = await Server.start('pingpong', ['--ip', SERVER]);
    connect(server.port, '127.0.0.1').write(`0000:000047:47ee0b:${'0'.repeat(32)}\0`);
    const { status, stderr } = await server.ended;
    assert.equal(status, 1);
    assert.match(stderr, /^infinitive: the other side sent no GID, which RoCE needs: give it a GID index \(-g/);
  });

  test('a stranger', async () => {
    await using server = await Server.start('pingpong', ['--ip', SERVER]);
    connect(server.port, '127.0.0.1').write(`GET / HTTP/1.1\r\n${'x: y\r\n'.repeat(20)}`);
    const { status, stderr } = await server.ended;
    assert.equal(status, 1);
    assert.match(stderr, /is not one of the ibv_\*_pingpong family/);
  });

  test('UD messages longer than the MTU, and a GID index there is not', async () => {
    const cases: [args: string[], complaint: RegExp][] = [
      [['-t', 'ud', '-s', '5000'], /^infinitive: UD takes messages up to the MTU, 4096 bytes here/],
      [['-g', '7'], /^infinitive: endpoint: EINVAL: there is no GID at index 7/],
    ];
    for (const [args, complaint] of cases) {
      await using server = await Server.start('pingpong', ['--ip', SERVER, ...args]);
      const socket = connect(server.port, '127.0.0.1');
      const { status, stderr } = await server.ended;
      socket.destroy();
      assert.equal(status, 1);
      assert.match(stderr, complaint);
    }
  });

  test('fewer receive requests than queue pairs', async () => {
    const { status, stderr } = await cli(['pingpong', '-t', 'srq', '-q', '9', '-r', '8']);
    assert.equal(status, 2);
    assert.match(stderr, /^infinitive: --rx-depth 8 is too few for 9 queue pairs/);
  });
});
