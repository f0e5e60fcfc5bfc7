/**
 * Where the time of a tree of calls went, from what is recorded of each: no trace has to be sampled for it.
 */
import type { CallNode, CallPage } from '../../control/views/pages.js';

/**
 * The parts of the time of one call, one after the other:
 * - `queue`: from its birth until a gateway decided: the caller's publish, CALLS, waiting for capacity, parking;
 * - `decision`: until the decision was durable;
 * - `retries`: until the last attempt was decided, where there was more than one;
 * - `work`: until its agent answered, child calls included;
 * - `settle`: until the outcome was durable.
 */
export const HOPS = ['queue', 'decision', 'retries', 'work', 'settle'] as const;

/** Name of a hop. */
export type Hop = (typeof HOPS)[number];

/** One call with its times. Instants are ms from the birth of the root. */
export interface Timed {
  readonly node: CallNode;
  readonly depth: number;
  readonly children: readonly Timed[];
  readonly startMs: number;
  readonly endMs: number;
  readonly hops: Readonly<Record<Hop, number>>;
  /** Begin of the work, ms from the birth of the root. */
  readonly workMs: number;
  /** Of its work, what the agent did itself: time in which no child call ran. */
  readonly ownMs: number;
}

/** The hop that took longest. */
export interface Slowest {
  readonly from: string;
  readonly call: string;
  readonly capability: string;
  /** `own`: the work of the agent itself. */
  readonly hop: Exclude<Hop, 'work'> | 'own';
  /** Who did the work, for `own`. */
  readonly agent?: string;
  readonly ms: number;
  /** Of the whole time, 0–1. */
  readonly share: number;
}

/** Put the tree together. `below`: only that call and what it called. */
export function timeTree({ calls }: CallPage, below?: string): Timed[] {
  const children = new Map<string, CallNode[]>();
  const keys = new Set(calls.map(keyOf));
  const tops: CallNode[] = [];
  for (const node of calls) {
    const isTop = below === undefined ? !keys.has(node.parent ?? '') : keyOf(node) === below;
    if (isTop) {
      tops.push(node);
    }
    if (node.parent !== undefined) {
      children.set(node.parent, [...(children.get(node.parent) ?? []), node]);
    }
  }
  const zero = Math.min(...tops.map(bornOf));
  return tops.map((node) => timeNode(node, children, zero, 0));
}

/** All calls of the trees, as they are printed. */
export function flat(trees: readonly Timed[]): Timed[] {
  return trees.flatMap((one) => [one, ...flat(one.children)]);
}

/** From the birth of the first to the end of the last. */
export function totalMs(trees: readonly Timed[]): number {
  return Math.max(0, ...flat(trees).map(({ endMs }) => endMs));
}

/** The longest hop of all; the work of an agent counts without its child calls. */
export function slowestOf(trees: readonly Timed[]): Slowest | undefined {
  const total = totalMs(trees);
  const all = flat(trees).flatMap(({ node, hops, ownMs }) => {
    const { from, call, capability } = node;
    const agent = agentOf(node);
    const one = (hop: Slowest['hop'], ms: number): Slowest => ({
      ...{ from, call, capability, hop, ms: round(ms), share: total === 0 ? 0 : round(ms / total) },
      ...(hop === 'own' && agent !== undefined ? { agent } : {}),
    });
    return [
      one('queue', hops.queue),
      one('decision', hops.decision),
      one('retries', hops.retries),
      one('own', ownMs),
      one('settle', hops.settle),
    ];
  });
  return all.reduce<Slowest | undefined>((max, one) => (one.ms > (max?.ms ?? 0) ? one : max), undefined);
}

/** Who answered, or has it. */
export function agentOf({ outcome, attempts }: CallNode): string | undefined {
  return outcome?.agent ?? attempts.at(-1)?.agent;
}

/** Two places are more than the clocks give. */
export function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

function timeNode(
  node: CallNode,
  children: ReadonlyMap<string, readonly CallNode[]>,
  zero: number,
  depth: number,
): Timed {
  const marks = marksOf(node);
  const inner = (children.get(keyOf(node)) ?? []).map((child) => timeNode(child, children, zero, depth + 1));
  const [born, decided, durable, last, answered, end] = marks.map((ms) => ms - zero) as Marks;
  const covered = coverOf(inner, last, answered);
  return {
    node,
    depth,
    children: inner,
    startMs: born,
    endMs: end,
    workMs: last,
    hops: {
      queue: decided - born,
      decision: durable - decided,
      retries: last - durable,
      work: answered - last,
      settle: end - answered,
    },
    ownMs: answered - last - covered,
  };
}

type Marks = [born: number, decided: number, durable: number, last: number, answered: number, end: number];

/** The instants between the hops. Several clocks told them: none lies before the one ahead of it. */
function marksOf(node: CallNode): Marks {
  const { attempts, outcome, status } = node;
  const [first, last] = [attempts[0], attempts.at(-1)];
  const now = Date.now();
  const ended = outcome?.at ?? (status === 'running' || status === 'parked' ? now : undefined);
  const told = [
    bornOf(node),
    first?.at ?? outcome?.at ?? ended,
    first === undefined ? ended : (first.storedAt ?? first.at),
    attempts.length < 2 ? undefined : (last?.storedAt ?? last?.at),
    ended,
    outcome?.storedAt ?? ended,
  ];
  let high = told[0] ?? now;
  return told.map((ms) => (high = Math.max(high, ms ?? high))) as Marks;
}

/** How much of a stretch some child call covers. */
function coverOf(children: readonly Timed[], from: number, to: number): number {
  let covered = 0;
  let until = from;
  for (const { startMs, endMs } of [...children].sort((a, b) => a.startMs - b.startMs)) {
    const [start, end] = [Math.max(startMs, until), Math.min(endMs, to)];
    if (end > start) {
      covered += end - start;
      until = end;
    }
  }
  return covered;
}

function bornOf(node: CallNode): number {
  return node.bornAt ?? node.attempts[0]?.at ?? node.since ?? node.outcome?.at ?? 0;
}

function keyOf({ from, call }: CallNode): string {
  return `${from}.${call}`;
}
