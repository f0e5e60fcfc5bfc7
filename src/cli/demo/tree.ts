/**
 * The tree of calls, from what the streams say.
 */
import type { LedgerCall } from './ledger.js';

/** One call and the calls made for it. */
export interface Hop {
  readonly capability: string;
  readonly from: string;
  readonly agent: string;
  readonly status: string;
  /** Code of its error, unless it completed. */
  readonly code?: string;
  /** Dispatches it took. */
  readonly dispatches: number;
  /** From the making of the call to its first durable decision. */
  readonly decidedMs: number;
  /** From the making of the call to its outcome. */
  readonly totalMs: number;
  readonly path?: string;
  readonly children: readonly Hop[];
}

/** The trees that begin with a root, each hop with its children in the order they were made. */
export function treesOf(calls: Iterable<LedgerCall>): Hop[] {
  const children = new Map<string, LedgerCall[]>();
  for (const call of calls) {
    const parent = call.decisions[0]?.parent ?? '';
    children.set(parent, [...(children.get(parent) ?? []), call]);
  }
  const below = (parent: string): Hop[] =>
    (children.get(parent) ?? [])
      .sort((a, b) => a.bornMs - b.bornMs || ordinal(a) - ordinal(b))
      .map((call) => hopOf(call, below(call.id)));
  return below('');
}

function ordinal(call: LedgerCall): number {
  return call.decisions[0]?.child ?? 0;
}

function hopOf({ decisions, outcomes, bornMs, path }: LedgerCall, children: readonly Hop[]): Hop {
  const [first] = decisions;
  const last = decisions.at(-1);
  const [outcome] = outcomes;
  return {
    capability: first?.capability ?? '',
    from: first?.from ?? '',
    agent: outcome?.agent ?? last?.agent ?? '',
    status: outcome?.status ?? 'open',
    ...(outcome?.code === undefined ? {} : { code: outcome.code }),
    dispatches: Math.max(0, ...decisions.map((decision) => decision.dispatches ?? decision.attempt)),
    decidedMs: (first?.at ?? bornMs) - bornMs,
    totalMs: (outcome?.at ?? bornMs) - bornMs,
    ...(path === undefined ? {} : { path }),
    children,
  };
}

/** Hops that look the same: the slowest stands for all. */
export interface Fold {
  readonly shown: Hop;
  readonly count: number;
  readonly fastestMs: number;
  readonly children: readonly Fold[];
}

/** Fold brothers of one shape into one line. */
export function fold(hops: readonly Hop[]): Fold[] {
  const groups = new Map<string, Hop[]>();
  for (const hop of hops) {
    const shape = shapeOf(hop);
    groups.set(shape, [...(groups.get(shape) ?? []), hop]);
  }
  return [...groups.values()].flatMap((group) => {
    const sorted = group.toSorted((a, b) => a.totalMs - b.totalMs);
    const [fastest, slowest] = [sorted[0], sorted.at(-1)];
    return fastest === undefined || slowest === undefined
      ? []
      : [
          {
            shown: slowest,
            count: group.length,
            fastestMs: fastest.totalMs,
            children: fold(slowest.children),
          },
        ];
  });
}

function shapeOf(hop: Hop): string {
  const inner = [...new Set(hop.children.map(shapeOf))].sort();
  return `${hop.capability} ${hop.status} ${hop.dispatches > 1} (${inner.join(', ')})`;
}
