// infinitive perf, as processes on the loopback interface.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import type { BandwidthRow, LatencyRow, PerfResult } from '../../src/cli/perf/result.ts';
import { lidAddresses, uniqueAddresses } from '../helpers/address.ts';
import { cli, Server, start } from './cli.ts';

const [SERVER, CLIENT, OTHER, LISTED] = uniqueAddresses(4);
let server: Server;

before(async () => {
  server = await Server.start('perf', ['--persist', '--json', '--ip', SERVER]);
});
after(() => server.stop());

const startClient = (args: readonly string[], address: string) =>
  start(['perf', '127.0.0.1', '--port', String(server.port), '--ip', address, '-w', '0', ...args]);

const client = (args: string, address = CLIENT, port = server.port) =>
  cli(['perf', '127.0.0.1', '--port', String(port), '--ip', address, '-w', '0', ...args.split(' ')]);

async function measure(args: string, address = CLIENT): Promise<PerfResult> {
  const { status, stdout, stderr } = await client(`${args} --json --verify`, address);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as PerfResult;
}

const RELIABLE = [
  '-o send',
  '-o write',
  '-o read',
  '-o atomic --atomic fetch_and_add',
  '-o atomic --atomic cmp_and_swap',
];
const UNRELIABLE = ['-c uc -o send', '-c uc -o write', '-c ud -o send'];

describe('latency', () => {
  for (const args of [...RELIABLE, ...UNRELIABLE]) {
    test(args, async () => {
      const { rows, params } = await measure(`${args} --lat -n 50`);
      const [row] = rows as LatencyRow[];
      assert.equal(rows.length, 1);
      assert.equal(row.iterations, 50);
      assert.equal(row.verified, true);
      assert.equal(row.size, params.op === 'atomic' ? 8 : 2);
      assert.ok(row.min > 0.5, 'not even light is that fast through a kernel');
      assert.ok(row.min <= row.typical && row.typical <= row.p99 && row.p99 <= row.p999 && row.p999 <= row.max);
      assert.ok(row.avg >= row.min && row.avg <= row.max);
    });
  }

  test('waiting for events', async () => {
    for (const op of ['send', 'read']) {
      const { rows } = await measure(`-o ${op} --lat -e -n 30`);
      assert.deepEqual([rows[0].iterations, rows[0].verified], [30, true]);
    }
  });
});

describe('bandwidth', () => {
  for (const args of RELIABLE) {
    test(args, async () => {
      const { rows } = await measure(`${args} -n 100`);
      const [row] = rows as BandwidthRow[];
      assert.equal(row.iterations, 100);
      assert.equal(row.lost, null);
      assert.equal(row.verified, true);
      assert.ok(row.seconds > 0);
      const bytes = row.bytesPerSecond * row.seconds;
      assert.ok(Math.abs(bytes / (100 * row.size) - 1) < 0.01, `${bytes} bytes in all`);
      assert.ok(row.peakBytesPerSecond >= row.bytesPerSecond);
    });
  }

  for (const args of UNRELIABLE) {
    test(`${args}: what arrived and what was lost is what was sent`, async () => {
      const { rows } = await measure(`${args} -s 1k -n 200`);
      const [row] = rows;
      assert.equal(row.iterations + row.lost!, 200);
      assert.equal(row.verified, true);
    });
  }

  for (const link of ['auto', 'udp']) {
    test(`-c uc -o write of 1 MiB, --link ${link}: all that was sent is counted`, async () => {
      const { rows } = await measure(`-c uc -o write -s 1m -n 50 --link ${link}`);
      const [row] = rows as BandwidthRow[];
      assert.deepEqual([row.iterations, row.lost, row.verified], [50, 0, true]);
    });
  }

  test('four QPs', async () => {
    const { rows, local, remote } = await measure('-o write -q 4 -n 50');
    assert.deepEqual([rows[0].iterations, rows[0].verified], [200, true]);
    assert.equal(new Set(local.qpns).size, 4);
    assert.equal(new Set(remote.qpns).size, 4);
  });

  test('both ways', async () => {
    for (const args of ['-o send', '-o write -e', '-o read', '-o atomic']) {
      const { rows } = await measure(`${args} -b -n 60`);
      assert.deepEqual([rows[0].iterations, rows[0].verified], [120, true], args);
    }
  });

  test('waiting for events, inline, MTU and depths', async () => {
    const { rows, params } = await measure('-o send -e -I 64 -s 64 -m 512 -t 3 -r 7 -n 101');
    assert.deepEqual([rows[0].iterations, rows[0].verified], [101, true]);
    assert.deepEqual([params.mtu, params.txDepth, params.rxDepth, params.inline], [512, 3, 7, 64]);
  });

  test('all sizes: 2 bytes to 8 MiB', async () => {
    const { rows } = await measure('-a -o write -n 2');
    assert.deepEqual(
      rows.map((row) => row.size),
      Array.from({ length: 23 }, (_, i) => 2 ** (i + 1)),
    );
    assert.ok(rows.every((row) => row.iterations === 2 && row.verified));
  });

  test('--duration', async () => {
    const { rows, params } = await measure('-D 0.2 -s 4k');
    const [row] = rows as BandwidthRow[];
    assert.equal(params.iters, null);
    assert.ok(row.seconds > 0.15 && row.seconds < 1.5, `${row.seconds} s`);
  });

  test('through node:dgram', async () => {
    const { rows } = await measure('--link dgram -s 8k -n 50');
    assert.deepEqual([rows[0].iterations, rows[0].verified], [50, true]);
  });
});

