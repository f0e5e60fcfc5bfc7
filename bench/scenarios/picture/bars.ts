/**
 * A few figures beside each other.
 */
import { n } from '../../../src/cli/graph/svg.js';
import { framed, SIDE, text, topOf, WIDTH, type Frame, type Tone } from './frame.js';

const ROW = 26;
const GROUP = 30;
const NAMES = 250;
const WORDS = 190;

/** One figure. */
export interface Bar {
  readonly name: string;
  readonly tone: Tone;
  readonly value: number;
  /** What stands behind it. */
  readonly words: string;
}

/** Figures of one kind, which have a scale of their own. */
export interface Group {
  readonly what: string;
  readonly bars: readonly Bar[];
  /** Where the scale ends; default: at the longest bar. */
  readonly most?: number;
}

/** The text of an `.svg` file. */
export function barsSvg(frame: Frame, groups: readonly Group[]): string {
  const left = SIDE.left - 32 + NAMES;
  const width = WIDTH - SIDE.right - WORDS - left;
  const drawn: string[] = [];
  let y = topOf(frame);
  for (const { what, bars, most = Math.max(...bars.map(({ value }) => value)) } of groups) {
    drawn.push(text(SIDE.left - 32, y + 14, what, 'muted'));
    y += GROUP - 6;
    for (const { name, tone, value, words } of bars) {
      const long = Math.max(2, (width * value) / most);
      drawn.push(
        text(SIDE.left - 32, y + 14, name),
        `<rect class="area ${tone}" x="${left}" y="${n(y + 2)}" width="${n(long)}" height="16" rx="2"/>`,
        text(left + long + 8, y + 14, words),
      );
      y += ROW;
    }
    y += 10;
  }
  return framed(frame, y + 10, drawn);
}
