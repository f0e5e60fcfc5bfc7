/**
 * Counts calls by caller, capability and agent. Bounded: names beyond the limit count as `other`. Counting one is three
 * look-ups and an addition.
 */
import { limits } from '../wire/limits.js';
import type { OutcomeRecord } from '../wire/generated/messages.js';

/** How a call ended. */
export type Status = OutcomeRecord['status'];

/** What is counted under one combination of names. */
export interface TallyRow {
  readonly from: string;
  readonly capability: string;
  readonly agent: string;
  readonly counts: Record<Status, number>;
}

/** The name of everything beyond a bound. */
export const OTHER = 'other';

/** Lets so many names through and calls the rest `other`. */
export class Names {
  readonly #known = new Set<string>();
  readonly #max: number;

  constructor(max: number = limits.metricNames) {
    this.#max = max;
  }

  /** The name to count under. */
  fold(name: string): string {
    if (this.#known.has(name)) {
      return name;
    }
    if (this.#known.size >= this.#max) {
      return OTHER;
    }
    this.#known.add(name);
    return name;
  }
}

type ByAgent = Map<string, TallyRow>;
type ByCapability = Map<string, ByAgent>;

/** The counts of one process. */
export class Tally {
  readonly #rows = new Map<string, ByCapability>();
  readonly #callers: Names;
  readonly #capabilities: Names;
  readonly #agents: Names;
  readonly #seriesMax: number;
  #series = 0;

  constructor(namesMax: number = limits.metricNames, seriesMax: number = limits.metricSeries) {
    this.#callers = new Names(namesMax);
    this.#capabilities = new Names(namesMax);
    this.#agents = new Names(namesMax);
    this.#seriesMax = seriesMax;
  }

  /** Count one call. */
  count(from: string, capability: string, agent: string, status: Status): void {
    const row = this.#rows.get(from)?.get(capability)?.get(agent) ?? this.#rowFor(from, capability, agent);
    row.counts[status]++;
  }

  /** Everything that was counted. */
  *rows(): Generator<TallyRow> {
    for (const capabilities of this.#rows.values()) {
      for (const agents of capabilities.values()) {
        yield* agents.values();
      }
    }
  }

  #rowFor(from: string, capability: string, agent: string): TallyRow {
    const names = [
      this.#callers.fold(from),
      this.#capabilities.fold(capability),
      this.#agents.fold(agent),
    ] as const;
    return (
      this.#find(...names) ??
      (this.#series < this.#seriesMax ? this.#make(...names) : this.#findOrMake(OTHER, OTHER, OTHER))
    );
  }

  #find(from: string, capability: string, agent: string): TallyRow | undefined {
    return this.#rows.get(from)?.get(capability)?.get(agent);
  }

  #findOrMake(from: string, capability: string, agent: string): TallyRow {
    return this.#find(from, capability, agent) ?? this.#make(from, capability, agent);
  }

  #make(from: string, capability: string, agent: string): TallyRow {
    this.#series++;
    const counts = { completed: 0, refused: 0, failed: 0, expired: 0, cancelled: 0, unknown: 0 };
    const row: TallyRow = { from, capability, agent, counts };
    const capabilities: ByCapability = this.#rows.get(from) ?? new Map<string, ByAgent>();
    const agents: ByAgent = capabilities.get(capability) ?? new Map<string, TallyRow>();
    agents.set(agent, row);
    capabilities.set(capability, agents);
    this.#rows.set(from, capabilities);
    return row;
  }
}