describe('faults and captures', () => {
  const dir = mkdtempSync(join(tmpdir(), 'infinitive-perf-'));
  after(() => rmSync(dir, { recursive: true }));

  test('a bad network changes no data of RC, and all packets are captured', async () => {
    const file = join(dir, 'faults.pcapng');
    const faults = '--loss 1% --duplicate 0.01 --reorder 1% --corrupt 0.5% --delay 5 --seed 7';
    const { rows } = await measure(`-s 16k -n 50 ${faults} --capture ${file}`);
    assert.deepEqual([rows[0].iterations, rows[0].verified], [50, true]);
    assert.ok(existsSync(file) && statSync(file).size > 50 * 16384);
  });

  test('fetch and add is done exactly once each, whatever is lost', async () => {
    const { rows } = await measure('-o atomic -n 200 --loss 2% --duplicate 2% --seed 3');
    assert.deepEqual([rows[0].iterations, rows[0].verified], [200, true]);
  });

  test('UD latency goes on after a loss', async () => {
    const { rows } = await measure('-c ud --lat -n 50 --loss 3% --seed 11');
    assert.equal(rows[0].iterations, 50);
    assert.ok(rows[0].lost! > 0);
  });
});

describe('what it prints', () => {
  test('columns of perftest', async () => {
    const bandwidth = await client('-n 20');
    assert.match(bandwidth.stdout, /^RC SEND bandwidth, MTU 4096, TX depth 128, polling$/m);
    assert.match(
      bandwidth.stdout,
      /#bytes +#iterations +BW peak\[MiB\/s\] +BW average\[MiB\/s\] +MsgRate\[Mpps\]\n +65536 +20 +[\d.]+ +[\d.]+ +[\d.]+\n/,
    );
    const latency = await client('-n 20 --lat --report-gbits');
    assert.match(
      latency.stdout,
      /t_min\[us\] +t_max\[us\] +t_typical\[us\] +t_avg\[us\] +t_stdev\[us\] +99%\[us\] +99.9%\[us\]\n +2 +20( +[\d.]+){7}\n/,
    );
    const gbits = await client('-n 20 --report-gbits -c ud');
    assert.match(gbits.stdout, /BW average\[Gb\/s\].* lost\n/);
  });

  test('SIGINT ends a long measurement with what there is', async () => {
    const child = startClient(['-D', '60', '--json'], OTHER);
    setTimeout(() => child.kill('SIGINT'), 1200);
    const { status, stdout } = await child.ended;
    assert.equal(status, 0);
    const { rows, interrupted } = JSON.parse(stdout) as PerfResult;
    assert.equal(interrupted, true);
    assert.ok(rows[0].iterations > 0);
  });
});

describe('devices of other drivers', () => {
  const LIDS = lidAddresses(2);
  const both = async (driver: string, args: string): Promise<PerfResult> => {
    await using one = await Server.start('perf', ['--ip', LIDS[0], '-d', driver]);
    const { status, stdout, stderr } = await client(`-d ${driver} ${args} --json --verify`, LIDS[1], one.port);
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout) as PerfResult;
  };

  for (const driver of ['hfi1', 'qib']) {
    for (const args of ['-o write -s 64k -n 50', '-o read -s 64k -n 50', '-c ud -n 50', '--lat -n 50']) {
      test(`-d ${driver} ${args}`, async () => {
        const { rows } = await both(driver, args);
        assert.ok(rows[0].iterations > 0 && rows[0].verified);
      });
    }
  }

  test('other drivers at the two ends: says so', async () => {
    await using one = await Server.start('perf', ['--ip', LIDS[0], '-d', 'hfi1']);
    const { status, stderr } = await client('-n 10', LIDS[1], one.port);
    assert.equal(status, 1);
    assert.match(stderr, /the server's device is one of hfi1, this end's of rxe: -d at both ends/);
  });
});

