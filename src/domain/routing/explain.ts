/**
 * Reading a decision's word on its choice again: was there a cheaper, a safer, or a faster route?
 */
import type { Routed } from './chosen.js';

/** One candidate as the decision names it. */
export interface Told {
  readonly agent: string;
  /** Lower is better; what it is made of depends on what was chosen by. */
  readonly score: number;
  /** Share of attempts that completed; missing when nothing was known. */
  readonly success?: number;
  /** Time of work in ms; missing when nothing was known. */
  readonly ms?: number;
  readonly micros: number;
  /** It could take nothing then. */
  readonly away?: true;
}

/** What can be said of a choice afterwards. */
export interface Explained {
  readonly chosen: Told;
  readonly others: readonly Told[];
  /** The best of the others by price, success and time, if it is better than the chosen one; one that was free first. */
  readonly cheaper?: Told;
  readonly safer?: Told;
  readonly faster?: Told;
}

/** Explain a choice. */
export function explain({ chosen, others, away = [] }: Routed): Explained {
  const one = told(chosen);
  const rest = others.map((line, i): Told => ({
    ...told(line),
    ...(away.includes(i) ? { away: true } : {}),
  }));
  const cheaper = better(rest, one, ({ micros }) => -micros);
  const safer = better(rest, one, ({ success }) => success);
  const faster = better(rest, one, ({ ms }) => (ms === undefined ? undefined : -ms));
  return {
    chosen: one,
    others: rest,
    ...(cheaper === undefined ? {} : { cheaper }),
    ...(safer === undefined ? {} : { safer }),
    ...(faster === undefined ? {} : { faster }),
  };
}

/** Nobody is better where nothing is known. */
function better(rest: readonly Told[], than: Told, by: (one: Told) => number | undefined): Told | undefined {
  const bound = by(than);
  const found = rest.filter((one) => bound !== undefined && (by(one) ?? -Infinity) > bound);
  const order = (one: Told): number => by(one) ?? 0;
  return found.toSorted(
    (a, b) => Number(a.away === true) - Number(b.away === true) || order(b) - order(a),
  )[0];
}

function told(line: string): Told {
  const [agent = '', score, success, ms, micros] = line.split(' ');
  const number = (text: string | undefined): number | undefined =>
    text === undefined || text === '-' ? undefined : Number(text);
  const [known, time] = [number(success), number(ms)];
  return {
    agent,
    score: number(score) ?? 0,
    micros: number(micros) ?? 0,
    ...(known === undefined ? {} : { success: known }),
    ...(time === undefined ? {} : { ms: time }),
  };
}
