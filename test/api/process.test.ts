// How long a program lives that has a device open, and what it leaves behind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDevice } from '../../src/api/index.ts';
import { uniqueAddress, uniqueAddresses } from '../helpers/address.ts';
import { repoUrl, runModule } from '../helpers/run.ts';

const API = repoUrl('src/api/index.ts');
const program = (link: string, body: string): string => `
  import { openDevice } from '${API}';
  const device = await openDevice({ address: '${uniqueAddress()}', link: '${link}' });
  ${body}`;

for (const link of ['auto', 'udp', 'dgram']) {
  suite(link, () => {
    const ends = async (body: string): Promise<void> => {
      const ran = await runModule(program(link, body), { timeout: 10_000 });
      assert.deepEqual([ran.status, ran.stderr, ran.stdout], [0, '', 'done\n']);
    };

    test('it ends by itself once the device is closed', () => ends(`await device.close(); console.log('done');`));

    test('it ends when an open device is unrefed, whatever it did before', () =>
      ends(`
        const pd = device.allocPd(), cq = device.createCq();
        const mr = pd.regMr(Buffer.alloc(8));
        const qp = pd.createQp({ type: 'RC', sendCq: cq });
        qp.connect(qp.endpoint());
        qp.postRecv({ sge: mr.sge() });
        qp.postSend({ opcode: 'SEND', inline: Buffer.of(1) });
        await cq.next(); await cq.next();
        device.unref();
        console.log('done');`));

    test('await using closes it, also when an error is thrown', async () => {
      const text = `
        import { openDevice } from '${API}';
        try {
          await using device = await openDevice({ address: '${uniqueAddress()}', link: '${link}' });
          throw new Error('in between');
        } catch (e) { console.log(e.message); }`;
      const ran = await runModule(text, { timeout: 10_000 });
      assert.deepEqual([ran.status, ran.stdout], [0, 'in between\n']);
    });

    test('it stays while the device is open, waiting or not', async () => {
      for (const body of ['', 'await device.createCq().next();', 'device.unref(); device.ref();']) {
        const text = program(link, `console.log('open'); ${body}`);
        const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', text], { stdio: 'pipe' });
        const ended = once(child, 'exit');
        await once(child.stdout, 'data');
        assert.equal(await Promise.race([ended, sleep(300, 'still there')]), 'still there', body);
        child.kill();
        assert.deepEqual(await ended, [null, 'SIGTERM']);
      }
    });

    test('it can be left by process.exit and by a signal, and the address is free again', async () => {
      const address = uniqueAddress();
      const open = `import { openDevice } from '${API}';
        const device = await openDevice({ address: '${address}', link: '${link}' });`;
      const exits = await runModule(`${open} process.exit(3);`);
      assert.deepEqual([exits.status, exits.stderr], [3, '']);
      const killed = await runModule(`${open} process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 5000);`);
      assert.equal(killed.signal, 'SIGTERM');
      await using _ = await openDevice({ address, link: link as 'udp' });
    });

    test('a process that dies leaves its peer a RETRY_EXC_ERR', async () => {
      const [own, other] = uniqueAddresses(2);
      await using device = await openDevice({ address: own, link: link as 'udp' });
      const pd = device.allocPd();
      const cq = device.createCq();
      const qp = pd.createQp({ type: 'RC', sendCq: cq });
      const told = JSON.stringify(qp.endpoint());
      const ran = await runModule(`
        import { openDevice } from '${API}';
        const device = await openDevice({ address: '${other}', link: '${link}' });
        const qp = device.allocPd().createQp({ type: 'RC', sendCq: device.createCq() });
        qp.connect(${told});
        console.log(JSON.stringify(qp.endpoint()));
        process.exit(0);`);
      qp.connect(JSON.parse(ran.stdout), { timeout: 8, retryCnt: 3 });
      qp.postSend({ opcode: 'SEND', inline: Buffer.of(1) });
      assert.equal((await cq.next({ signal: AbortSignal.timeout(5000) })).status, 'RETRY_EXC_ERR');
    });

    test('opening fails with what to do about it, and leaves nothing open', async (t) => {
      const address = uniqueAddress();
      const dir = mkdtempSync(join(tmpdir(), 'infinitive-'));
      t.after(() => rmSync(dir, { recursive: true }));
      const options = { address, link: link as 'udp' };
      {
        await using _ = await openDevice(options);
        await assert.rejects(openDevice(options), { code: 'EADDRINUSE' });
      }
      await assert.rejects(openDevice({ ...options, capture: join(dir, 'no', 'such', 'folder') }), { code: 'ENOENT' });
      await assert.rejects(openDevice({ ...options, address: [] }), { code: 'EINVAL' });
      await assert.rejects(openDevice({ ...options, address: [address, '203.0.113.9'] }));
      await assert.rejects(openDevice({ ...options, address: 'example.org' }));
      await assert.rejects(openDevice({ ...options, link: 'tcp' as 'udp' }), {
        code: 'EINVAL',
        message: /auto, udp, dgram/,
      });
      for (const [faults, message] of [
        [{ loss: 10 }, /loss is 10.*0 to 1/],
        [{ corrupt: Number.NaN }, /corrupt/],
        [{ delayUs: -1 }, /delayUs/],
        [{ direction: 'up' }, /"up"/],
        [{ los: 0.1 }, /"los" is unknown; there are loss/],
      ] as const) {
        await assert.rejects(openDevice({ ...options, faults: faults as object }), { code: 'EINVAL', message });
      }
      await using device = await openDevice({ ...options, name: 'mine' });
      assert.equal(device.name, 'mine');
      const another = { ...options, address: uniqueAddress() };
      await assert.rejects(openDevice({ ...another, name: 'mine', capture: join(dir, 'x') }), { code: 'EEXIST' });
      await using _ = await openDevice(another);
      assert.ok(statSync(join(dir, 'x')).size > 0, 'a capture that was begun is a valid file');
    });
  });
}

test('a program that is in the middle of traffic when it is closed ends cleanly', async () => {
  const ran = await runModule(
    program(
      'udp',
      `
      const pd = device.allocPd(), cq = device.createCq();
      const mr = pd.regMr(Buffer.alloc(1 << 20), { access: ['LOCAL_WRITE', 'REMOTE_WRITE'] });
      const qp = pd.createQp({ type: 'RC', sendCq: cq });
      qp.connect(qp.endpoint());
      for (let i = 0; i < 20; i++) qp.postSend({ opcode: 'RDMA_WRITE', sge: mr.sge(), remoteAddr: mr.addr, rkey: mr.rkey });
      const waiting = cq.next();
      await device.close();
      await waiting.then((wc) => console.log(wc.status), (e) => console.log(e.code));`,
    ),
    { timeout: 10_000 },
  );
  assert.equal(ran.status, 0, ran.stderr);
  assert.match(ran.stdout, /SUCCESS|ECANCELED/);
});
