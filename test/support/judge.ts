/**
 * The judge of a run under faults: from what callers saw, what retries saw, what the register holds and what agents
 * did, every broken promise by name. Pure, so that planted histories can show that it sees.
 */

/** What a caller was told about one id: `completed:{value}` or `{status}:{code}`. */
export type Told = string;

export interface History {
  /** Every id that was called, with the first answer. Missing: no answer came. */
  readonly first: ReadonlyMap<string, Told | undefined>;
  /** The answer to a retry of the same id. */
  readonly again: ReadonlyMap<string, Told | undefined>;
  /** Keys (`from.call`) of the register, one entry per message. */
  readonly register: readonly string[];
  /** Keys of the effects in order. */
  readonly effects: readonly string[];
  readonly caller: string;
  readonly idempotent: boolean;
}

export interface Verdict {
  readonly calls: number;
  readonly completed: number;
  readonly unknown: number;
  /** Ids without an answer (D1). */
  readonly lost: string[];
  /** Ids with two outcomes, or another answer to a retry (D2). */
  readonly doubled: string[];
  /** Effects made twice although the capability is not idempotent (D3). */
  readonly effectsTwice: string[];
  /** Completed without an effect, or an effect of a call nobody made. */
  readonly disagree: string[];
  readonly other: string[];
}

/** Judge a history. */
export function judge(h: History): Verdict {
  const counts = new Map<string, number>();
  h.effects.forEach((key) => counts.set(key, (counts.get(key) ?? 0) + 1));
  const entries = [...h.first];
  const keyOf = (id: string) => `${h.caller}.${id}`;
  const known = new Set(entries.map(([id]) => keyOf(id)));
  const registered = new Map<string, number>();
  h.register.forEach((key) => registered.set(key, (registered.get(key) ?? 0) + 1));
  const completed = entries.filter(([, told]) => told?.startsWith('completed:') === true);
  return {
    calls: entries.length,
    completed: completed.length,
    unknown: entries.filter(([, told]) => told?.startsWith('unknown:') === true).length,
    lost: entries.filter(([id, told]) => told === undefined || !registered.has(keyOf(id))).map(([id]) => id),
    doubled: entries
      .filter(
        ([id, told]) => (registered.get(keyOf(id)) ?? 0) > 1 || (h.again.has(id) && h.again.get(id) !== told),
      )
      .map(([id]) => id),
    effectsTwice: h.idempotent ? [] : [...counts].filter(([, n]) => n > 1).map(([key]) => key),
    disagree: [
      ...completed
        .filter(([id]) => !counts.has(keyOf(id)))
        .map(([id]) => `${id}: completed without an effect`),
      ...[...counts.keys()].filter((key) => !known.has(key)).map((key) => `${key}: an effect of no call`),
    ],
    other: entries
      .filter(([, told]) => told !== undefined && !/^(completed|unknown):/.test(told))
      .map(([id, told]) => `${id} ${told}`),
  };
}
