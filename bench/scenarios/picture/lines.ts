/**
 * Something over time, for several who are compared.
 */
import { n } from '../../../src/cli/graph/svg.js';
import { framed, SIDE, text, topOf, WIDTH, type Frame, type Tone } from './frame.js';

const PLOT = 240;
const FOOT = 64;

/** One of them. */
export interface Curve {
  readonly name: string;
  readonly tone: Tone;
  /** A value for each stretch of `stepS` seconds. */
  readonly values: readonly number[];
}

/** What is drawn. */
export interface Lines extends Frame {
  readonly stepS: number;
  readonly unit: string;
  /** Where the scale ends; default: above the highest value. */
  readonly top?: number;
  /** Moments that are worth a word. */
  readonly marks: readonly { readonly atS: number; readonly words: string }[];
  readonly curves: readonly Curve[];
}

/** The text of an `.svg` file. */
export function linesSvg(lines: Lines): string {
  const { curves, stepS, unit, marks } = lines;
  const top = topOf(lines) + 12;
  const most = lines.top ?? roundUp(Math.max(...curves.flatMap(({ values }) => values)));
  const seconds = Math.max(...curves.map(({ values }) => values.length)) * stepS;
  const x = (s: number): number => SIDE.left + (s / seconds) * (WIDTH - SIDE.left - SIDE.right);
  const y = (value: number): number => top + PLOT * (1 - value / most);
  const ticks = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    `<line class="axis" x1="${SIDE.left}" y1="${n(y(most * share))}" x2="${WIDTH - SIDE.right}" y2="${n(y(most * share))}"/>`,
    text(SIDE.left - 8, y(most * share) + 4, String(most * share), 'muted', 'end'),
    text(x(seconds * share), top + PLOT + 18, `${seconds * share} s`, 'muted', 'middle'),
  ]);
  const drawn = curves.map(({ tone, values }) => {
    const points = values.map((value, i) => `${n(x((i + 0.5) * stepS))},${n(y(Math.min(value, most)))}`);
    return `<polyline class="line ${tone}" points="${points.join(' ')}"/>`;
  });
  const told = marks.flatMap(({ atS, words }) => [
    `<line class="axis" stroke-dasharray="4 4" x1="${n(x(atS))}" y1="${top}" x2="${n(x(atS))}" y2="${top + PLOT}"/>`,
    text(x(atS) + 5, top + 12, words, 'muted'),
  ]);
  const legend = curves.flatMap(({ name, tone }, i) => [
    `<rect class="area ${tone}" x="${SIDE.left + i * 220}" y="${top + PLOT + 36}" width="18" height="4"/>`,
    text(SIDE.left + 24 + i * 220, top + PLOT + 42, name),
  ]);
  const axis = text(SIDE.left - 32, top - 10, unit, 'muted');
  return framed(lines, top + PLOT + FOOT, [axis, ...ticks, ...told, ...drawn, ...legend]);
}

/** The next of 1, 2, 4, 8 times a power of ten: a quarter of it is a plain number. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 4, 8].find((one) => one * power >= value) ?? 10;
  return step * power;
}
