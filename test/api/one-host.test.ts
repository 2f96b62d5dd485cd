// Devices of one host: what goes through memory, what does not, and what becomes of a connection when its peer is killed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Device, connect as dial, type OpenOptions, openDevice } from '../../src/api/index.ts';
import { uniqueAddresses } from '../helpers/address.ts';
import { repoUrl } from '../helpers/run.ts';
import { framesWithIcrc } from './capture-check.ts';
import { connect, type End, makeEnd, nextOk, pattern, sleep } from './fixture.ts';

const SIZE = 1 << 20;
const dir = mkdtempSync(join(tmpdir(), 'infinitive-one-host-'));
after(() => rmSync(dir, { recursive: true, force: true }));

async function twoEnds(x: OpenOptions, y: OpenOptions): Promise<[End, End]> {
  const [a, b] = uniqueAddresses(2);
  const devices = [await openDevice({ address: a, ...x }), await openDevice({ address: b, ...y })];
  const ends = devices.map((device) => makeEnd(device, { bytes: SIZE })) as [End, End];
  connect(...ends);
  return ends;
}

async function write(x: End, y: End): Promise<void> {
  pattern(SIZE, 3).copy(x.mr.buffer);
  x.qp.postSend({ opcode: 'RDMA_WRITE', sge: x.mr.sge(), remoteAddr: y.mr.addr, rkey: y.mr.rkey });
  await nextOk(x.sendCq);
  assert.ok(y.mr.buffer.equals(pattern(SIZE, 3)));
  y.mr.buffer.fill(0);
}

async function read(x: End, y: End): Promise<void> {
  pattern(SIZE, 5).copy(y.mr.buffer);
  x.qp.postSend({ opcode: 'RDMA_READ', sge: x.mr.sge(), remoteAddr: y.mr.addr, rkey: y.mr.rkey });
  await nextOk(x.sendCq);
  assert.ok(x.mr.buffer.equals(pattern(SIZE, 5)));
}

/** What a WRITE and a READ of 1 MiB take, once the two have found each other. */
async function cost(x: End, y: End): Promise<{ packets: number; datagrams: number; calls: number }> {
  for (let i = 0; i < 3; i++) {
    await write(x, y);
    await sleep(5);
  }
  const total = (): number[] =>
    [x, y]
      .map(({ device: { counters } }) => [counters.sent_pkts, counters.link.txPackets, counters.link.txSyscalls])
      .reduce((sum, one) => sum.map((n, i) => n + one[i]));
  const before = total();
  await write(x, y);
  await read(x, y);
  await sleep(5);
  const [packets, datagrams, calls] = total().map((n, i) => n - before[i]);
  for (const { device } of [x, y]) await device.close();
  return { packets, datagrams, calls };
}

test('through memory: no system calls, and jumbos, which count as their MTUs', async () => {
  const { packets, datagrams, calls } = await cost(...(await twoEnds({}, {})));
  assert.ok(packets >= 512, `${packets} packets`);
  assert.ok(datagrams < 200, `${datagrams} datagrams`);
  assert.equal(calls, 0);
});

test('sockets only, when one of the two says so', async () => {
  const { datagrams, calls } = await cost(...(await twoEnds({ link: 'udp' }, {})));
  assert.ok(datagrams >= 512 && calls > 10, `${datagrams} datagrams, ${calls} calls`);
});

test('real packets, still through memory, when one of the two captures', async () => {
  const file = join(dir, 'one.pcapng');
  const { packets, datagrams, calls } = await cost(...(await twoEnds({ capture: file }, {})));
  assert.equal(calls, 0);
  assert.equal(datagrams, packets);
  const frames = framesWithIcrc(file);
  assert.ok(frames.length >= 4 * 256);
});

test('through memory with all faults at one end: everything arrives', async () => {
  const faults = { loss: 0.02, duplicate: 0.02, reorder: 0.02, corrupt: 0.02, seed: 9 };
  const [x, y] = await twoEnds({ faults }, {});
  for (let i = 0; i < 3; i++) {
    await write(x, y);
    await read(x, y);
  }
  assert.ok(x.device.counters.icrc_errors + y.device.counters.icrc_errors > 0, 'nothing was damaged');
  for (const { device } of [x, y]) await device.close();
});

const SERVER = (address: string): string => `
  import { listen, openDevice } from '${repoUrl('src/api/index.ts')}';
  const device = await openDevice({ address: '${address}' });
  const server = listen({ device, port: 7471 });
  console.log('listening');
  for await (const request of server) {
    await request.accept();
    // It polls from now on, and will not be asleep when it is killed.
    setInterval(() => { for (const end = Date.now() + 20; Date.now() < end; ) device.progress(); }, 1);
  }`;

test('a server that is killed while it polls, and one in its place: a client connects to either', async () => {
  const [own, address] = uniqueAddresses(2);
  const device: Device = await openDevice({ address: own });
  for (let life = 0; life < 3; life++) {
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', SERVER(address)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    const connection = await dial(address, { device, port: 7471, ackTimeout: 10 });
    await sleep(20);
    child.kill('SIGKILL');
    await once(child, 'exit');
    connection.close();
  }
  await device.close();
});
