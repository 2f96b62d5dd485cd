// infinitive capture show, as a user runs it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, it } from 'node:test';
import { repoPath } from '../helpers/run.ts';
import { cli } from './cli.ts';

const capture = (name: string): string => repoPath(`test/data/captures/${name}.pcap`);

describe('infinitive capture show', () => {
  it('prints a ladder', async () => {
    const { status, stdout, stderr } = await cli(['capture', 'show', capture('rxe-rc-read')]);
    assert.equal(status, 0, stderr);
    assert.equal(stdout, readFileSync(repoPath('test/data/ladder/rxe-rc-read.txt'), 'utf8'));
  });

  it('--json, --qp and --limit', async () => {
    const { status, stdout } = await cli([
      'capture',
      'show',
      capture('rxe-rping'),
      '--json',
      '--qp',
      '0x2f',
      '--limit',
      '3',
    ]);
    assert.equal(status, 0);
    const rows = JSON.parse(stdout) as { number: number; qpn: number }[];
    assert.deepEqual(
      rows.map(({ number, qpn }) => [number, qpn]),
      [
        [4, 0x30],
        [5, 0x2f],
        [6, 0x2f],
      ],
    );
  });

  const wrong: [args: string[], status: number, complaint: RegExp][] = [
    [['capture', 'show', '/nowhere.pcap'], 1, /^infinitive: \/nowhere\.pcap does not exist\n$/],
    [['capture', 'show', repoPath('package.json')], 1, /neither a pcap nor a pcapng file \(at byte 0\)\n$/],
    [['capture', 'show'], 2, /missing required argument 'file'/],
    [['capture', 'show', 'x', '--qp', 'seven'], 2, /A queue pair number is needed/],
    [['capture', 'play'], 2, /unknown command 'play'/],
  ];
  for (const [args, status, complaint] of wrong) {
    it(args.map((arg) => basename(arg)).join(' '), async () => {
      const ran = await cli(args);
      assert.equal(ran.status, status);
      assert.match(ran.stderr, complaint);
      assert.equal(ran.stderr.trim().split('\n').length, 1);
    });
  }
});
