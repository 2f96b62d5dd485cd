// The ladder against what tshark reads in the same captures, and against a small computation of its own.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { chosenRows, ladder } from '../../src/cli/ladder/ladder.ts';
import { type LadderRow, ladderRows } from '../../src/cli/ladder/rows.ts';
import { Sequence } from '../../src/cli/ladder/sequence.ts';
import type { CapturedPacket } from '../../src/wire/capture.ts';
import { readCapture } from '../../src/wire/read-capture.ts';
import { requireProgram } from '../helpers/debian.ts';

const file = (path: string): URL => new URL(`../data/${path}`, import.meta.url);
const packetsOf = (name: string): CapturedPacket[] => readCapture(readFileSync(file(`captures/${name}.pcap`))).packets;
const has = (row: LadderRow, mark: string): boolean => row.marks.some((m) => m.startsWith(mark));

/** What tshark reads: [frame number, source, destination QPN, opcode, PSN]. */
function tshark(name: string): [number, string, number, number, number][] {
  const fields = ['frame.number', 'ip.src', 'infiniband.bth.destqp', 'infiniband.bth.opcode', 'infiniband.bth.psn'];
  const out = execFileSync(
    'tshark',
    ['-n', '-r', file(`captures/${name}.pcap`).pathname, '-T', 'fields', ...fields.flatMap((f) => ['-e', f])],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  return out
    .trim()
    .split('\n')
    .map((line) => {
      const [number, src, qpn, opcode, psn] = line.split('\t');
      return [Number(number), src, Number(qpn), Number(opcode), Number(psn)];
    });
}

describe('ladder of captures', () => {
  for (const name of ['rxe-rc-loss', 'rxe-rc-read']) {
    it(`${name}: as it was when it was looked at`, () => {
      assert.equal(`${ladder(packetsOf(name)).join('\n')}\n`, readFileSync(file(`ladder/${name}.txt`), 'utf8'));
    });
  }

  for (const name of ['rxe-rc-loss', 'rxe-rc-write', 'rxe-rc-pingpong']) {
    it(`${name}: retransmissions and gaps are where tshark's PSNs have them`, (t) => {
      if (!requireProgram(t, 'tshark', 'tshark')) return;
      const seen = new Map<string, Set<number>>();
      const highest = new Map<string, number>();
      const again: number[] = [];
      const jumps: number[] = [];
      for (const [number, src, qpn, opcode, psn] of tshark(name)) {
        // Requests of these captures: SENDs and WRITEs.
        if (opcode > 0x0b) continue;
        const key = `${src} ${qpn}`;
        const before = seen.get(key) ?? new Set();
        if (before.has(psn)) again.push(number);
        seen.set(key, before.add(psn));
        const top = highest.get(key) ?? psn - 1;
        if (psn > top + 1) jumps.push(number);
        highest.set(key, Math.max(top, psn));
      }
      const rows = ladderRows(packetsOf(name)).filter((row) => /SEND|WRITE/.test(row.name));
      const marked = (mark: string): number[] => rows.filter((row) => has(row, mark)).map((row) => row.number);
      assert.deepEqual(marked('retransmission'), again);
      assert.deepEqual(marked('gap'), jumps);
      assert.equal(again.length > 0, name === 'rxe-rc-loss');
    });
  }

  it('rxe-rc-loss: each packet that is missing is named once, and comes once as filling its gap', () => {
    const rows = ladderRows(packetsOf('rxe-rc-loss'));
    const missing = rows.flatMap((row) =>
      row.marks.flatMap((mark) => {
        const [, from, to] = /^gap: (\d+)(?:-(\d+))? missing$/.exec(mark) ?? [];
        if (from === undefined) return [];
        const last = Number(to ?? from);
        return Array.from({ length: last - Number(from) + 1 }, (_, i) => `${row.from} ${Number(from) + i}`);
      }),
    );
    const filled = rows.filter((row) => has(row, 'fills gap')).map((row) => `${row.from} ${row.relative}`);
    assert.ok(missing.length >= 10);
    assert.equal(new Set(missing).size, missing.length);
    assert.deepEqual(filled.toSorted(), missing.toSorted());
  });

  it('rxe-rc-read: five READs of five responses each, all paired', () => {
    const rows = ladderRows(packetsOf('rxe-rc-read'));
    const responses = rows.filter((row) => row.answers !== null);
    assert.equal(responses.length, 25);
    for (const [i, { answers, peerQpn, marks }] of responses.entries()) {
      assert.equal(answers, `READ ${i - (i % 5)} response ${(i % 5) + 1} of 5`);
      assert.equal(peerQpn, 0x2d);
      assert.deepEqual(marks, []);
    }
    assert.ok(rows.slice(0, 5).every((row) => row.peerQpn === 0x2c && row.dmaLength === 5000));
  });

  it('rxe-rping: management datagrams are named; a queue pair number chooses both directions of its connection', () => {
    const packets = packetsOf('rxe-rping');
    const names = ladderRows(packets).map((row) => row.name);
    assert.deepEqual(names.slice(0, 3), ['MAD CM REQ', 'MAD CM REP', 'MAD CM RTU']);
    const chosen = chosenRows(packets, { qpn: 0x30 });
    assert.ok(chosen.every((row) => row.qpn === 0x30 || row.qpn === 0x2f));
    assert.equal(chosen.length, names.filter((name) => !name.startsWith('MAD')).length);
    assert.equal(chosenRows(packets, { qpn: 0x30, limit: 4 }).length, 4);
  });

  it('host-garbage: what has a bad ICRC is marked', () => {
    const rows = ladderRows(packetsOf('host-garbage'));
    assert.ok(rows.length > 0 && rows.every((row) => has(row, 'bad ICRC')));
  });
});

describe('ladder of packets that are lost, doubled and put out of order', () => {
  const loss = packetsOf('rxe-rc-pingpong');

  it('nothing is odd in the capture itself', () => {
    assert.ok(ladderRows(loss).every((row) => row.marks.length === 0));
  });

  it('a READ response taken out is a gap, a doubled one a duplicate', () => {
    const read = packetsOf('rxe-rc-read');
    const without = ladderRows(read.filter((_, i) => i !== 7));
    assert.deepEqual(without.find((row) => row.marks.length > 0)?.marks, ['gap: 2 missing']);
    const twice = ladderRows(read.flatMap((packet, i) => (i === 7 ? [packet, packet] : [packet])));
    assert.deepEqual(
      twice.filter((row) => row.marks.length > 0).map((row) => [row.number, row.marks]),
      [[9, ['duplicate']]],
    );
  });

  it('never throws, whatever is in the frames', () => {
    let x = 1;
    const random = (): number => {
      x = (Math.imul(x, 1103515245) + 12345) >>> 0;
      return x >>> 8;
    };
    for (let n = 0; n < 300; n++) {
      const packets = loss.slice(0, 20).map((packet) => {
        const data = Buffer.from(packet.data);
        for (let k = random() % 4; k > 0; k--) data[random() % data.length] = random();
        return { ...packet, data: data.subarray(0, random() % 5 === 0 ? random() % data.length : data.length) };
      });
      ladder(packets);
    }
    assert.deepEqual(ladder([]), []);
  });
});

describe('Sequence', () => {
  it('counts over the wrap of the PSN', () => {
    const s = new Sequence(0xfffffe);
    const psns = [0xfffffe, 0xffffff, 0, 1, 3, 2, 0];
    assert.deepEqual(
      psns.map((psn) => s.take(s.count(psn))),
      ['next', 'next', 'next', 'next', 'after gap', 'fills gap', 'again'],
    );
    assert.equal(s.next, 6);
  });

  it('a wide jump is a new life', () => {
    const s = new Sequence(100);
    s.take(0);
    assert.equal(s.isNewLife(200), false);
    assert.equal(s.isNewLife(100_000), true);
  });
});
