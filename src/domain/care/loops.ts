/**
 * When a tree of calls is stopped because it goes in circles: bounds by capability, from the policy.
 */
import { limits } from '../../wire/limits.js';
import { ByPattern } from './by-pattern.js';

/** What the policy says of capabilities under one pattern. */
export interface LoopSource {
  readonly depth?: number | undefined;
  readonly repeats?: number | undefined;
  readonly same?: number | undefined;
  readonly idle?: number | undefined;
}

/** The bounds of calls of one capability. */
export interface LoopBounds {
  /** Calls in a chain at most. */
  readonly depth: number;
  /** How often the capability may stand in its own chain. */
  readonly repeats: number;
  /** How often the same request may be made in one tree. */
  readonly same: number;
  /** Calls of a tree that may end in a row without a result that is new to it. */
  readonly idle: number;
}

/** The bounds by capability. What a pattern does not say is as without a policy. */
export function loopsOf(sources: Readonly<Record<string, LoopSource>> = {}): ByPattern<LoopBounds> {
  const otherwise: LoopBounds = {
    depth: limits.chainDepth,
    repeats: limits.chainRepeats,
    same: limits.treeRepeats,
    idle: limits.treeIdle,
  };
  const entries = Object.entries(sources).map(([pattern, said]): [string, LoopBounds] => [
    pattern,
    {
      depth: said.depth ?? otherwise.depth,
      repeats: said.repeats ?? otherwise.repeats,
      same: said.same ?? otherwise.same,
      idle: said.idle ?? otherwise.idle,
    },
  ]);
  return new ByPattern(entries, otherwise);
}
