/**
 * What `mesh.policy.yaml` can say of money: budgets, and the prices of models.
 */
import { money, wholeAmount } from '../budget/written.js';
import type { Choice, Field, Keys, List, Names, Text, Whole } from './shape.js';

/** Whose budget it is. */
export type BudgetOn = 'agent' | 'principal' | 'team' | 'capability' | 'root';

const on: Choice<BudgetOn> = { is: 'choice', of: ['agent', 'principal', 'team', 'capability', 'root'] };

const window: Choice<'call' | 'hour' | 'day' | 'month'> = {
  is: 'choice',
  of: ['call', 'hour', 'day', 'month'],
};
const calendar: Choice<'hour' | 'day' | 'month'> = { is: 'choice', of: ['hour', 'day', 'month'] };

/** A name or its beginning; of capabilities a pattern. Which of them it may be says `on`: looked at afterwards. */
const whom: Text = {
  is: 'text',
  expected: 'a name, its beginning with a * behind it, or a capability pattern',
  pattern: /^(?!\.)[a-z0-9_.>*-]{1,519}$/,
};
const glob: Text = {
  is: 'text',
  expected: 'a name, or its beginning with a * behind it',
  pattern: /^(?:[a-z0-9_-]{1,64}|[a-z0-9_-]{0,63}\*)$/,
};
const teamName: Text = {
  is: 'text',
  expected: 'a name: 1 to 64 of a-z 0-9 _ -',
  pattern: /^[a-z0-9_-]{1,64}$/,
};
const model: Text = {
  is: 'text',
  expected: 'the name of a model, or its beginning with a * behind it',
  pattern: /^(?:[^\s*]{1,128}|[^\s*]{0,127}\*)$/,
};
const unit: Text = {
  is: 'text',
  expected: 'a unit of usage: 1 to 64 letters, digits and _',
  pattern: /^[A-Za-z][A-Za-z0-9_]{0,63}$/,
};
const role: Text = { is: 'text', expected: 'the name of a role', pattern: /^[^\n]{1,64}$/ };
const percent: Whole = { is: 'whole', min: 1, max: 100 };

/** Amounts, as they are written. */
export const amountsShape = {
  is: 'keys',
  fields: {
    micros: field(money, 'Money: millionths of a US dollar, or dollars such as 5.00 USD.'),
    tokens: field(wholeAmount, 'Tokens of models, in and out.'),
    computeMs: field(wholeAmount, 'Time that agents work, in ms, as gateways measure it.'),
  },
} as const satisfies Keys;

const thresholds = {
  warn: field(percent, 'Percent of the limit at which it is said, once a window. Default: never.'),
  hold: field(percent, 'Percent from which calls wait for a human. Default: never.'),
  halt: field(percent, 'Percent from which calls are refused. Default: 100.'),
  approvers: field<List<Text>>({ is: 'list', of: role }, 'hold: roles whose members may let a call pass.'),
} as const;

const limit = {
  ...field(amountsShape, 'What may be spent in a window, in the units that it names.'),
  needed: true,
} as const;

/** One budget. */
const budgetShape = {
  is: 'keys',
  fields: {
    on: {
      ...field(
        on,
        'Whose: each agent, principal (root of the chain of calls), team or capability; root: each tree of calls.',
      ),
      needed: true,
    },
    who: field<List<Text>>(
      { is: 'list', of: whom },
      'Names (a * at the end fits all that follows), of capabilities patterns; root: principals. Each name has a budget of its own. Default: all.',
    ),
    window: field(
      window,
      'call, or the hour, day or month of the calendar in UTC. Needed, but for root, whose window is its tree.',
    ),
    limit,
    ...thresholds,
    quarantine: field(
      percent,
      'agent: percent from which nothing is sent to it until the window ends or somebody lifts it. Default: never.',
    ),
  },
} as const satisfies Keys;

/** Principals that no budget names. */
const defaultShape = {
  is: 'keys',
  fields: {
    window: { ...field(calendar, 'The hour, day or month of the calendar in UTC.'), needed: true },
    limit,
    ...thresholds,
  },
} as const satisfies Keys;

const teamShape = {
  is: 'keys',
  fields: {
    members: field<List<Text>>({ is: 'list', of: glob }, 'Names of principals (a * as above).'),
    roles: field<List<Text>>({ is: 'list', of: role }, 'Roles whose members belong to it.'),
    teams: field<List<Text>>({ is: 'list', of: teamName }, 'Teams whose members belong to it.'),
  },
} as const satisfies Keys;

/** `budgets`. `pattern` is that of a capability. */
export function budgetsShape(pattern: Text) {
  return {
    is: 'keys',
    fields: {
      default: {
        ...field(defaultShape, 'For each principal that no budget on principals names, unknown ones too.'),
        needed: true,
      },
      reserve: {
        ...field<Names<typeof amountsShape>>(
          { is: 'names', key: pattern, of: amountsShape },
          'What a call reserves before it is sent, by pattern of its capability; unit by unit the first pattern that fits counts. A pattern > is asked last, after the price on the card of the agent.',
        ),
        needed: true,
      },
      teams: field<Names<typeof teamShape>>(
        { is: 'names', key: teamName, of: teamShape },
        'Teams by name: principals that share a budget.',
      ),
      limits: field<List<typeof budgetShape>>(
        { is: 'list', of: budgetShape },
        'Budgets. A call is charged in all that apply; of several for one name and window the first counts.',
      ),
    },
  } as const satisfies Keys;
}

/** `prices`. */
export const pricesShape = {
  is: 'names',
  key: model,
  of: { is: 'names', key: unit, of: money },
} as const satisfies Names<Names<Text>>;

function field<S extends Field['shape']>(shape: S, what: string): Field<S> {
  return { shape, what };
}
