// What two Linux kernels say to each other in the cases that interop/recordings.ts makes: every header field that matters.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NAK_INV_REQ, NAK_REM_ACC, NAK_REM_OP } from '../../src/wire/aeth.ts';
import { decodeFrame, type RoceFrame } from '../../src/wire/frame.ts';
import { formatIp } from '../../src/wire/ip.ts';
import { loadCapture, ok } from './support.ts';

const frames = (name: string): RoceFrame[] => loadCapture(`${name}.pcapng`).map(({ data }) => ok(decodeFrame(data)));
const names = (all: readonly RoceFrame[]): string[] => all.map(({ packet }) => packet.name);
const syndromes = (all: readonly RoceFrame[]): number[] =>
  all.flatMap(({ packet: { aeth } }) => (aeth === undefined ? [] : [aeth.syndrome]));
const ACK = 0x1f;

test('rxe-rc-rnr: RNR NAK with timer code 18, the same PSN again; two retries and no more', () => {
  const all = frames('rxe-rc-rnr');
  const rnr = 0x20 | 18;
  const answers = syndromes(all);
  assert.deepEqual(
    answers.filter((s) => s !== rnr),
    [ACK],
  );
  assert.equal(answers.at(-1), rnr);
  const psns = all.filter(({ packet }) => packet.name === 'RC SEND Only').map(({ packet }) => packet.bth.psn);
  assert.deepEqual([...new Set(psns)], [0xfffff0, 0xfffff1]);
  assert.equal(psns.filter((psn) => psn === 0xfffff1).length, 3);
});

test('rxe-rc-access-nak: WRITE, READ and FETCH_ADD with a key that does not exist', () => {
  const all = frames('rxe-rc-access-nak');
  const ack = 'RC Acknowledge';
  assert.deepEqual(names(all), ['RC RDMA WRITE Only', ack, 'RC RDMA READ Request', ack, 'RC FetchAdd', ack]);
  assert.deepEqual(syndromes(all), [NAK_REM_ACC, NAK_REM_ACC, NAK_REM_ACC]);
  for (const { packet } of all) {
    const rkey = packet.reth?.rkey ?? packet.atomicEth?.rkey;
    if (rkey !== undefined) assert.equal(rkey, 0x00abcd00);
  }
});

test('rxe-rc-invalid-nak: what the queue pair does not allow; a message longer than its buffer', () => {
  assert.deepEqual(syndromes(frames('rxe-rc-invalid-nak')), [NAK_INV_REQ, NAK_INV_REQ, NAK_REM_OP]);
});

for (const [name, transport] of [
  ['rxe-rc-immediate', 'RC'],
  ['rxe-uc-immediate-ip6', 'UC'],
]) {
  test(`${name}: immediate data in the only or last packet of SEND and WRITE, of 0 to 2051 bytes`, () => {
    const requests = frames(name).filter(({ packet }) => packet.name !== 'RC Acknowledge');
    const expected = [0, 1, 1024, 2051].flatMap((length, i) =>
      ['SEND', 'RDMA WRITE'].flatMap((op, j) => {
        const imm = j === 0 ? 0x01020300 + i : 0xfffffff0 + i;
        if (length <= 1024) return [[`${transport} ${op} Only with Immediate`, length, imm]];
        return [
          [`${transport} ${op} First`, 1024, undefined],
          [`${transport} ${op} Middle`, 1024, undefined],
          [`${transport} ${op} Last with Immediate`, 3, imm],
        ];
      }),
    );
    assert.deepEqual(
      requests.map(({ packet }) => [packet.name, packet.payload.length, packet.immDt?.imm]),
      expected,
    );
  });
}

test('rxe-rc-invalidate: the key of the window that was written through; afterwards it is refused', () => {
  const all = frames('rxe-rc-invalidate');
  const keys = all.flatMap(({ packet }) => (packet.reth === undefined ? [] : [packet.reth.rkey]));
  const invalidated = all.flatMap(({ packet }) => (packet.ieth === undefined ? [] : [packet.ieth.rkey]));
  assert.deepEqual(
    names(all).filter((n) => n.includes('Invalidate')),
    ['RC SEND Only with Invalidate', 'RC SEND Last with Invalidate'],
  );
  const [first, second, again] = keys;
  assert.deepEqual(invalidated, [first, second]);
  assert.equal(again, second);
  // Of a window bound anew only the low 8 bits of the key change (IBTA 10.6.7.2.2).
  assert.notEqual(first, second);
  assert.equal(first >>> 8, second >>> 8);
  assert.equal(syndromes(all).at(-1), NAK_REM_ACC);
});

test('rxe-rc-windows-ip6: two keys of a window, the first refused when the second is bound', () => {
  const all = frames('rxe-rc-windows-ip6');
  const keys = all.flatMap(({ packet }) => (packet.reth === undefined ? [] : [packet.reth.rkey]));
  assert.equal(keys.length, 5);
  assert.deepEqual(keys, [keys[0], keys[0], keys[2], keys[2], keys[0]]);
  assert.notEqual(keys[0], keys[2]);
  assert.deepEqual(
    syndromes(all).filter((s) => s !== ACK),
    [NAK_REM_ACC],
  );
});

for (const [name, group, mac] of [
  ['rxe-ud-multicast', '239.77.0.9', '01005e4d0009'],
  ['rxe-ud-multicast-ip6', 'ff15::7709', '333300007709'],
]) {
  test(`${name}: to QPN 0xffffff, the group's address and its Ethernet address`, () => {
    const captured = loadCapture(`${name}.pcapng`);
    const all = frames(name);
    assert.deepEqual(
      all.map(({ ip, packet }) => [formatIp(ip.dst), packet.bth.qpn, packet.payload.length, packet.immDt?.imm]),
      [
        [group, 0xffffff, 0, 0],
        [group, 0xffffff, 1, undefined],
        [group, 0xffffff, 1000, 2],
      ],
    );
    for (const { data } of captured) assert.equal(Buffer.from(data.subarray(0, 6)).toString('hex'), mac);
  });
}
