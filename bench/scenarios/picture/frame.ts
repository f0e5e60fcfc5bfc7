/**
 * What all pictures share: ground, title, notes below it, colours for light and dark pages.
 */
import { escaped, n } from '../../../src/cli/graph/svg.js';

/** Which of those who are compared something belongs to: the mesh as it should be, or those beside it. */
export type Tone = 'good' | 'plain' | 'bad';

/** Width of every picture. */
export const WIDTH = 760;
/** Where what is drawn begins and ends. */
export const SIDE = { left: 56, right: 24 } as const;
const HEAD = 34;
const NOTE = 18;

const COLOURS: Readonly<Record<Tone, { readonly light: string; readonly dark: string }>> = {
  good: { light: '#0f766e', dark: '#2dd4bf' },
  plain: { light: '#64748b', dark: '#94a3b8' },
  bad: { light: '#c0392b', dark: '#f97066' },
};
const TONES = Object.keys(COLOURS) as Tone[];

const STYLE = [
  'text { font: 13px ui-sans-serif, system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2937; }',
  '.title { font-size: 15px; font-weight: 600; } .muted { fill: #6b7280; font-size: 11px; }',
  '.axis { stroke: #cbd5e1; stroke-width: 1; } .line { fill: none; stroke-width: 2; stroke-linejoin: round; }',
  ...TONES.map(
    (tone) =>
      `.line.${tone} { stroke: ${COLOURS[tone].light}; } .area.${tone} { fill: ${COLOURS[tone].light}; }`,
  ),
  '@media (prefers-color-scheme: dark) {',
  '.ground { fill: #0f172a; } text { fill: #e5e7eb; } .muted { fill: #94a3b8; } .axis { stroke: #475569; }',
  ...TONES.map(
    (tone) =>
      `.line.${tone} { stroke: ${COLOURS[tone].dark}; } .area.${tone} { fill: ${COLOURS[tone].dark}; }`,
  ),
  '}',
].join('\n');

/** What stands around what is drawn. */
export interface Frame {
  readonly title: string;
  readonly notes: readonly string[];
}

/** Where the drawing begins below title and notes. */
export function topOf({ notes }: Frame): number {
  return HEAD + notes.length * NOTE + 16;
}

/** The text of an `.svg` file around what is drawn. */
export function framed(frame: Frame, height: number, drawn: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${n(height)}" viewBox="0 0 ${WIDTH} ${n(height)}" role="img" aria-label="${escaped(frame.title)}">`,
    `<style>\n${STYLE}\n</style>`,
    '<rect class="ground" width="100%" height="100%" fill="#ffffff"/>',
    text(SIDE.left - 32, HEAD - 8, frame.title, 'title'),
    ...frame.notes.map((note, i) => text(SIDE.left - 32, HEAD + 12 + i * NOTE, note, 'muted')),
    ...drawn,
    '</svg>',
    '',
  ].join('\n');
}

/** A text. */
export function text(x: number, y: number, words: string, look = '', anchor = 'start'): string {
  const looks = look === '' ? '' : ` class="${look}"`;
  const at = anchor === 'start' ? '' : ` text-anchor="${anchor}"`;
  return `<text${looks} x="${n(x)}" y="${n(y)}"${at}>${escaped(words)}</text>`;
}