describe('two ends that do not fit', () => {
  test('a server that was started for something else says so, and the client hears it', async () => {
    await using one = await Server.start('perf', ['--op', 'write', '--lat', '--ip', LISTED]);
    const { status, stderr } = await client('-o write', OTHER, one.port);
    const complaint = /the server was started with --lat, and the client asks for no --lat: leave it out/;
    assert.equal(status, 1);
    assert.match(stderr, /^infinitive: the other side says: /);
    assert.match(stderr, complaint);
    const ended = await one.ended;
    assert.equal(ended.status, 1);
    assert.match(ended.stderr, complaint);
  });

  test('another version of the protocol', async () => {
    await using one = await Server.start('perf', ['--ip', LISTED]);
    const socket = connect(one.port, '127.0.0.1');
    socket.write(
      `${JSON.stringify({ type: 'hello', protocol: 'infinitive-perf', version: 99, program: '9.9.9', params: {} })}\n`,
    );
    const answer = JSON.parse(await text(socket)) as { type: string; message: string };
    assert.equal(answer.type, 'error');
    assert.match(
      answer.message,
      /version 99 of the protocol \(infinitive 9\.9\.9\), the server version 2 .*use the same infinitive/,
    );
    assert.equal((await one.ended).status, 1);
  });

  test('a stranger at the server', async () => {
    await using one = await Server.start('perf', ['--ip', LISTED]);
    connect(one.port, '127.0.0.1').end('GET / HTTP/1.1\r\n\r\n');
    const { status, stderr } = await one.ended;
    assert.equal(status, 1);
    assert.match(stderr, /^infinitive: the other side does not speak the protocol of "infinitive perf"/);
  });

  test('a stranger as the server', async () => {
    const stranger = createServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n')).listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const { status, stderr } = await client('-n 5', OTHER, (stranger.address() as AddressInfo).port);
    stranger.close();
    assert.equal(status, 1);
    assert.match(stderr, /does not speak the protocol of "infinitive perf"/);
  });

  test('parameters that are no parameters', async () => {
    await using one = await Server.start('perf', ['--ip', LISTED]);
    const socket = connect(one.port, '127.0.0.1');
    const params = { op: 'send', sizes: [2 ** 40], qps: 1e9 };
    socket.write(
      `${JSON.stringify({ type: 'hello', protocol: 'infinitive-perf', version: 2, program: '', params })}\n`,
    );
    assert.match(await text(socket), /parameters that make no sense/);
  });

  test('the server dies', async () => {
    const one = await Server.start('perf', ['--ip', LISTED]);
    setTimeout(() => one.signal('SIGKILL'), 1200);
    const { status, stderr } = await client('-D 60', OTHER, one.port);
    assert.equal(status, 1);
    assert.match(stderr, /^infinitive: (the other side|the connection to the other side|work request)/);
    assert.equal(stderr.trim().split('\n').length, 1);
  });

  test('a second client is told that the server is busy', async () => {
    await using one = await Server.start('perf', ['--ip', LISTED]);
    const first = connect(one.port, '127.0.0.1');
    await once(first, 'connect');
    const { status, stderr } = await client('-n 5', OTHER, one.port);
    first.destroy();
    assert.equal(status, 1);
    assert.match(stderr, /the server is busy with another client/);
  });
});

describe('addresses and ports', () => {
  test('without --ip both ends find addresses of their own', async () => {
    await using one = await Server.start('perf', ['--json']);
    const { status, stdout, stderr } = await cli([
      'perf',
      'localhost',
      '-p',
      String(one.port),
      '-n',
      '20',
      '--json',
      '-w',
      '0',
    ]);
    assert.equal(status, 0, stderr);
    const { local, remote } = JSON.parse(stdout) as PerfResult;
    assert.match(local.gid, /^::ffff:127\.0\.0\.\d+$/);
    assert.match(remote.gid, /^::ffff:127\.0\.0\.\d+$/);
    assert.notEqual(local.gid, remote.gid);
    assert.equal((await one.ended).status, 0);
  });

  test('the address is taken', async () => {
    const { status, stderr } = await cli(['perf', '--port', '0', '--ip', SERVER]);
    assert.equal(status, 1);
    assert.match(stderr, /^infinitive: UDP port 4791 on 127\.[\d.]+ is already in use, .*Use another address/);
  });

  test('the TCP port is taken', async () => {
    const { status, stderr } = await cli(['perf', '--port', String(server.port), '--ip', OTHER]);
    assert.equal(status, 1);
    assert.match(stderr, /^infinitive: TCP port \d+ is in use.*--port/);
  });

  test('not an address of this host', async () => {
    const { status, stderr } = await cli(['perf', '--ip', '203.0.113.9']);
    assert.equal(status, 1);
    assert.match(stderr, /^infinitive: 203\.0\.113\.9 is not an address of this host, which has /);
  });

  test('nobody listens', async () => {
    const { status, stderr } = await cli(['perf', '127.0.0.1', '--port', '1']);
    assert.equal(status, 1);
    assert.match(
      stderr,
      /^infinitive: nobody listens at 127\.0\.0\.1, TCP port 1: start "infinitive perf" there first$/m,
    );
  });
});
