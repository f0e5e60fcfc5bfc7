/**
 * The chain in parts: the same guards in the same order, some of them judged elsewhere.
 */
import type { Stage } from '../wire/stages.js';
import { admitted, guards, runGuards, stages, type ChainVerdict } from './chain.js';
import type { Draft, World } from './draft.js';
import type { Guard } from './verdict.js';

/** A part of the chain: guards that run here, or a stage that an interceptor proves. */
export type ChainPart = { readonly guards: readonly Guard[] } | { readonly stage: Stage };

/** What the parts say: a verdict, or that this stage must be asked, which stands at this place. */
export type Step = ChainVerdict | { readonly verdict: 'ask'; readonly stage: Stage; readonly at: number };

/** The chain with these stages elsewhere. */
export function partsOf(split: readonly Stage[]): readonly ChainPart[] {
  const parts: ({ guards: Guard[] } | { stage: Stage })[] = [];
  for (const guard of guards) {
    const stage = split.find((one) => stages[one].includes(guard));
    const last = parts.at(-1);
    if (stage === undefined && last !== undefined && 'guards' in last) {
      last.guards.push(guard);
    } else if (stage === undefined) {
      parts.push({ guards: [guard] });
    } else if (last === undefined || !('stage' in last) || last.stage !== stage) {
      parts.push({ stage });
    }
  }
  return parts;
}

/** Go through the parts from this one on, until one of them says no or not yet, or somebody else must be asked. */
export function runParts(draft: Draft, world: World, parts: readonly ChainPart[], from: number): Step {
  for (let at = from; at < parts.length; at++) {
    const part = parts[at] as ChainPart;
    if ('stage' in part) {
      return { verdict: 'ask', stage: part.stage, at };
    }
    const verdict = runGuards(draft, world, part.guards);
    if (verdict !== undefined) {
      return verdict;
    }
  }
  return admitted(draft);
}
