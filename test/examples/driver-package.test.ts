// The example of a driver by a third party: what it is judged by, and its extension.
import './sources.ts';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type DriverUnderTest, formatText, runConformance, simulatedPair } from '../../src/conformance/index.ts';
import { Lab } from '../../src/conformance/lab.ts';
import { gidFromText } from '../../src/core/gid-text.ts';
import { closeContext, openContext } from '../../src/core/verbs.ts';
import { uniqueAddresses } from '../helpers/address.ts';

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

// Not at the top: static imports are resolved before the hooks are there.
const load = async () => ({
  ...(await import('../../examples/driver-package/src/driver.ts')),
  ...(await import('../../examples/driver-package/src/meter.ts')),
});

test('its own test, of ten lines, passes', () => {
  const own = path('../../examples/driver-package/test/conformance.test.ts');
  const args = ['--import', path('./sources.ts'), '--test-isolation=none', '--test', own];
  // Within a test runner Node would take the run for part of this one.
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
  assert.equal(status, 0, stdout);
  assert.match(stdout, /fail 0/);
  assert.match(stdout, /pass [67]\d/);
});

test('a program that uses it: openDevice with its driver, and its extension', () => {
  const args = ['--import', path('./sources.ts'), '--test-isolation=none', '--test'];
  const [BARE_HERE, BARE_THERE] = uniqueAddresses(2);
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined, BARE_HERE, BARE_THERE };
  const own = path('../../examples/driver-package/test/meter.test.ts');
  const { status, stdout } = spawnSync(process.execPath, [...args, own], { encoding: 'utf8', env });
  assert.equal(status, 0, stdout);
  assert.match(stdout, /pass 1\b/);
});

test('what it does not claim is not held against it: multicast', async () => {
  const { Bare } = await load();
  const driver: DriverUnderTest = { open: (link, clock) => new Bare({ link, clock }), port: 24800 };
  const report = await runConformance({ open: () => simulatedPair(driver) });
  assert.ok(report.passed, formatText(report));
  assert.equal(report.verbs.find((v) => v.name === 'attach_mcast')!.status, 'not-claimed');
  assert.equal(report.deviceClass, 'kernel-verbs');
});

test('its meters count what goes to an address, from when they are made', async () => {
  const { Bare, meter } = await load();
  const devices: InstanceType<typeof Bare>[] = [];
  const pair = simulatedPair({
    open(link, clock) {
      const bare = new Bare({ link, clock });
      devices.push(bare);
      return bare;
    },
    port: 24800,
  });
  const lab = new Lab(pair.a, pair.b, await pair.a.facts(), pair.wire);
  const [a, b] = await lab.pair('UC');
  const context = openContext(devices[0].device, { owner: 'meter' });
  const { meter: to2 } = meter.method(context, 'create', { gid: gidFromText('fd00::2') });
  const { meter: to3 } = meter.method(context, 'create', { gid: gidFromText('fd00::3') });
  await b.recv({ sge: [b.sge(0, 4096)] });
  await a.send({ opcode: 'SEND', sge: [a.sge(0, 2500)] });
  await b.received();
  assert.deepEqual(meter.method(context, 'read', { meter: to2 }), { packets: 3, bytes: 2500 + 3 * 12 });
  assert.deepEqual(meter.method(context, 'read', { meter: to3.handle }), { packets: 0, bytes: 0 });
  meter.method(context, 'destroy', { meter: to2 });
  assert.throws(() => meter.method(context, 'read', { meter: to2 }), { code: 'EINVAL' });
  closeContext(context);
  await pair.close();
});
