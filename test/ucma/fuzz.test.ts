// Whatever programs write: errors, never exceptions, and what is there at the end can be closed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { COMMANDS, Command } from '../../src/ucma/ids.ts';
import * as L from '../../src/ucma/layout.ts';
import { Fabric } from '../cm/cm-node.ts';
import { UcmaHost } from './program.ts';

const SEED = 20_261;
const SIZES = [24, 16, 40, 64, 8, 16, 288, 8, 296, 264, 4, 16, 8, 0, 24, 8, 48, 16, 16, 16, 136, 272, 152];

const word = fc.oneof(
  fc.integer({ min: 0, max: 6 }),
  // Addresses, families, ports, bounds.
  fc.constantFrom(
    0x1000,
    0x2000,
    0x8000,
    16,
    2,
    10,
    27,
    0x1c000002,
    0x106,
    0x111,
    0x13f,
    0xffff,
    0x7fffffff,
    0xffffffff,
  ),
  fc.constantFrom(0x0100010a, 0x0200010a, 0x030201ef, 0x2f1d0002),
  fc.integer({ min: 0, max: 0xffffffff }),
);

const request = fc.record({
  command: fc.integer({ min: 0, max: COMMANDS }),
  words: fc.array(word, { minLength: 0, maxLength: 80 }),
  room: fc.constantFrom(0, 4, 144, 280, 328, 336, 440, 0xffff),
  program: fc.integer({ min: 0, max: 2 }),
  exact: fc.boolean(),
});

test('any request', () => {
  fc.assert(
    fc.property(fc.array(request, { minLength: 1, maxLength: 60 }), (requests) => {
      const f = new Fabric();
      const a = new UcmaHost(f, '10.1.0.1');
      const b = new UcmaHost(f, '10.1.0.2');
      const programs = [a.open(), a.open(), b.open()];
      programs[0].descriptors.set(4, programs[1].file.description);
      // Something to name by its number.
      for (const p of programs) {
        const id = p.createId(1n);
        p.bind(id, new Uint8Array(4), 7471);
        p.simple(Command.LISTEN, L.Listen.size, id);
        p.resolveAddr(p.createId(2n), p === programs[2] ? a.address : b.address, 7471);
        p.bind(p.createId(3n, 0x111), (p === programs[2] ? b : a).address, 0);
      }
      for (const { command, words, room, program, exact } of requests) {
        const size = exact ? (SIZES[command] ?? 0) : words.length * 4;
        const bytes = Buffer.alloc(L.CmdHdr.size + Math.max(size, words.length * 4));
        bytes.writeUInt32LE(command, 0);
        bytes.writeUInt16LE(size, 4);
        bytes.writeUInt16LE(room, 6);
        words.forEach((w, i) => void bytes.writeUInt32LE(w, L.CmdHdr.size + i * 4));
        const p = programs[program];
        const result = p.writeBytes(bytes);
        assert.ok(result !== null && (result === bytes.length || (result < 0 && result > -200)), `${result}`);
        if (words[0] % 5 === 0) f.run(200);
      }
      f.run(1000);
      assert.deepEqual([...a.unexpected, ...b.unexpected], []);
      for (const p of programs) p.file.close();
      assert.equal(a.rdma.ids.size + b.rdma.ids.size, 0);
      assert.equal(a.ucma.contexts.size + a.ucma.multicasts.size + b.ucma.contexts.size, 0);
      a.close();
      b.close();
      f.close();
    }),
    { seed: SEED, numRuns: 300 },
  );
});
