/**
 * The card of an instance: what it offers, as it says hello.
 */
import type { Card } from '../wire/generated/messages.js';
import { limits } from '../wire/limits.js';
import type { CapabilityOptions, ConnectOptions } from './options.js';

/** What every instance of the SDK reads, unless its user says otherwise. */
const TAKES = ['json', 'msgpack'];

/** Make it from what is served. */
export function cardOf(
  { concurrency = limits.concurrencyDefault, description }: ConnectOptions,
  served: ReadonlyMap<string, { readonly options: CapabilityOptions }>,
): Card {
  return {
    concurrency,
    ...(description === undefined ? {} : { description }),
    capabilities: [...served].map(([name, { options }]) => ({
      version: '1.0',
      takes: TAKES,
      ...options,
      references: true,
      name,
    })) as Card['capabilities'],
  };
}
