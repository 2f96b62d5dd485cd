import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { COMMANDS, METHODS } from '../../src/uverbs/table.ts';
import { Host, type Program } from './program.ts';
import { allocPd, createChannel, createCq, createQp, getContext, regMr, writeLog } from './verbs.ts';

const SEED = 20_260;

/** A number that means something to somebody: a handle, a descriptor, a bound, an address. */
const interesting = (p: Program): fc.Arbitrary<bigint> =>
  fc.oneof(
    fc.bigInt(0n, 12n),
    fc.constantFrom(...p.fds.map(BigInt), 2n, 4096n, 0xffffn, 0x7fffffffn, 0xffffffffn, 2n ** 31n, 2n ** 47n),
    fc.constantFrom(2n ** 53n, 2n ** 53n - 1n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n - 4096n),
    fc.bigInt(0n, BigInt(p.bytes.length)),
    fc.bigInt(0n, 2n ** 64n - 1n),
  );

interface Words {
  readonly words: readonly bigint[];
  readonly cut: number;
}

function bytesOf({ words, cut }: Words): Buffer {
  const bytes = Buffer.alloc(words.length * 4);
  words.forEach((word, i) => {
    bytes.writeUInt32LE(Number(word & 0xffffffffn), i * 4);
  });
  return bytes.subarray(0, Math.max(0, bytes.length - cut));
}

function populate(p: Program): void {
  getContext(p);
  const pd = allocPd(p);
  regMr(p, pd, 2 << 20, 8192);
  const cq = createCq(p, 8, createChannel(p));
  createQp(p, pd, cq.handle);
}

/** The sum of all there is must be what each context says it has. */
function checkAccounts(host: Host): void {
  const { contexts, counts } = host.rxe.device;
  const sums: Record<string, number> = Object.fromEntries(Object.keys(counts).map((kind) => [kind, 0]));
  for (const context of contexts) for (const object of context.objects.values()) sums[object.kind]++;
  assert.deepEqual(sums, { ...counts });
}

test('any call with any attributes: an errno, no exception, nothing left behind', (t) => {
  const probe = new Host(t).open(t);
  populate(probe);
  const value = interesting(probe);
  const payload = fc.record({ words: fc.array(value, { maxLength: 40 }), cut: fc.nat(5) });
  const attr = fc.record({
    id: fc.oneof(fc.nat(16), fc.constantFrom(0x1000, 0x1001), fc.nat(0xffff)),
    len: fc.oneof(fc.constantFrom(0, 4, 8, 16, 20, 32, 40, 48, 65535), fc.nat(0xffff)),
    flags: fc.constantFrom(0, 1, 1, 3),
    reserved: fc.constantFrom(0, 0, 0, 0, 1),
    value,
    payload: fc.option(payload),
  });
  const call = fc.record({
    target: fc.oneof(
      fc.constantFrom(...METHODS.map((m) => [m.object, m.id] as const)),
      fc.tuple(fc.nat(20), fc.nat(8)),
    ),
    attrs: fc.array(attr, { maxLength: 16 }),
  });
  const property = fc.property(fc.array(call, { minLength: 1, maxLength: 12 }), (calls) => {
    const host = new Host(t);
    const p = host.open(t);
    populate(p);
    for (const { target, attrs } of calls) {
      const bytes = Buffer.alloc(24 + attrs.length * 16);
      bytes.writeUInt16LE(bytes.length, 0);
      bytes.writeUInt16LE(target[0], 2);
      bytes.writeUInt16LE(target[1], 4);
      bytes.writeUInt16LE(attrs.length, 6);
      bytes.writeUInt32LE(14, 16);
      attrs.forEach((one, i) => {
        const at = 24 + i * 16;
        bytes.writeUInt16LE(one.id, at);
        bytes.writeUInt16LE(one.len, at + 2);
        bytes.writeUInt16LE(one.flags, at + 4);
        bytes.writeUInt16LE(one.reserved, at + 6);
        bytes.writeBigUInt64LE(one.value, at + 8);
        if (one.payload === null) return;
        const data = bytesOf(one.payload);
        const address = p.alloc(data.length + 8);
        data.copy(p.bytes, address);
        bytes.writeBigUInt64LE(BigInt(address), at + 8);
        bytes.writeUInt16LE(data.length, at + 2);
      });
      const errno = p.raw(bytes);
      assert.ok(Number.isInteger(errno) && errno >= 0, `errno ${errno}`);
    }
    host.run();
    checkAccounts(host);
    p.exit();
    assert.deepEqual(new Set(Object.values(host.rxe.device.counts)), new Set([0]));
    assert.deepEqual(host.unexpected, []);
    host.close();
  });
  fc.assert(property, { seed: SEED, numRuns: 300 });
});

test('any write command with any words: an errno, no exception, nothing left behind', (t) => {
  const probe = new Host(t).open(t);
  populate(probe);
  const value = interesting(probe);
  const call = fc.record({
    command: fc.constantFrom(...COMMANDS),
    words: fc.array(value, { minLength: 32, maxLength: 32 }),
    cut: fc.constantFrom(0, 0, 0, 4, 8),
    room: fc.constantFrom(0, 0, 0, 8, 400),
    driver: fc.constantFrom(0, 16, 32, 64),
    driverIn: fc.option(value),
  });
  const property = fc.property(fc.array(call, { minLength: 1, maxLength: 30 }), (calls) => {
    const host = new Host(t, { queueBytes: 1 << 24 });
    const p = host.open(t);
    populate(p);
    for (const { command, words, cut, room, driver, driverIn } of calls) {
      const request = bytesOf({ words, cut: 0 }).subarray(0, Math.max(4, command.size - cut));
      const input = driverIn === null ? null : Buffer.alloc(8);
      if (driverIn !== null) input!.writeBigUInt64LE(driverIn);
      const { errno } = p.invoke(command.id, request, command.answer + room, driver, input);
      assert.ok(Number.isInteger(errno) && errno >= 0, `errno ${errno}`);
    }
    writeLog(p, bytesOf({ words: calls.flatMap((it) => it.words), cut: 0 }));
    host.run();
    checkAccounts(host);
    p.exit();
    assert.deepEqual(new Set(Object.values(host.rxe.device.counts)), new Set([0]));
    assert.deepEqual(host.unexpected, []);
    host.close();
  });
  fc.assert(property, { seed: SEED, numRuns: 300 });
});
