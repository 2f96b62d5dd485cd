// infinitive devices and devinfo.
import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { openDevice } from '../../src/api/index.ts';
import type { DeviceEntry } from '../../src/cli/info/devices.ts';
import { uniqueAddresses } from '../helpers/address.ts';
import { cli } from './cli.ts';

const [ADDRESS, TAKEN] = uniqueAddresses(2);

test('devices: of each driver one for each address of the host', async () => {
  const { status, stdout } = await cli(['devices', '--json']);
  assert.equal(status, 0);
  const entries = JSON.parse(stdout) as DeviceEntry[];
  const expected = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((a) => a.address));
  for (const driver of ['rxe', 'hfi1', 'qib', 'usnic']) {
    assert.deepEqual(
      entries.filter((entry) => entry.driver === driver).map((entry) => entry.address.split('%')[0]),
      expected,
    );
  }
  for (const { free, device, reason } of entries) {
    assert.equal(device === null, !free);
    assert.equal(reason === null, free);
    if (device !== null) assert.match(device.nodeGuid, /^[0-9a-f]{4}(:[0-9a-f]{4}){3}$/);
  }
});

test('devices: as a table', async () => {
  const { stdout } = await cli(['devices']);
  assert.match(stdout, /│ device +│ node GUID +│ address +│ netdev +│ +MTU │ path MTU │ LID │ UDP port +│/);
  assert.match(stdout, /│ 127\.0\.0\.1 +│ lo +│ 65536 │/);
  assert.match(stdout, /^usnic: for user contexts only; it lacks create_qp, .*poll_cq/m);
  const { stdout: some } = await cli(['devices', '-d', 'rxe']);
  assert.doesNotMatch(some, /hfi1|usnic/);
});

test('devinfo names what ibv_devinfo names', async () => {
  const { status, stdout } = await cli(['devinfo', '-d', ADDRESS]);
  assert.equal(status, 0);
  assert.match(stdout, /^hca_id: rxe0$/m);
  assert.match(stdout, /^ +phys_port_cnt: +1$/m);
  assert.match(stdout, /^ +state: +PORT_ACTIVE \(4\)$/m);
  assert.match(stdout, /^ +active_mtu: +4096 \(5\)$/m);
  assert.match(stdout, /^ +link_layer: +Ethernet$/m);
  assert.doesNotMatch(stdout, /max_qp_wr|GID\[/);
});

test('devinfo -v: the limits of rxe, capabilities, GIDs, P_Keys, the verbs it lacks', async () => {
  const { stdout } = await cli(['devinfo', '-v', '--ip', ADDRESS]);
  assert.match(stdout, /^ +max_cqe: +32767$/m);
  assert.match(stdout, /^ +device_cap_flags: +0x[0-9a-f]{8}\n +[A-Z_0-9]+$/m);
  assert.match(stdout, new RegExp(`^ +GID\\[ +0\\]: +::ffff:${ADDRESS.replaceAll('.', '\\.')}, RoCE v2$`, 'm'));
  assert.match(stdout, /^ +P_Key\[ +0\]: +0xffff$/m);
  assert.match(stdout, /^ +missing_verbs: +none$/m);
});

test('devinfo --json', async () => {
  const { stdout } = await cli(['devinfo', '--json', '--ip', ADDRESS]);
  const info = JSON.parse(stdout) as { driver: string; max_qp: number; port: { gids: unknown[]; pkeys: number[] } };
  assert.equal(info.driver, 'rxe');
  assert.equal(info.max_qp, 1048560);
  assert.deepEqual(info.port.gids, [{ index: 0, gid: `::ffff:${ADDRESS}`, type: 'RoCE v2' }]);
  assert.deepEqual(info.port.pkeys, [0xffff]);
});

test('devinfo -d: a driver', async () => {
  const hfi1 = await cli(['devinfo', '-v', '-d', 'hfi1', '--ip', '127.0.1.7']);
  assert.equal(hfi1.stderr, '');
  assert.match(hfi1.stdout, /^hca_id: hfi1_0$/m);
  assert.match(hfi1.stdout, /^ +port_lid: +263$/m);
  assert.match(hfi1.stdout, /^ +link_layer: +InfiniBand$/m);
  assert.match(hfi1.stdout, /^ +missing_verbs: +none$/m);
  assert.match(hfi1.stdout, /^ +extensions: +psm2$/m);
  assert.match(hfi1.stdout, /^ +GID\[ +0\]: +fe80::211:7500:0:107, /m);
  assert.equal(hfi1.stdout.match(/P_Key\[/g)!.length, 1);
  const usnic = await cli(['devinfo', '-d', 'usnic', '--ip', ADDRESS]);
  assert.match(usnic.stdout, /^ +contexts: +user contexts only\n +missing_verbs: +create_qp\n/m);
  assert.match(usnic.stdout, /^ +poll_cq$/m);
  const both = await cli(['devinfo', '-d', ADDRESS, '--ip', ADDRESS]);
  assert.equal(both.status, 2);
  const neither = await cli(['devinfo', '-d', 'mlx5']);
  assert.equal(neither.status, 2);
});

test('devinfo of an address that is taken', async () => {
  await using _device = await openDevice({ address: TAKEN });
  const { status, stderr } = await cli(['devinfo', '-d', TAKEN]);
  assert.equal(status, 1);
  assert.match(stderr, /^infinitive: UDP port 4791 on .* is already in use/);
});
