// Which lines of the transport the inputs have come to, as V8 counts them.
import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { fileURLToPath } from 'node:url';

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}
interface Script {
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly Range[] }[];
}

export interface FileCoverage {
  readonly file: string;
  readonly lines: number;
  readonly covered: number;
  readonly missed: readonly number[];
}

export class Coverage {
  private readonly session = new Session();

  constructor() {
    this.session.connect();
    this.session.post('Profiler.enable');
    this.session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Lines with code of the files whose path has `part` in it. */
  take(part: string): FileCoverage[] {
    let scripts: readonly Script[] = [];
    this.session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error === null) scripts = result;
    });
    return scripts
      .filter(({ url }) => url.startsWith('file:') && url.includes(part))
      .map(fileCoverage)
      .sort((a, b) => a.file.localeCompare(b.file));
  }
}

function fileCoverage({ url, functions }: Script): FileCoverage {
  const path = fileURLToPath(url);
  const text = readFileSync(path, 'utf8');
  const counts = new Int32Array(text.length).fill(1);
  // Inner ranges come after outer ones, and overrule them.
  for (const { ranges } of functions)
    for (const { startOffset, endOffset, count } of ranges) counts.fill(count, startOffset, endOffset);
  const missed: number[] = [];
  let lines = 0;
  let offset = 0;
  let comment = false;
  for (const [i, line] of text.split('\n').entries()) {
    const code = line.trim();
    if (code.startsWith('/*')) comment = true;
    const counted =
      !comment && !code.startsWith('//') && /[a-z]/i.test(code) && !/^(import|export type|\w+,|\} from)/.test(code);
    if (code.endsWith('*/')) comment = false;
    if (counted) {
      lines++;
      const start = offset + line.length - line.trimStart().length;
      if (counts[start] === 0) missed.push(i + 1);
    }
    offset += line.length + 1;
  }
  return { file: path.slice(path.lastIndexOf('src/')), lines, covered: lines - missed.length, missed };
}

export function coverageTable(files: readonly FileCoverage[]): string {
  const rows = files.map(({ file, lines, covered, missed }) => {
    const share = `${((100 * covered) / lines).toFixed(1)} %`.padStart(8);
    return `${share}  ${file}${missed.length === 0 ? '' : `  not: ${ranges(missed)}`}`;
  });
  const lines = files.reduce((n, f) => n + f.lines, 0);
  const covered = files.reduce((n, f) => n + f.covered, 0);
  return [...rows, `${((100 * covered) / lines).toFixed(1)} % of ${lines} lines`].join('\n');
}

function ranges(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < numbers.length; ) {
    let j = i;
    while (numbers[j + 1] === numbers[j] + 1) j++;
    parts.push(i === j ? `${numbers[i]}` : `${numbers[i]}-${numbers[j]}`);
    i = j + 1;
  }
  return parts.join(' ');
}
