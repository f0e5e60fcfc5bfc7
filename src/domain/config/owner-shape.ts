/**
 * What `mesh.policy.yaml` can say of an owner: a team with a policy file of its own, and the limits of that file.
 */
import { limits } from '../../wire/limits.js';
import type { Choice, Field, Flag, Keys, List, Text, Whole } from './shape.js';
import type { Effect } from '../rules/types.js';

/** A name, or its beginning and a star. */
const glob: Text = {
  is: 'text',
  expected: 'a name, or its beginning with a * behind it',
  pattern: /^(?:[^\n*]{1,64}|[^\n*]{0,63}\*)$/,
};

/** Names of owners: short, because they stand in the names of rules. */
export const ownerName: Text = {
  is: 'text',
  expected: 'a name: 1 to 32 of a-z 0-9 _ -',
  pattern: /^[a-z0-9_-]{1,32}$/,
};

const path: Text = {
  is: 'text',
  expected: 'a path from the folder of this file',
  pattern: /^[^\0\n]{1,256}$/,
};
const effect: Choice<Effect> = { is: 'choice', of: ['allow', 'deny', 'hold', 'ask'] };

/** One owner. `pattern` is that of a capability, `role` the name of a role. */
export function ownerShape(pattern: Text, role: Text) {
  return {
    is: 'keys',
    fields: {
      file: { ...field(path, 'Its policy file, from the folder of this one.'), needed: true },
      capabilities: {
        ...field<List<Text>>({ is: 'list', of: pattern }, 'Patterns of the capabilities it speaks about.'),
        needed: true,
      },
      may: field<List<typeof effect>>(
        { is: 'list', of: effect },
        'Effects of the rules that it may set. Default: none.',
      ),
      roles: field<List<Text>>(
        { is: 'list', of: glob },
        'Roles that it may define, by name (a * at the end fits all that follows). Default: none.',
      ),
      members: field<List<Text>>(
        { is: 'list', of: glob },
        'Members that it may give its roles to, by name (a * as above). Default: none.',
      ),
      approvers: field<List<Text>>(
        { is: 'list', of: role },
        'Roles of this file that its rules may name as approvers, beside its own. Default: none.',
      ),
      reviewers: field<List<Text>>(
        { is: 'list', of: pattern },
        'Patterns of the capabilities that its rules may ask, beside its own. Default: none.',
      ),
      mayRoot: field<Flag>(
        { is: 'flag' },
        'May its roles let members begin trees of calls, with a call of its capabilities? Default: no.',
      ),
      maxRules: field<Whole>(
        { is: 'whole', min: 0, max: limits.rules },
        `Rules of its file at most. Default: ${limits.ownerRules}.`,
      ),
      maxHold: field<Whole>(
        { is: 'whole', min: 1_000, max: limits.lifeMaxMs, unit: 'ms' },
        'How long its rules may hold a call at most. Default: until the deadline of the call.',
      ),
    },
  } as const satisfies Keys;
}

function field<S extends Field['shape']>(shape: S, what: string): Field<S> {
  return { shape, what };
}
