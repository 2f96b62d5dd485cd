// A plot of figures over message size as SVG: both axes logarithmic. No library draws two axes and some lines with less.
export interface Line {
  readonly name: string;
  /** Message size in bytes and the figure, in order of size. */
  readonly points: readonly (readonly [size: number, figure: number])[];
}

export interface Plot {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly Line[];
}

const WIDTH = 760;
const HEIGHT = 420;
const LEFT = 64;
const RIGHT = 220;
const TOP = 44;
const BOTTOM = 48;
/** Colours that the colour-blind tell apart (Okabe and Ito). */
const COLOURS = ['#d55e00', '#0072b2', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];

export function svgOf({ title, unit, lines }: Plot): string {
  const points = lines.flatMap((line) => line.points);
  if (points.length === 0) throw new Error(`${title}: there is nothing to plot`);
  const sizes = [...new Set(points.map(([size]) => size))].sort((a, b) => a - b);
  const decades = decadesOf(points.map(([, figure]) => figure));
  const x = scale(sizes[0], sizes.at(-1)!, LEFT, WIDTH - RIGHT);
  const y = scale(decades[0], decades.at(-1)!, HEIGHT - BOTTOM, TOP);
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(LEFT, 24, title, 'font-size="15"'),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, 'message size, bytes', 'text-anchor="middle"'),
    text(LEFT - 8, TOP - 8, unit, 'text-anchor="end"'),
  ];
  for (const size of sizes) {
    out.push(grid(x(size), TOP, x(size), HEIGHT - BOTTOM));
    out.push(text(x(size), HEIGHT - BOTTOM + 16, sizeText(size), 'text-anchor="middle"'));
  }
  for (const figure of decades) {
    out.push(grid(LEFT, y(figure), WIDTH - RIGHT, y(figure)));
    out.push(text(LEFT - 8, y(figure) + 4, String(figure), 'text-anchor="end"'));
  }
  lines.forEach((line, i) => {
    const colour = COLOURS[i % COLOURS.length];
    const at = line.points.map(([size, figure]) => `${x(size).toFixed(1)},${y(figure).toFixed(1)}`);
    out.push(`<polyline points="${at.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const point of at) {
      const [cx, cy] = point.split(',');
      out.push(`<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`);
    }
    const row = TOP + 10 + 20 * i;
    out.push(`<rect x="${WIDTH - RIGHT + 16}" y="${row - 9}" width="12" height="12" fill="${colour}"/>`);
    out.push(text(WIDTH - RIGHT + 34, row + 2, line.name));
  });
  return `${[...out, '</svg>'].join('\n')}\n`;
}

/** From the power of ten below the smallest to the one above the largest. */
function decadesOf(figures: readonly number[]): number[] {
  const low = Math.floor(Math.log10(Math.min(...figures)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...figures))));
  return Array.from({ length: high - low + 1 }, (_, i) => Number(`1e${low + i}`));
}

function scale(from: number, to: number, start: number, end: number): (value: number) => number {
  const span = Math.log(to / from) || 1;
  return (value) => start + ((end - start) * Math.log(value / from)) / span;
}

const escaped = (s: string): string => s.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const text = (x: number, y: number, s: string, more = ''): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escaped(s)}</text>`;
const grid = (x1: number, y1: number, x2: number, y2: number): string =>
  `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="#ddd"/>`;

function sizeText(size: number): string {
  if (size >= 1 << 20) return `${size / (1 << 20)} Mi`;
  return size >= 1 << 10 ? `${size / (1 << 10)} Ki` : String(size);
}
