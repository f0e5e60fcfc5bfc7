/**
 * Finding one call: from its outcome, among those that wait, or from the birth in its id.
 */
import { getLast } from '../../fabric/reader.js';
import type { OutcomeRecord } from '../../wire/generated/messages.js';
import { meshError } from '../../wire/errors.js';
import { header } from '../../wire/headers.js';
import { limits } from '../../wire/limits.js';
import type { Control } from '../core.js';
import type { Budget } from './bounds.js';
import { bornAt, decisionIn, keyOf, outcomeIn } from './records.js';
import type { WaitingCall } from './waiting.js';

/** Where DECISIONS begins to tell of a call. */
export type Start = { readonly startSeq: number } | { readonly startTimeMs: number };

/** A call that was found, and the root of its tree. */
export interface Located {
  readonly key: string;
  readonly root: string;
}

/** Clocks of callers may run ahead of the mesh by a little; by more only up to the limit. */
const SKEW_MS = 3_000;
const SKEWS_MS = [SKEW_MS, limits.clockSkewMs + SKEW_MS];

/** Find a call by its id; without `from`, the newest of that id. Throws not_found. */
export async function locate(
  control: Control,
  budget: Budget,
  waiting: readonly WaitingCall[],
  call: string,
  from?: string,
): Promise<Located> {
  const outcome = await outcomeOf(control, from ?? '*', call);
  if (outcome !== undefined) {
    return { key: keyOf(outcome), root: outcome.root ?? keyOf(outcome) };
  }
  const parked = waiting.find((one) => one.call === call && (from ?? one.from) === one.from);
  const found = (await searchDecisions(control, budget, call, from)) ?? parked;
  if (found === undefined) {
    const name = from === undefined ? call : `${from}.${call}`;
    throw budget.truncated ? tooMuch(name) : meshError('not_found', { what: 'the call', name });
  }
  return { key: keyOf(found), root: found.root };
}

/** It was looked for, but not everywhere: that is said. */
function tooMuch(name: string): Error {
  const where = `among the ${limits.viewScan} decisions after its birth that a view reads`;
  return meshError('not_found', { what: 'the call', name: `${name} (${where})` });
}

/** The outcome in the register, by the leader's word. `from` may be `*`. */
export async function outcomeOf(
  control: Control,
  from: string,
  call: string,
): Promise<OutcomeRecord | undefined> {
  const stored = await getLast(control.nc, 'OUTCOMES', `mesh.v1.settle.${from}.${call}`);
  return stored === undefined ? undefined : outcomeIn(stored);
}

async function searchDecisions(
  control: Control,
  budget: Budget,
  call: string,
  from?: string,
): Promise<{ from: string; call: string; root: string } | undefined> {
  const born = bornAt(call);
  let found: { from: string; call: string; root: string } | undefined;
  for (const skew of born === undefined ? [] : SKEWS_MS) {
    const start = startAt(born ?? 0, skew);
    await budget.scan(control, 'DECISIONS', { ...start, headersOnly: true }, (m) => {
      const maybe = m.headers.get(header.record)?.includes(call) === true;
      const record = maybe ? decisionIn(m)?.record : undefined;
      if (record?.call === call && (from ?? record.from) === record.from) {
        found = record;
      }
      return found === undefined;
    });
    if (found !== undefined) {
      break;
    }
  }
  return found;
}

/** Where to begin to read a tree, the likeliest place first. */
export function startsOf(root: string, outcome: OutcomeRecord | undefined): Start[] {
  const born = bornAt(root.slice(root.indexOf('.') + 1));
  if (outcome !== undefined && outcome.seq > 0 && (outcome.attempt === 1 || born === undefined)) {
    return [{ startSeq: outcome.seq }]; // its first decision; children come later
  }
  return born === undefined ? [] : SKEWS_MS.map((skew) => startAt(born, skew));
}

/** An id can name any instant, also one that the server could not read. */
function startAt(bornMs: number, skewMs: number): Start {
  return { startTimeMs: Math.max(0, Math.min(bornMs, Date.now()) - skewMs) };
}
