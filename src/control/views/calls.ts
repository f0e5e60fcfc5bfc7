/**
 * View of calls: the newest first, with where they stand.
 */
import { getLast } from '../../fabric/reader.js';
import { subject } from '../../wire/generated/subjects.js';
import type { View } from '../../wire/generated/messages.js';
import { meshError } from '../../wire/errors.js';
import type { Token } from '../../wire/names.js';
import type { Control } from '../core.js';
import { Budget, eachOf, fit, mark } from './bounds.js';
import { CALL_STATES, type CallRow, type CallsPage, type CallState } from './pages.js';
import { recentCalls, type Recent } from './recent.js';
import { outcomeIn, stateOf } from './records.js';
import { waitingCalls, type WaitingCall } from './waiting.js';

const ROWS = 50;
const READS_AT_ONCE = 16;
const CHUNK = 64;

const STATES: ReadonlySet<string> = new Set(CALL_STATES);
const UNDECIDED: ReadonlySet<string> = new Set<CallState>(['parked', 'accepted']);

/** The newest calls, of one caller or in one state if so asked. Throws schema_violation for an unknown state. */
export async function viewCalls(
  control: Control,
  { from, context, status, limit = ROWS }: View,
): Promise<CallsPage> {
  if (status !== undefined && !STATES.has(status)) {
    const errors = [`/status: must be one of ${[...STATES].join(', ')}`];
    throw meshError('schema_violation', { capability: 'view.calls', errors });
  }
  const budget = new Budget();
  const undecided = status === undefined || UNDECIDED.has(status);
  const waiting = undecided
    ? (await waitingCalls(control, budget, from)).filter((one) => (context ?? one.context) === one.context)
    : [];
  const decided =
    status !== undefined && undecided
      ? []
      : await decidedRows(control, budget, { from, context, status, limit });
  const known = new Set(decided.map(({ from: who, call }) => `${who}.${call}`));
  const all = [
    ...decided,
    ...waiting
      .filter((one) => (status ?? one.status) === one.status && !known.has(`${one.from}.${one.call}`))
      .map(waitingRow),
  ];
  const { rows, cut } = fit(all.sort((a, b) => b.at - a.at).slice(0, limit));
  return { calls: rows, ...mark(cut || budget.truncated) };
}

interface Wanted {
  readonly from: string | undefined;
  readonly context: string | undefined;
  readonly status: string | undefined;
  readonly limit: number;
}

async function decidedRows(
  control: Control,
  budget: Budget,
  { from, context, status, limit }: Wanted,
): Promise<CallRow[]> {
  const rows: CallRow[] = [];
  const fits = (call: Recent) =>
    (context ?? call.record.context) === call.record.context &&
    (status ?? rowOf(call).status) === rowOf(call).status;
  for await (const window of recentCalls(control, budget, from)) {
    const fitting = window.filter(fits);
    for (let i = 0; i < fitting.length && rows.length < limit; i += CHUNK) {
      const sure = await confirmed(control, fitting.slice(i, i + CHUNK));
      rows.push(...sure.filter(fits).map(rowOf));
    }
    if (rows.length >= limit) {
      break;
    }
  }
  return rows;
}

/** What looks as if it ran may have been settled meanwhile, or be known to the register only: the leader knows. */
async function confirmed(control: Control, calls: readonly Recent[]): Promise<Recent[]> {
  const sure = [...calls];
  await eachOf([...sure.entries()], READS_AT_ONCE, async ([i, call]) => {
    if (rowOf(call).status === 'running') {
      const to = subject.settle({ from: call.record.from as Token, call: call.record.call as Token });
      const stored = await getLast(control.nc, 'OUTCOMES', to);
      sure[i] = { ...call, outcome: stored === undefined ? undefined : outcomeIn(stored) };
    }
  });
  return sure;
}

function rowOf({ record, outcome }: Recent): CallRow {
  const { from, call, capability, root, parent, context, at } = record;
  const code = outcome?.code ?? record.error?.code;
  const agent = outcome?.agent ?? record.agent;
  const instance = outcome?.instance ?? record.instance;
  return {
    from,
    call,
    capability,
    status: stateOf(record, outcome, Date.now()),
    ...(code === undefined ? {} : { code }),
    ...(agent === 'none' ? {} : { agent }),
    ...(instance === undefined ? {} : { instance }),
    attempt: record.attempt,
    root,
    ...(parent === undefined ? {} : { parent }),
    ...(context === undefined ? {} : { context }),
    at,
    ...(outcome === undefined ? {} : { tookMs: Math.max(0, outcome.at - at) }),
  };
}

function waitingRow({
  status,
  from,
  call,
  capability,
  root,
  parent,
  context,
  since,
  why,
}: WaitingCall): CallRow {
  return {
    from,
    call,
    capability,
    status,
    attempt: 0,
    root,
    ...(parent === undefined ? {} : { parent }),
    ...(context === undefined ? {} : { context }),
    at: since,
    why,
    since,
  };
}
