/**
 * What a policy can say about retries: `retries`.
 */
import { limits } from '../../wire/limits.js';
import { retryDefaults, type RetryRules } from '../care/retries.js';
import type { Choice, Field, Keys, Names, Text, Whole } from './shape.js';

const d = retryDefaults;
const kinds: Choice<RetryRules['of']> = { is: 'choice', of: ['transient', 'any'] };

const hedge = {
  is: 'keys',
  fields: {
    after: {
      shape: {
        is: 'text',
        expected: 'p95, or a time such as 200ms',
        pattern: /^(?:p95|\d{1,9}(?: ?(?:ms|s|min|m))?)$/,
        digits: limits.hedgeMaxMs,
      },
      what: 'When the second one gets it: after this time, or when it takes longer than 95 percent of the attempts. Default: p95.',
      fallback: d.hedge.after,
    } satisfies Field<Text>,
    share: whole(
      { is: 'whole', min: 1, max: 100 },
      'Calls at most that get a second one, in percent of all.',
      d.hedge.share,
    ),
  },
} as const satisfies Keys;

const retry = {
  is: 'keys',
  fields: {
    attempts: whole(
      { is: 'whole', min: 1, max: limits.dispatches },
      'Dispatches at most, the first one included.',
      d.attempts,
    ),
    of: {
      shape: kinds,
      what: 'Which failures are tried again: those that may pass by themselves, or any of an agent. Default: transient.',
      fallback: d.of,
    } satisfies Field<typeof kinds>,
    backoff: whole(ms(1), 'Wait before the first retry, doubled with each; half of it is jitter.', d.backoff),
    backoffMax: whole(ms(1), 'The longest wait.', d.backoffMax),
    budget: whole(
      { is: 'whole', min: 1, max: 100 },
      'Retries at most, in percent of the calls: a gateway makes no more, whoever fails.',
      d.budget,
    ),
    hedge: {
      shape: hedge,
      what: 'A second agent gets a call that takes long, and the first answer counts. Without it none does.',
    } satisfies Field<typeof hedge>,
  },
} as const satisfies Keys;

/** Retries by pattern of the capability. */
export function retriesShape(pattern: Text): Field<Names<typeof retry>> {
  return {
    shape: { is: 'names', key: pattern, of: retry },
    what: 'When failed calls of idempotent capabilities are tried again, by capability; the first pattern that fits counts. Without it none is.',
  };
}

function ms(min: number): Whole {
  return { is: 'whole', min, max: 600_000, unit: 'ms' };
}

function whole(shape: Whole, what: string, fallback: number): Field<Whole> {
  return { shape, what: `${what} Default: ${fallback}${shape.unit === 'ms' ? ' ms' : ''}.`, fallback };
}
