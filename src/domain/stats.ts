/**
 * What gateways learned of agents: success, time and cost for each agent and capability, as numbers that forget. Only
 * what a gateway saw counts. Gateways tell each other what is new, and each adds what the others say to its own.
 */
import { limits } from '../wire/limits.js';
import type { Seen } from '../wire/generated/messages.js';
import type { Difficulty } from './routing/route.js';
import { Mean, Odds } from './stats-parts.js';

/** How one attempt, or several of one agent together, ended. */
export interface Sample {
  readonly n: number;
  /** Those of them that were completed. */
  readonly ok: number;
  /** Mean time of work of the completed ones in ms; missing when nobody measured it. */
  readonly ms?: number | undefined;
  /** Mean cost in micro-USD; missing when it is not known. */
  readonly micros?: number | undefined;
}

/** What is known of one agent at one capability, or at its calls of one difficulty. */
export class Known {
  readonly #odds = new Odds();
  readonly #ms = new Mean(MS);
  readonly #micros = new Mean(MICROS);
  /** When it was seen last, by this process's clock (epoch ms). */
  lastMs = 0;
  /** When it was last given a call to see how it does. */
  triedMs = 0;

  /** Share of its attempts that complete, 0–1: cautious in what little it knows, never quite 0 or 1. */
  get success(): number {
    return this.#odds.value;
  }

  /** Time of work of a completed attempt in ms; undefined when none was measured. */
  get ms(): number | undefined {
    return this.#ms.value;
  }

  /** Cost of an attempt in micro-USD; undefined when none is known. */
  get micros(): number | undefined {
    return this.#micros.value;
  }

  /** Is what it did last better than what is known of it? */
  get mends(): boolean {
    return this.#odds.mends || this.#ms.mends;
  }

  /** Were so many attempts seen that they say something? */
  get sure(): boolean {
    return this.#odds.weight >= SURE;
  }

  /** Is enough known of its time to hold others against it? */
  get settled(): boolean {
    return this.#ms.weight >= 2;
  }

  add({ n, ok, ms, micros }: Sample, nowMs: number): void {
    const sinceMs = this.lastMs === 0 ? Infinity : Math.max(0, nowMs - this.lastMs);
    this.lastMs = Math.max(this.lastMs, nowMs);
    this.#odds.add(n, ok, sinceMs);
    if (ms !== undefined && ok > 0) {
      this.#ms.add(ms, ok, sinceMs);
    }
    if (micros !== undefined) {
      this.#micros.add(micros, n, sinceMs);
    }
  }
}

/** Calls of one difficulty count by themselves from here on; below, all calls together say more. */
const SURE = 5;
const MS = { most: 32, halfMs: 15_000, odd: { factor: 3, run: 3 } } as const;
const MICROS = { most: 32, halfMs: 60_000, odd: { factor: 2, run: 3 } } as const;

interface Cell {
  readonly known: Known;
  /** What the other gateways were not told yet. */
  fresh: { n: number; ok: number; ms: number; timed: number; micros: number; priced: number } | undefined;
}

/** Everything one process learned. */
export class Stats {
  readonly #cells = new Map<string, Map<string, Cell>>();
  readonly #fresh = new Set<readonly [capability: string, agent: string, cell: Cell]>();
  #size = 0;
  #sweptMs = 0;

  /** This process saw it; `difficulty` as the call said. */
  see(capability: string, agent: string, sample: Sample, nowMs: number, difficulty?: Difficulty): void {
    this.#see(capability, agent, sample, nowMs);
    if (difficulty !== undefined) {
      this.#see(keyOf(capability, difficulty), agent, sample, nowMs);
    }
  }

