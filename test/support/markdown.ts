/**
 * The parts of a markdown page that can be held to their word: code blocks, code spans, links, headings.
 */
import { readFileSync } from 'node:fs';

/** A fenced block, with the section it stands in and the line (from 1) on which its text begins. */
export interface Fence {
  readonly language: string;
  readonly text: string;
  readonly section: string;
  readonly line: number;
}

/** Something on a line of a page. */
export interface Found {
  readonly text: string;
  readonly line: number;
}

/** A page, taken apart. */
export interface Page {
  readonly path: string;
  readonly fences: readonly Fence[];
  /** Text between single backticks, outside of fences. */
  readonly spans: readonly Found[];
  /** Targets of links, outside of fences. */
  readonly links: readonly Found[];
  /** Anchors of headings, as the usual renderers make them. */
  readonly anchors: ReadonlySet<string>;
}

/** Read a page by its path from the root. */
export function readPage(path: string): Page {
  return takeApart(path, readFileSync(path, 'utf8'));
}

/** Take a page apart. */
export function takeApart(path: string, text: string): Page {
  const fences: Fence[] = [];
  const prose: string[] = [];
  const anchors = new Set<string>();
  let section = '';
  let open: { language: string; line: number; lines: string[] } | undefined;
  text.split('\n').forEach((line, i) => {
    const fence = /^```(\w*)/.exec(line);
    if (open !== undefined) {
      if (fence === null) {
        open.lines.push(line);
      } else {
        fences.push({ ...open, text: `${open.lines.join('\n')}\n`, section });
        open = undefined;
      }
    } else if (fence !== null) {
      open = { language: fence[1] ?? '', line: i + 2, lines: [] };
    }
    prose.push(open === undefined && fence === null ? line : '');
    const heading = open === undefined ? /^(#{1,6}) (.+)$/.exec(line) : null;
    if (heading !== null) {
      section = heading[1] === '#' ? section : (heading[2] ?? '');
      anchors.add(anchorOf(heading[2] ?? ''));
    }
  });
  // Spans first: what looks like a link inside of one is none.
  const spans = prose.flatMap((line, i) => [...line.matchAll(/`([^`]+)`/g)].map((m) => at(m[1], i)));
  const links = prose.flatMap((line, i) =>
    [...line.replace(/`[^`]*`/g, '').matchAll(/\]\(([^()\s]+)\)/g)].map((m) => at(m[1], i)),
  );
  return { path, fences, spans, links, anchors };
}

function at(text: string | undefined, index: number): Found {
  return { text: text ?? '', line: index + 1 };
}

function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}
