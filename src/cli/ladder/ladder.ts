// Captured packets as a ladder diagram in text.
import type { CapturedPacket } from '../../wire/capture.ts';
import { type LadderRow, ladderRows } from './rows.ts';
import { ladderLines } from './text.ts';

export interface LadderOptions {
  /** Only packets to or from this queue pair number. */
  readonly qpn?: number;
  /** At most so many rows. */
  readonly limit?: number;
}

/** Rows of what `options` choose; they are counted and paired over all packets. */
export function chosenRows(packets: readonly CapturedPacket[], options: LadderOptions = {}): LadderRow[] {
  const { qpn, limit = Number.POSITIVE_INFINITY } = options;
  const rows = ladderRows(packets);
  const chosen = qpn === undefined ? rows : rows.filter((row) => row.qpn === qpn || row.peerQpn === qpn);
  return chosen.length > limit ? chosen.slice(0, limit) : chosen;
}

/** The lines of a ladder: `console.log(ladder(readCapture(file).packets).join('\n'))`. */
export function ladder(packets: readonly CapturedPacket[], options: LadderOptions = {}): string[] {
  return ladderLines(chosenRows(packets, options));
}
