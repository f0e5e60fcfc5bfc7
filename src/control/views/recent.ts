/**
 * DECISIONS from the end backwards, joined with OUTCOMES, a window at a time: the newest calls cost the same however
 * long the stream is.
 */
import { streamState } from '../../fabric/streams.js';
import type { OutcomeRecord } from '../../wire/generated/messages.js';
import type { Control } from '../core.js';
import type { Budget } from './bounds.js';
import { decisionIn, keyOf, outcomeIn, type Decided } from './records.js';

const WINDOW = 4_000;
const WINDOW_MAX = 32_000;
/** An outcome is stored after its decision, but the clocks of a gateway and of the server may differ by this. */
const SKEW_MS = 2_000;

/** A call by its last decision. */
export interface Recent extends Decided {
  readonly outcome: OutcomeRecord | undefined;
}

/** The calls of one caller or of everybody, newest decision first, in windows. Ends when the budget is spent. */
export async function* recentCalls(
  control: Control,
  budget: Budget,
  from?: string,
): AsyncGenerator<Recent[]> {
  const { firstSeq, lastSeq } = await streamState(control.nc, 'DECISIONS');
  const join = new Join(control, budget, from);
  let size = WINDOW;
  for (let end = lastSeq; end >= firstSeq && !budget.truncated;) {
    const start = Math.max(firstSeq, end - size + 1);
    const decisions = await readWindow(control, budget, start, end);
    if (budget.truncated) {
      return; // what was read is the older part of the window: without the newer it would look complete
    }
    yield await join.window(decisions.filter(({ record }) => from === undefined || record.from === from));
    end = start - 1;
    size = Math.min(size * 4, WINDOW_MAX);
  }
}

async function readWindow(control: Control, budget: Budget, start: number, end: number): Promise<Decided[]> {
  const found: Decided[] = [];
  const options = { startSeq: start, headersOnly: true, maxMessages: end - start + 1 };
  await budget.scan(control, 'DECISIONS', options, (m) => {
    const decided = m.seq > end ? undefined : decisionIn(m);
    if (decided !== undefined) {
      found.push(decided);
    }
    return m.seq < end;
  });
  return found;
}

/** Finds the outcomes of decisions, with windows going backwards in time. */
class Join {
  readonly #control: Control;
  readonly #budget: Budget;
  readonly #filter: { filter?: string };
  /** Outcomes read and not joined yet: their decisions lie further back. */
  readonly #outcomes = new Map<string, OutcomeRecord>();
  /** Calls with an earlier attempt further back. */
  readonly #told = new Set<string>();
  /** From this sequence on OUTCOMES was read. */
  #readFrom = Infinity;

  constructor(control: Control, budget: Budget, from: string | undefined) {
    this.#control = control;
    this.#budget = budget;
    this.#filter = from === undefined ? {} : { filter: `mesh.v1.settle.${from}.*` };
  }

  async window(decisions: readonly Decided[]): Promise<Recent[]> {
    if (decisions.length === 0) {
      return [];
    }
    await this.#read(Math.min(...decisions.slice(0, 100).map(({ record }) => record.at)) - SKEW_MS);
    const found: Recent[] = [];
    for (const decided of decisions.toReversed()) {
      const key = keyOf(decided.record);
      if (this.#told.has(key)) {
        continue;
      }
      if (decided.record.attempt > 1) {
        this.#told.add(key);
      }
      found.push({ ...decided, outcome: this.#outcomes.get(key) });
      this.#outcomes.delete(key);
    }
    return found;
  }

  async #read(sinceMs: number): Promise<void> {
    let first = this.#readFrom;
    const options = { startTimeMs: sinceMs, headersOnly: true, ...this.#filter };
    await this.#budget.scan(this.#control, 'OUTCOMES', options, (m) => {
      if (m.seq >= this.#readFrom) {
        return false;
      }
      first = Math.min(first, m.seq);
      const outcome = outcomeIn(m);
      if (outcome !== undefined) {
        this.#outcomes.set(keyOf(outcome), outcome);
      }
      return undefined;
    });
    this.#readFrom = first;
  }
}
