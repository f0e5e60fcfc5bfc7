/**
 * What a result says that its task used, and how much that is worth: the policy names the agents that measure.
 */
import { readUsage, type Used } from '../wire/usage.js';
import { header, type HeaderBlock } from '../wire/headers.js';
import type { Core } from './core.js';

const NOTHING: Used = {};

/** The usage of a result of this agent, under the word for how it is known. */
export function usedOf({ policy }: Pick<Core, 'policy'>, agent: string, headers: HeaderBlock): Used {
  const text = headers.get(header.usage);
  const usage = text === undefined ? undefined : readUsage(text);
  if (usage === undefined) {
    return NOTHING;
  }
  if (!policy.meters.has(agent)) {
    return { reported: usage };
  }
  return headers.get(header.usageBound) === undefined ? { measured: usage } : { bounded: usage };
}
