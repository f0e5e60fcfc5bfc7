/**
 * Who takes what: an agent gets only bodies of a kind that its card says it takes, and references only if it reads
 * them. Nothing is converted on the way: the bytes that were judged, recorded and digested are those the agent gets.
 */
import type { BodyType } from '../wire/content.js';
import type { Entry } from './registry.js';
import type { Instance } from './roster.js';

/** What a body asks of whoever takes it. */
export interface BodyNeeds {
  readonly type: BodyType;
  /** It comes by reference. */
  readonly byRef: boolean;
}

/** Does the agent take it? Undefined when everybody does: JSON within the message, the common case. */
export function takerOf(
  entry: Entry,
  { type, byRef }: BodyNeeds,
): ((instance: Instance) => boolean) | undefined {
  if (type === 'json' && !byRef && !entry.picky) {
    return undefined;
  }
  return ({ agent }) => {
    const offer = entry.offers.get(agent);
    return offer !== undefined && offer.takes.includes(type) && (!byRef || offer.references);
  };
}

/** What is taken of a capability, for an error that helps; undefined when somebody takes this. */
export function takenInstead(entry: Entry, { type, byRef }: BodyNeeds): string | undefined {
  const offers = [...entry.offers.values()];
  if (offers.some((offer) => offer.takes.includes(type) && (!byRef || offer.references))) {
    return undefined;
  }
  const taken = new Set(offers.flatMap((offer) => offer.takes));
  const refs = offers.some((offer) => offer.references) ? '' : ', nothing by reference';
  return `; taken are: ${[...taken].join(', ')}${refs}`;
}
