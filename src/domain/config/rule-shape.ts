/**
 * What a rule of `mesh.policy.yaml` can say.
 */
import { limits } from '../../wire/limits.js';
import type { Choice, Field, Keys, List, Names, Text, Whole } from './shape.js';
import { sendable, type Before } from '../rules/asks.js';
import type { Effect } from '../rules/types.js';

const token = '[a-z0-9_-]{1,64}';

const name: Text = {
  is: 'text',
  expected: 'a name: 1 to 64 of a-z 0-9 _ -',
  pattern: new RegExp(`^${token}$`),
};
const ruleName: Text = {
  is: 'text',
  expected: 'a name: 1 to 64 of a-z 0-9 _ . -',
  pattern: /^[a-z0-9][a-z0-9_.-]{0,63}$/,
};
const role: Text = { is: 'text', expected: 'the name of a role', pattern: /^[^\n]{1,64}$/ };
const plain: Text = {
  is: 'text',
  expected: 'a text of 1 to 256 characters',
  pattern: /^[^\n]{1,256}$/,
};
const prose: Text = {
  is: 'text',
  expected: `a text of 1 to ${limits.ruleText} characters`,
  pattern: new RegExp(`^[^]{1,${limits.ruleText}}$`),
};
const condition: Text = {
  is: 'text',
  expected: `a condition in CEL of at most ${limits.ruleChars} characters`,
  pattern: /./, // its length is looked at where it is compiled: there the rule is named
};

const effect: Choice<Effect> = { is: 'choice', of: ['allow', 'deny', 'hold', 'ask'] };
const before: Choice<Before> = { is: 'choice', of: ['dispatch', 'outcome'] };
const send: Choice<(typeof sendable)[number]> = { is: 'choice', of: sendable };
const labels: Names<Text> = { is: 'names', key: name, of: plain };
const obligations: Names<Text> = { is: 'names', key: name, of: prose };

/** Which calls a rule looks at. `pattern` is that of a capability. */
function matchShape(pattern: Text) {
  return {
    is: 'keys',
    fields: {
      capability: field<List<Text>>({ is: 'list', of: pattern }, 'Patterns of capabilities. Default: all.'),
      from: field<List<Text>>({ is: 'list', of: name }, 'Callers, or those above them in the chain.'),
      role: field<List<Text>>({ is: 'list', of: role }, 'Roles of callers, or of those above them.'),
      agent: field<List<Text>>({ is: 'list', of: name }, 'Agents that would do it.'),
      root: field<List<Text>>({ is: 'list', of: name }, 'Root principals of the tree of calls.'),
      intent: field<List<Text>>({ is: 'list', of: plain }, 'Intents of the call.'),
      labels: field(labels, 'Labels of the call, each with this value. They are the word of the caller.'),
    },
  } as const satisfies Keys;
}

/** Whom a rule asks. */
function askShape(pattern: Text) {
  return {
    is: 'keys',
    fields: {
      capability: {
        ...field(capabilityOf(pattern), 'Capability that the reviewing agent serves.'),
        needed: true,
      },
      before: {
        ...field(
          before,
          'dispatch: before anything is given out; outcome: before the caller gets the answer.',
        ),
        needed: true,
      },
      timeout: field<Whole>(
        { is: 'whole', min: 10, max: limits.askMaxMs, unit: 'ms' },
        `How long the answer is waited for. Default: ${limits.askMs / 1_000}s.`,
      ),
      send: field<List<typeof send>>(
        { is: 'list', of: send },
        'What the reviewer is told, beside names and digests. Default: all there is.',
      ),
    },
  } as const satisfies Keys;
}

/** A capability is a pattern that stands for itself only. */
function capabilityOf({ pattern }: Text): Text {
  return {
    is: 'text',
    expected: 'the name of a capability, without * and >',
    pattern: new RegExp(`^(?!.*[*>])${pattern.source.replace(/^\^/, '')}`),
  };
}

/** One rule. */
export function ruleShape(pattern: Text) {
  return {
    is: 'keys',
    fields: {
      name: { ...field(ruleName, 'Name of the rule: it stands in errors and decisions.'), needed: true },
      effect: {
        ...field(
          effect,
          'What it does with a call that it applies to: deny overrides hold overrides ask overrides allow.',
        ),
        needed: true,
      },
      match: field(
        matchShape(pattern),
        'Which calls it looks at: all that is said must fit. Default: all calls.',
      ),
      when: field(condition, 'Its condition, in CEL. Default: it applies to all that fit.'),
      reason: field(prose, 'Why it is there, for whoever is refused or asked to approve.'),
      obligations: field(obligations, 'What it binds the readers of the decision to, by name.'),
      approvers: field<List<Text>>({ is: 'list', of: role }, 'hold: roles whose members may approve.'),
      count: field<Whole>(
        { is: 'whole', min: 1, max: limits.approvers },
        'hold: how many of them must approve. Default: 1.',
      ),
      expires: field<Whole>(
        { is: 'whole', min: 1_000, max: limits.lifeMaxMs, unit: 'ms' },
        'hold: how long it waits for them. Default: until the deadline of the call.',
      ),
      ask: field(askShape(pattern), 'ask: whom, and when. Its answer can only say no; no answer is a no.'),
    },
  } as const satisfies Keys;
}

function field<S extends Field['shape']>(shape: S, what: string): Field<S> {
  return { shape, what };
}
