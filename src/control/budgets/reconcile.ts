/**
 * The ledger held against the log: what each decision has reserved and each outcome has charged, added up again, must
 * be what the ledger says. Calls are settled meanwhile, so what the log says must lie between what the ledger said
 * before and what it says after.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { add, excess, isZero, ZERO, type Amounts } from '../../domain/budget/amounts.js';
import { named } from '../../domain/budget/node-record.js';
import { countingOf, portionOf } from '../../domain/budget/portions.js';
import { streamState } from '../../fabric/streams.js';
import type { OutcomeRecord, View } from '../../wire/generated/messages.js';
import { limits } from '../../wire/limits.js';
import type { Control } from '../core.js';
import { Budget, mark } from '../views/bounds.js';
import type { ReconcilePage, ReconcileRow } from './pages.js';
import { decisionIn, keyOf, outcomeIn, type Decided } from '../views/records.js';
import type { Books } from './books.js';
import { openNodes } from './view.js';

/** Gateways note what they have settled twice a second. */
const NOTED_MS = 2 * limits.checkpointMs;

/** What the log says of one node. */
interface Sum {
  settled: Amounts;
  /** Reserved by calls without an outcome. */
  open: Amounts;
  /** Reserved by calls whose outcome the register has dropped. */
  forgotten: Amounts;
  calls: number;
}

/** What the log says of all nodes, and from when on. */
interface Log {
  readonly sums: ReadonlyMap<string, Sum>;
  /** Epoch ms of its first decision; 0: it begins with the mesh. */
  readonly since: number;
}

/** Add up the log, and compare. */
export async function reconcile(control: Control, books: Books, view: View): Promise<ReconcilePage> {
  const budget = new Budget();
  const keys = openNodes(books, view, Date.now());
  const before = new Map(keys.map((key) => [key, books.spent(key)]));
  const log = await readLog(control, budget);
  await sleep(NOTED_MS);
  const rows = keys.map((key) => rowOf(books, key, before.get(key) ?? ZERO, log));
  return { nodes: rows, since: log.since, ...mark(budget.truncated) };
}

function rowOf(books: Books, key: string, before: Amounts, { sums, since }: Log): ReconcileRow {
  const limit = books.node(key)?.limit ?? ZERO;
  const after = books.spent(key);
  const sum = sums.get(key) ?? { settled: ZERO, open: ZERO, forgotten: ZERO, calls: 0 };
  const settled = named(sum.settled, limit);
  const forgotten = named(sum.forgotten, limit);
  const whole = since === 0 || since <= startOf(key);
  const tooLittle = whole ? excess(before, add(settled, forgotten)) : ZERO;
  const tooMuch = excess(settled, after);
  return {
    key,
    ledger: after,
    log: settled,
    open: named(sum.open, limit),
    calls: sum.calls,
    whole,
    agrees: isZero(tooLittle) && isZero(tooMuch),
    ...(isZero(forgotten) ? {} : { forgotten }),
  };
}

/** When the window of a key begins, in epoch ms; for a tree the birth of its root stands in its id. */
function startOf(key: string): number {
  const start = key.slice(key.lastIndexOf('.') + 1);
  const [, year = '', month = '', day = '01', hour = '00'] =
    /^(\d{4})(\d{2})(\d{2})?(\d{2})?$/.exec(start) ?? [];
  return year === '' ? 0 : Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour));
}

async function readLog(control: Control, budget: Budget): Promise<Log> {
  const { firstSeq } = await streamState(control.nc, 'DECISIONS');
  const outcomes = new Map<string, OutcomeRecord>();
  const decisions: Decided[] = [];
  let since = 0;
  await budget.scan(control, 'DECISIONS', { startSeq: firstSeq, headersOnly: true }, (m) => {
    const decided = decisionIn(m);
    if (decided !== undefined) {
      since = since === 0 && firstSeq > 1 ? decided.record.at : since;
      if (decided.record.budget !== undefined) {
        decisions.push(decided);
      }
    }
    return undefined;
  });
  // After the decisions: whatever was settled meanwhile is found settled.
  await budget.scan(control, 'OUTCOMES', { startSeq: 1, headersOnly: true }, (m) => {
    const outcome = outcomeIn(m);
    if (outcome !== undefined) {
      outcomes.set(keyOf(outcome), outcome);
    }
    return undefined;
  });
  return { sums: sumUp(decisions, outcomes, Date.now()), since };
}

function sumUp(
  decisions: readonly Decided[],
  outcomes: ReadonlyMap<string, OutcomeRecord>,
  nowMs: number,
): Map<string, Sum> {
  const newest = new Map(decisions.map((one) => [keyOf(one.record), one]));
  const sums = new Map<string, Sum>();
  for (const { seq, record } of decisions) {
    const { budget: said } = record;
    if (said === undefined) {
      continue;
    }
    const outcome = outcomes.get(keyOf(record));
    const last = newest.get(keyOf(record));
    const counts = countingOf(last?.seq ?? seq, last?.record.budget ?? said).includes(seq);
    const gone = nowMs > (record.expires ?? record.deadline) + limits.graceMs;
    for (const key of said.nodes) {
      const sum = sums.get(key) ?? { settled: ZERO, open: ZERO, forgotten: ZERO, calls: 0 };
      if (outcome !== undefined) {
        sum.settled = add(sum.settled, portionOf(seq, said, outcome.charged).charged);
      } else if (gone) {
        sum.forgotten = add(sum.forgotten, said.reserve);
      } else if (counts) {
        sum.open = add(sum.open, said.reserve);
      }
      sum.calls += last?.seq === seq ? 1 : 0;
      sums.set(key, sum);
    }
  }
  return sums;
}
