import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { COMMANDS, METHODS } from '../../src/uverbs/table.ts';
import { Host, type Program, u32, u64 } from './program.ts';
import {
  allocPd,
  createChannel,
  createCq,
  createQp,
  doorbell,
  getContext,
  qpRequest,
  regMr,
  writeLog,
} from './verbs.ts';

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
  p.ok(32, Buffer.concat([u64(0), u64(1), u32(pd, 10, 2, 0)]), 16, 24);
  p.ok(5, Buffer.concat([u64(0), u64(0), u32(pd, 0), AV]), 4, 8);
  p.ok(14, Buffer.concat([u64(0), u32(pd, 2)]), 8);
  allocPd(p);
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

interface Step {
  readonly command: (typeof COMMANDS)[number];
  readonly template: number;
  readonly changes: readonly (readonly [at: number, value: bigint])[];
  readonly cut: number;
  readonly room: number;
  readonly driver: number;
  readonly driverIn: bigint | null;
}

/** Counterexamples name it by its number. */
function shown(command: (typeof COMMANDS)[number]): (typeof COMMANDS)[number] {
  return Object.assign({ ...command }, { [fc.toStringMethod]: () => `command ${command.id}` });
}

/** A request that is in order, or would be with other handles: most of its words are small numbers. */
function template(command: (typeof COMMANDS)[number], handle: number): Buffer {
  const valid: Readonly<Record<number, () => Buffer>> = {
    3: () => u64(0),
    5: () => Buffer.concat([u64(0), u64(0), u32(handle, 0), AV]),
    9: () => Buffer.concat([u64(0), u64(2 << 20), u64(8192), u64(2 << 20), u32(handle, 7)]),
    11: () => Buffer.concat([u64(0), u32(handle, 4), u64(2 << 20), u64(4096), u64(2 << 20), u32(1, 1)]),
    14: () => Buffer.concat([u64(0), u32(handle, 2)]),
    18: () => Buffer.concat([u64(0), u64(7), u32(8, 0, -1, 0)]),
    19: () => Buffer.concat([u64(0), u32(handle, 40)]),
    24: () => qpRequest(1, handle),
    26: () =>
      Buffer.concat([AV, Buffer.alloc(32), u32(handle, 1), Buffer.alloc(24), Buffer.from([6]), Buffer.alloc(15)]),
    32: () => Buffer.concat([u64(0), u64(7), u32(handle, 8, 2, 0)]),
    33: () => u32(handle, 3, 20, 2),
    39: () => Buffer.concat([u64(0), u64(7), u32(0, handle, 8, 2, 0, 0, 0, 0)]),
    2147483649: () => u32(0, 0),
    2147483666: () => Buffer.concat([u64(7), u32(8, 0, -1, 0, 0, 0)]),
    2147483672: () => Buffer.concat([qpRequest(1, handle).subarray(8), u32(0, 0, 0, 0)]),
  };
  const request = valid[command.id]?.() ?? Buffer.alloc(command.size);
  // Of the others the handle is first, or behind `response`.
  if (valid[command.id] === undefined) request.writeUInt32LE(handle, command.size > 8 ? 8 : 0);
  return request;
}

const AV = Buffer.alloc(32);
Buffer.from('00000000000000000000ffff7f000001', 'hex').copy(AV);
AV.fill(1, 29);

test('write commands in and out of order: an errno, no exception, nothing left behind', (t) => {
  const probe = new Host(t).open(t);
  populate(probe);
  const value = interesting(probe);
  const step: fc.Arbitrary<Step> = fc.record({
    command: fc.constantFrom(...COMMANDS.map(shown)),
    template: fc.integer({ min: 1, max: 9 }),
    changes: fc.oneof(
      fc.constant([]),
      fc.constant([]),
      fc.array(fc.tuple(fc.nat(29), value), { maxLength: 2 }),
      fc.array(fc.tuple(fc.nat(29), value), { maxLength: 30 }),
    ),
    cut: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 4, 8),
    room: fc.constantFrom(0, 0, 0, 8, 400),
    driver: fc.constantFrom(32, 32, 64, 64, 64, 0, 16),
    driverIn: fc.oneof(fc.constant(null), value),
  });
  const done = new Set<number>();
  const property = fc.property(fc.array(step, { minLength: 20, maxLength: 100, size: 'max' }), (steps) => {
    const host = new Host(t, { queueBytes: 1 << 24 });
    const p = host.open(t);
    populate(p);
    for (const { command, template: handle, changes, cut, room, driver, driverIn } of steps) {
      const request = template(command, handle);
      for (const [at, word] of changes) {
        if (at * 4 + 4 <= request.length) request.writeUInt32LE(Number(word & 0xffffffffn), at * 4);
      }
      const given = request.subarray(0, Math.max(4, request.length - cut));
      const { errno } = p.invoke(command.id, given, command.answer + room, driver, u64(driverIn ?? 4096));
      assert.ok(Number.isInteger(errno) && errno >= 0, `errno ${errno}`);
      if (errno === 0) done.add(command.id);
    }
    writeLog(
      p,
      Buffer.concat(
        steps.flatMap(({ changes, template: n }) => [
          u32(...changes.map(([, w]) => Number(w & 0xffffffffn))),
          doorbell(n),
        ]),
      ),
    );
    host.run();
    checkAccounts(host);
    p.exit();
    assert.deepEqual(new Set(Object.values(host.rxe.device.counts)), new Set([0]));
    assert.deepEqual(host.unexpected, []);
    host.close();
  });
  fc.assert(property, { seed: SEED, numRuns: 120 });
  assert.ok(done.size > COMMANDS.length / 2, `${done.size} commands have succeeded`);
});
