/**
 * Doing something with many calls: a few at a time, with progress on a terminal, and a sum at the end.
 */
import { asMeshError, type MeshError } from '../../wire/errors.js';
import { exitOfError, exits, note, paint, safe, say, sayJson } from '../output.js';
import type { LaidRow } from './select.js';

/** What became of one. `new` is the call that was made of it. */
export interface Done {
  readonly state: string;
  readonly new?: string;
  readonly error?: MeshError;
}

/** What to do with each. */
export interface Work<R extends LaidRow> {
  readonly rows: readonly R[];
  readonly json: boolean;
  /** What it is, for progress: `replayed`. */
  readonly verb: string;
  /** What to say when there are none. */
  readonly none: string;
  readonly act: (row: R, stopped: () => boolean) => Promise<Done>;
}

type Counts = Map<string, number>;

const AT_ONCE = 8;
const PROGRESS_MS = 100;
/** Up to so many are told one by one also when all is well. */
const TOLD_MAX = 20;

/** States that say that it did not go as wished, and the exit code of each; the first that occurs counts. */
const TROUBLES: readonly (readonly [state: string, exit: number])[] = [
  ['failed', exits.failed],
  ['refused', exits.refused],
  ['ended', exits.refused],
  ['held', exits.open],
];

/** Do it. Ctrl-C takes no further ones; a second one ends at once. Sets the exit code. */
export async function doAll<R extends LaidRow>(work: Work<R>): Promise<void> {
  const counts: Counts = new Map();
  const progress = new Progress(work.verb, work.rows.length, counts);
  const stop = stopOnSignal();
  const queue = work.rows.values();
  const worker = async (): Promise<void> => {
    for (const row of queue) {
      if (stop.asked) {
        return;
      }
      const done = await work.act(row, () => stop.asked).catch(failure);
      counts.set(done.state, (counts.get(done.state) ?? 0) + 1);
      progress.clear();
      tell(work, row, done);
      progress.show();
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, work.rows.length) }, worker));
  progress.clear();
  stop.done();
  sum(work, counts, stop.asked);
}

function failure(err: unknown): Done {
  const error = asMeshError(err, 'the command');
  if (error.code === 'not_found') {
    return { state: 'gone' }; // somebody else was faster, or it went on by itself
  }
  return { state: exitOfError(error) === exits.refused ? 'refused' : 'failed', error };
}

function tell<R extends LaidRow>({ json, rows }: Work<R>, row: R, { state, new: made, error }: Done): void {
  const { from, call, capability } = row;
  if (json) {
    const told = error === undefined ? {} : { error: error.toBody() };
    return sayJson({ from, call, capability, state, ...(made === undefined ? {} : { new: made }), ...told });
  }
  const trouble = TROUBLES.some(([one]) => one === state);
  if (!trouble && rows.length > TOLD_MAX) {
    return;
  }
  const name = safe(`${from}.${call}`);
  const what = state.replace('_', ' ');
  const became = made === undefined ? what : `${what} as ${safe(`${from}.${made}`)}`;
  const why = error === undefined ? '' : ` [${error.code}] ${safe(error.sentence)}`;
  say(`${name}  ${trouble ? paint.red(became) : paint.green(became)}${why}`);
  if (error !== undefined && rows.length <= TOLD_MAX) {
    note(`what now: ${error.help}`);
  }
}

function sum(work: Pick<Work<LaidRow>, 'json' | 'rows' | 'none'>, counts: Counts, stopped: boolean): void {
  const { json, rows, none } = work;
  const exit = TROUBLES.find(([state]) => counts.has(state))?.[1] ?? exits.completed;
  process.exitCode = stopped ? exits.failed : exit;
  const total = [...counts.values()].reduce((a, b) => a + b, 0);
  if (json) {
    const states = Object.fromEntries(counts);
    return sayJson({ done: total, of: rows.length, states, ...(stopped ? { stopped } : {}) });
  }
  if (rows.length === 0) {
    return note(none);
  }
  if (rows.length > 1) {
    const parts = [...counts].map(([state, count]) => `${count} ${state.replace('_', ' ')}`);
    note(`${parts.join(', ')}${stopped ? `, stopped with ${rows.length - total} to go` : ''}`);
  }
}

/** One line on a terminal that is written over; nothing elsewhere. */
class Progress {
  readonly #verb: string;
  readonly #total: number;
  readonly #counts: ReadonlyMap<string, number>;
  readonly #live: boolean;
  #shownAt = 0;
  #shown = false;

  constructor(verb: string, total: number, counts: ReadonlyMap<string, number>) {
    this.#verb = verb;
    this.#total = total;
    this.#counts = counts;
    this.#live = process.stderr.isTTY && total > 1;
  }

  show(): void {
    const now = performance.now();
    if (this.#live && now - this.#shownAt > PROGRESS_MS) {
      this.#shownAt = now;
      this.#shown = true;
      process.stderr.write(this.#line());
    }
  }

  clear(): void {
    if (this.#shown) {
      this.#shown = false;
      process.stderr.write('\r\u001b[2K');
    }
  }

  /** Not wider than the terminal: a line that wraps could not be written over. */
  #line(): string {
    const done = [...this.#counts.values()].reduce((a, b) => a + b, 0);
    const troubles = TROUBLES.flatMap(([state]) => {
      const count = this.#counts.get(state);
      return count === undefined ? [] : [`, ${count} ${state}`];
    });
    const text = `${this.#verb} ${done} of ${this.#total}${troubles.join('')}`;
    return text.slice(0, Math.max(10, (process.stderr.columns ?? 80) - 1));
  }
}

function stopOnSignal(): { readonly asked: boolean; done(): void } {
  const state = { asked: false, done: () => void process.off('SIGINT', onSignal) };
  function onSignal(): void {
    if (state.asked) {
      process.exit(exits.failed);
    }
    state.asked = true;
    note('stopping after those that are under way …');
  }
  process.on('SIGINT', onSignal);
  return state;
}
