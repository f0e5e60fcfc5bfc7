/**
 * What a scenario is, and what it says when it has been played.
 */
import type { Random } from '../random.js';

/** How long it is played: `full` for the record, `short` for every change. */
export type Length = 'short' | 'full';

/** The scenarios. */
export type Name = 'a' | 'b' | 'c' | 'd' | 'e' | 'f';

/** What a scenario is given. */
export interface Setting {
  readonly length: Length;
  readonly seed: number;
  /** The same numbers for the same seed. */
  readonly random: Random;
  /** Says how far it is. */
  readonly note: (text: string) => void;
}

/** One line that must hold: a figure, and how much or how little it may be. */
export interface Check {
  readonly what: string;
  readonly value: number;
  readonly most?: number;
  readonly least?: number;
}

/** A figure that is told and not judged; lists of points are for pictures. */
export type Figure = number | string | readonly Figure[] | { readonly [name: string]: Figure };

/** What came of it. */
export interface Played {
  readonly checks: readonly Check[];
  readonly figures: Readonly<Record<string, Figure>>;
}

/** A scenario. */
export interface Scenario {
  readonly name: Name;
  readonly title: string;
  readonly play: (setting: Setting) => Promise<Played>;
}

/** A scenario that was played, as it is printed. */
export interface Report {
  readonly name: Name;
  readonly title: string;
  readonly pass: boolean;
  readonly seed: number;
  readonly length: Length;
  readonly seconds: number;
  readonly checks: readonly (Check & { readonly pass: boolean })[];
  readonly figures: Played['figures'];
}

/** Does it hold? What is no number does not. */
export function holds({ value, most = Infinity, least = -Infinity }: Check): boolean {
  return value <= most && value >= least;
}

/** The report of a scenario: it passes when it has checks and all of them hold. */
export function reportOf(scenario: Scenario, setting: Setting, seconds: number, played: Played): Report {
  const { name, title } = scenario;
  const { seed, length } = setting;
  const checks = played.checks.map((check) => ({ ...check, pass: holds(check) }));
  const pass = checks.length > 0 && checks.every((check) => check.pass);
  return { name, title, pass, seed, length, seconds: places(seconds, 1), checks, figures: played.figures };
}

/** So many places after the point. */
export function places(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

/** A check in words, as the page of the scenarios has it. */
export function wordsOf({ what, value, most, least }: Check): string {
  return `${what}: ${Number(value.toPrecision(3))} (must be ${boundsOf(least, most)})`;
}

/** How much it may be. */
export function boundsOf(least: number | undefined, most: number | undefined): string {
  if (least !== undefined && most !== undefined) {
    return least === most ? String(least) : `${least} to ${most}`;
  }
  return most === undefined ? `≥ ${least}` : `≤ ${most}`;
}

/** The text of a report file: lists of numbers on one line, so that a change of a figure is a change of a line. */
export function fileOf(report: Report): string {
  const text = JSON.stringify(report, null, 2);
  return `${text.replace(/\[[\s\d.,e+-]+\]/g, (list) => list.replace(/\s+/g, '').replaceAll(',', ', '))}\n`;
}
