/**
 * What `mesh.policy.yaml` can say of traffic: whose calls go first, and how much of them there may be.
 */
import type { Each } from '../rate/limits.js';
import type { Choice, Field, Keys, List, Text, Whole } from './shape.js';

/** Who may say which priority. `role` is the name of a role. */
export function priorityShape(role: Text) {
  const roles: List<Text> = { is: 'list', of: role };
  return {
    is: 'keys',
    fields: {
      critical: field(roles, 'Roles whose members may say that a call is critical. Default: none.'),
      experimental: field(
        roles,
        'Roles whose members are experimental at most, also when they say nothing. Default: none.',
      ),
    },
  } as const satisfies Keys;
}

const MOST = 1_000_000;
const whole: Whole = { is: 'whole', min: 1, max: MOST };
const rate: Text = {
  is: 'text',
  expected: 'a number of calls a second or a minute, such as 100/s or 30/min',
  pattern: /^[1-9]\d{0,6}\/(?:s|min)$/,
};
const glob: Text = {
  is: 'text',
  expected: 'a name, or its beginning with a * behind it',
  pattern: /^(?:[a-z0-9_-]{1,64}|[a-z0-9_-]{0,63}\*)$/,
};
const each: Choice<Each> = {
  is: 'choice',
  of: ['principal', 'caller', 'agent', 'capability', 'tree'],
};

/** One limit. `pattern` is that of a capability. */
export function rateShape(pattern: Text) {
  return {
    is: 'keys',
    fields: {
      each: {
        ...field(each, 'Who is counted one by one; a principal is whose tree of calls it is.'),
        needed: true,
      },
      who: field<List<Text>>({ is: 'list', of: glob }, 'Only these names. Default: all.'),
      capability: field<List<Text>>({ is: 'list', of: pattern }, 'Only calls of these. Default: all.'),
      rate: field(rate, 'Calls that may begin in a second or a minute.'),
      burst: field(whole, 'Calls that may begin at once. Default: those of a tenth of a second.'),
      concurrency: field(whole, 'Calls in flight at once.'),
      fanOut: field(whole, 'Calls that one task may make.'),
      depth: field(whole, 'Calls above each other.'),
      calls: field({ ...whole, min: 2 }, 'Calls of one tree in all (`each: tree`).'),
      queue: field(whole, 'Calls of one caller that wait for their turn in one gateway (`each: caller`).'),
    },
  } as const satisfies Keys;
}

function field<S extends Field['shape']>(shape: S, what: string): Field<S> {
  return { shape, what };
}
