/**
 * What a policy can say about breakers: `breakers`.
 */
import { breakerDefaults } from '../care/breaker-rules.js';
import type { Field, Flag, Keys, Names, Text, Whole } from './shape.js';

const d = breakerDefaults;

const capability: Text = {
  is: 'text',
  expected: 'a capability: 1 to 8 words of a-z 0-9 _ - with dots between them',
  pattern: /^[a-z0-9_-]{1,64}(?:\.[a-z0-9_-]{1,64}){0,7}$/,
};

const breaker = {
  is: 'keys',
  fields: {
    failures: percent('It opens from this share of failed and lost ends on, in percent.', d.failures),
    slow: plain(time(10, 3_600_000), 'An answer that takes longer is slow. Default: none is.'),
    slowShare: percent('It opens from this share of slow ends on, in percent.', d.slowShare),
    minimum: whole(1, 10_000, 'Ends in the window that it takes to judge.', d.minimum),
    window: duration(100, 600_000, 'How far back ends count.', d.window),
    open: duration(
      100,
      3_600_000,
      'How long it stays open before one call may try; doubled with each time in a row.',
      d.open,
    ),
    openMax: duration(100, 3_600_000, 'The longest that it stays open.', d.openMax),
    ramp: duration(0, 3_600_000, 'After it closed, traffic grows to its full amount over this time.', d.ramp),
    callerShare: percent(
      'One caller makes up at most this share of the minimum, where it opens for others too.',
      d.callerShare,
    ),
    fallback: plain(
      capability,
      'Which capability is called instead when all agents are out; its contract must be the same. Default: the call is refused.',
    ),
    park: plain<Flag>({ is: 'flag' }, 'Calls are parked when all agents are out. Default: they are refused.'),
  },
} as const satisfies Keys;

/** Breakers by pattern of the capability. */
export function breakersShape(pattern: Text): Field<Names<typeof breaker>> {
  return {
    shape: { is: 'names', key: pattern, of: breaker },
    what: 'When agents get no calls for a while, by capability; the first pattern that fits counts. Without it no breaker opens.',
  };
}

function time(min: number, max: number): Whole {
  return { is: 'whole', min, max, unit: 'ms' };
}

function duration(min: number, max: number, what: string, fallback: number): Field<Whole> {
  return { shape: time(min, max), what: `${what} Default: ${fallback} ms.`, fallback };
}

function whole(min: number, max: number, what: string, fallback: number): Field<Whole> {
  return { shape: { is: 'whole', min, max }, what: `${what} Default: ${fallback}.`, fallback };
}

function percent(what: string, fallback: number): Field<Whole> {
  return whole(1, 100, what, fallback);
}

function plain<S extends Field['shape']>(shape: S, what: string): Field<S> {
  return { shape, what };
}