  #see(capability: string, agent: string, sample: Sample, nowMs: number): void {
    const cell = this.#cell(capability, agent, nowMs);
    if (cell === undefined) {
      return;
    }
    cell.known.add(sample, nowMs);
    if (cell.fresh === undefined) {
      cell.fresh = { n: 0, ok: 0, ms: 0, timed: 0, micros: 0, priced: 0 };
      this.#fresh.add([capability, agent, cell]);
    }
    const { fresh } = cell;
    fresh.n += sample.n;
    fresh.ok += sample.ok;
    if (sample.ms !== undefined) {
      fresh.ms += sample.ms * sample.ok;
      fresh.timed += sample.ok;
    }
    if (sample.micros !== undefined) {
      fresh.micros += sample.micros * sample.n;
      fresh.priced += sample.n;
    }
  }

  /** Another gateway saw it. What does not fit together is left out. */
  learn({ seen }: Seen, nowMs: number): void {
    for (const { capability, difficulty, agents, n, ok, ms, micros } of seen) {
      const key = keyOf(capability, difficulty);
      agents.forEach((agent, i) => {
        const sample = { n: n[i] ?? 0, ok: ok[i] ?? 0, ms: given(ms[i]), micros: given(micros[i]) };
        if (sample.n > 0 && sample.ok <= sample.n) {
          this.#cell(key, agent, nowMs)?.known.add(sample, nowMs);
        }
      });
    }
  }

  /** What was seen here since this was asked last, for the other gateways; undefined when nothing was. */
  news(): Seen | undefined {
    if (this.#fresh.size === 0) {
      return undefined;
    }
    const rows = new Map<string, Seen['seen'][number]>();
    let count = 0;
    for (const one of this.#fresh) {
      const [key, agent, cell] = one;
      if (cell.fresh !== undefined && count++ < limits.statsRows) {
        const row = rows.get(key) ?? { ...namesOf(key), agents: [], n: [], ok: [], ms: [], micros: [] };
        rows.set(key, row);
        const { n, ok, ms, timed, micros, priced } = cell.fresh;
        row.agents.push(agent);
        row.n.push(n);
        row.ok.push(ok);
        row.ms.push(timed === 0 ? -1 : Math.round((ms / timed) * 100) / 100);
        row.micros.push(priced === 0 ? -1 : Math.round(micros / priced));
        cell.fresh = undefined;
        this.#fresh.delete(one);
      }
    }
    return { seen: [...rows.values()] };
  }

  /** What is known of the agent at the capability; with a difficulty only of such calls. */
  of(capability: string, agent: string, difficulty?: Difficulty): Known | undefined {
    return this.#cells.get(keyOf(capability, difficulty))?.get(agent)?.known;
  }

  /** Pairs it knows something of. */
  get size(): number {
    return this.#size;
  }

  /** The place of a pair; undefined when there is no more room. */
  #cell(capability: string, agent: string, nowMs: number): Cell | undefined {
    let agents = this.#cells.get(capability);
    let cell = agents?.get(agent);
    if (cell === undefined) {
      if (this.#size >= limits.statsCells && !this.#sweep(nowMs)) {
        return undefined;
      }
      agents = this.#cells.get(capability);
      if (agents === undefined) {
        agents = new Map();
        this.#cells.set(capability, agents);
      }
      cell = { known: new Known(), fresh: undefined };
      agents.set(agent, cell);
      this.#size++;
    }
    return cell;
  }

  /** Forget what is old, at most every ten seconds; false when there is still no room. */
  #sweep(nowMs: number): boolean {
    if (nowMs - this.#sweptMs < 10_000) {
      return false;
    }
    this.#sweptMs = nowMs;
    for (const [capability, agents] of this.#cells) {
      for (const [agent, { known, fresh }] of agents) {
        if (fresh === undefined && nowMs - known.lastMs > limits.statsForgetMs) {
          agents.delete(agent);
          this.#size--;
        }
      }
      if (agents.size === 0) {
        this.#cells.delete(capability);
      }
    }
    return this.#size < limits.statsCells;
  }
}

/** A number that was told; below zero there is none. */
function given(value: number | undefined): number | undefined {
  return value === undefined || value < 0 ? undefined : value;
}

/** Where calls of one difficulty are counted: no name has a space in it. */
function keyOf(capability: string, difficulty: Difficulty | undefined): string {
  return difficulty === undefined ? capability : `${capability} ${difficulty}`;
}

function namesOf(key: string): Pick<Seen['seen'][number], 'capability' | 'difficulty'> {
  const [capability = '', difficulty] = key.split(' ');
  return { capability, ...(difficulty === undefined ? {} : { difficulty: difficulty as Difficulty }) };
}
