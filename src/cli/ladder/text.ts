// A ladder's rows as lines of text: one host on the left, the other on the right, arrows between them.
import type { LadderRow } from './rows.ts';

const NAME = 33;
const QPN = 8;
const PSN = 16;
const LENGTH = 6;

/** One line for each row, and a heading where the hosts change. */
export function ladderLines(rows: readonly LadderRow[]): string[] {
  const lines: string[] = [];
  /** Host on the left for each pair: the one that was heard first. */
  const lefts = new Map<string, string>();
  let pair = '';
  for (const row of rows) {
    const { from, to } = row;
    const hosts = from < to ? `${from} ${to}` : `${to} ${from}`;
    let left = lefts.get(hosts);
    if (left === undefined) {
      left = from;
      lefts.set(hosts, left);
    }
    if (hosts !== pair) {
      pair = hosts;
      lines.push(`${left} <-> ${left === from ? to : from}`);
    }
    lines.push(line(row, from === left));
  }
  return lines;
}

function line(row: LadderRow, rightwards: boolean): string {
  const { number, us, name, qpn, psn, relative, length, dmaLength, flags, syndrome, msn, answers, marks } = row;
  const sequence = `${relative === null ? '' : `${relative} `}(0x${psn.toString(16).padStart(6, '0')})`;
  const notes = [
    dmaLength === null || dmaLength === length ? '' : `of ${dmaLength} B`,
    flags.join(' '),
    syndrome === null ? '' : `${syndrome}, MSN ${msn}`,
    answers ?? '',
    marks.map((mark) => `** ${mark}`).join(' '),
  ];
  return [
    String(number).padStart(5),
    (us / 1e6).toFixed(6).padStart(11),
    rightwards ? '-->' : '<--',
    name.padEnd(NAME),
    `0x${qpn.toString(16)}`.padEnd(QPN),
    sequence.padStart(PSN),
    `${length} B`.padStart(LENGTH),
    notes.filter((note) => note !== '').join('; '),
  ]
    .join(' ')
    .trimEnd();
}
