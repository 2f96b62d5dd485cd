import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';

const source = (path: string) => new URL(`../../src/${path}`, import.meta.url).href;

test('elsewhere than on Linux everything loads, and says what it needs when it is used', () => {
  const modules = readdirSync(new URL('../../src/os/', import.meta.url)).map((name) => source(`os/${name}`));
  const code = `
    Object.defineProperty(process, 'platform', { value: 'darwin' });
    const m = {};
    for (const url of ${JSON.stringify([...modules, source('link/udp.ts')])}) Object.assign(m, await import(url));
    const uses = [
      () => new m.UdpLink({ addresses: ['127.0.0.1'] }),
      () => new m.Waiter([], () => {}),
      () => new m.Epoll(),
      () => new m.EventFd(),
    ];
    for (const use of uses) try { use(); console.log('?'); } catch (error) { console.log(error.message); }
    console.log(m.nativeCrc32(), m.defaultAddress(), m.localAddress('127.0.0.1').text);
    console.log(process.report.getReport().sharedObjects.some((o) => o.includes('koffi')));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
  assert.equal(stderr, '');
  const needs = (what: string) => `${what} needs 64-bit little-endian Linux; this is darwin/${process.arch}`;
  assert.deepEqual(stdout.trim().split('\n'), [
    needs('UdpLink'),
    needs('Waiter'),
    needs('calling the C library'),
    needs('calling the C library'),
    'null 127.0.0.1 127.0.0.1',
    'false',
  ]);
});
