/**
 * What the log says of money.
 */
import { getBySeq, getLast, scan, type Stored } from '../../fabric/reader.js';
import { wantedOf, type LoggedDecision, type Settled } from '../../domain/budget/closing.js';
import type { Checkpoint } from '../../domain/budget/reservation.js';
import { subject } from '../../wire/generated/subjects.js';
import type { DecisionRecord, OutcomeRecord } from '../../wire/generated/messages.js';
import { header } from '../../wire/headers.js';
import { limits } from '../../wire/limits.js';
import type { Token } from '../../wire/names.js';
import type { Control } from '../core.js';

const AT_ONCE = 64;

/** The decision in a stored message, if it reserved anything. */
export function loggedIn({ seq, headers }: Stored): LoggedDecision | undefined {
  const text = headers.get(header.record);
  const record = text === undefined ? undefined : (JSON.parse(text) as DecisionRecord);
  const budget = record?.verdict === 'allow' ? record.budget : undefined;
  if (record === undefined || budget === undefined) {
    return undefined;
  }
  const expires = (record.expires ?? record.deadline) + limits.graceMs;
  return { seq, call: `${record.from}.${record.call}`, budget, expires };
}

/** Decisions after a checkpoint, and those that were open in it. */
export async function decisionsAfter({ nc }: Control, checkpoint: Checkpoint): Promise<LoggedDecision[]> {
  const { from, open } = wantedOf(checkpoint);
  const before = await inBatches(open, async (seq) => {
    const stored = await getBySeq(nc, 'DECISIONS', seq);
    return stored === undefined ? undefined : loggedIn(stored);
  });
  const after: LoggedDecision[] = [];
  await scan(nc, 'DECISIONS', { startSeq: from, headersOnly: true }, (stored) => {
    after.push(...[loggedIn(stored)].flatMap((one) => one ?? []));
    return undefined;
  });
  return [...before.flatMap((one) => one ?? []), ...after];
}

/** Decisions by their sequences. */
export async function decisionsAt({ nc }: Control, seqs: readonly number[]): Promise<LoggedDecision[]> {
  const found = await inBatches(seqs, async (seq) => {
    const stored = await getBySeq(nc, 'DECISIONS', seq);
    return stored === undefined ? undefined : loggedIn(stored);
  });
  return found.flatMap((one) => one ?? []);
}

/**
 * The outcomes of these decisions, by call. A call whose life is over and that has none any more counts as one nobody
 * knows anything of: what it reserved is charged.
 */
export async function outcomesOf(
  { nc }: Control,
  decisions: readonly LoggedDecision[],
): Promise<Map<string, Settled>> {
  const found = new Map<string, Settled>();
  const byCall = new Map(decisions.map((one) => [one.call, one]));
  await inBatches([...byCall.values()], async ({ call, expires }) => {
    const cut = call.indexOf('.');
    const to = subject.settle({ from: call.slice(0, cut) as Token, call: call.slice(cut + 1) as Token });
    const text = (await getLast(nc, 'OUTCOMES', to))?.headers.get(header.outcome);
    if (text !== undefined) {
      found.set(call, { charged: (JSON.parse(text) as OutcomeRecord).charged });
    } else if (Date.now() > expires + limits.graceMs) {
      found.set(call, { charged: undefined });
    }
  });
  return found;
}

async function inBatches<T, R>(list: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let i = 0; i < list.length; i += AT_ONCE) {
    results.push(...(await Promise.all(list.slice(i, i + AT_ONCE).map(work))));
  }
  return results;
}
