/**
 * What `mesh.policy.yaml` can say.
 */
import { breakersShape } from './breaker-shape.js';
import type { Field, Flag, Keys, List, Names, Text, Whole } from './shape.js';
import { loopsShape } from './loop-shape.js';
import { budgetsShape, pricesShape } from './budget-shape.js';
import { ownerName, ownerShape } from './owner-shape.js';
import { priorityShape, rateShape } from './rate-shape.js';
import { routeShape } from './routing-shape.js';
import { meterField } from './meter-shape.js';
import { retriesShape } from './retry-shape.js';
import { ruleShape } from './rule-shape.js';

const token = '[a-z0-9_-]{1,64}';

const pattern: Text = {
  is: 'text',
  expected: 'a capability pattern (a * stands for one word, a > for all that follow)',
  pattern: new RegExp(`^(?:(?:\\*|${token})(?:\\.(?:\\*|${token})){0,7}|(?:(?:\\*|${token})\\.){0,7}>)$`),
};

const name: Text = {
  is: 'text',
  expected: 'a name: 1 to 64 of a-z 0-9 _ -',
  pattern: new RegExp(`^${token}$`),
};

const role: Text = { is: 'text', expected: 'the name of a role', pattern: /^[^\n]{1,64}$/ };

const nkey: Text = {
  is: 'text',
  expected: 'a public nkey: U and 55 letters and digits',
  pattern: /^U[A-Z2-7]{55}$/,
};

const patterns: List<Text> = { is: 'list', of: pattern };

/** What a role may do. */
export const roleShape = {
  is: 'keys',
  fields: {
    call: field(patterns, 'Patterns of the capabilities that its members may call.'),
    serve: field(patterns, 'Patterns of the capabilities that its members may serve.'),
    mayRoot: field<Flag>(
      { is: 'flag' },
      'May its members start calls of their own, without the ticket of a task? Default: no.',
    ),
  },
} as const satisfies Keys;

const rule = ruleShape(pattern);

const routing = routeShape(name);

/** What the files of owners can say as well. */
const shared = {
  version: {
    ...field<Whole>({ is: 'whole', min: 1, max: 1 }, 'Version of the format: 1.'),
    needed: true,
  },
  roles: field<Names<typeof roleShape>>(
    { is: 'names', key: role, of: roleShape },
    'Roles by name: what each may call and serve.',
  ),
  members: field<Names<List<Text>>>(
    { is: 'names', key: name, of: { is: 'list', of: role } },
    'Who has which roles: callers and agents by name. Whoever has none may do nothing.',
  ),
  routing: field<Names<typeof routing>>(
    { is: 'names', key: pattern, of: routing },
    'How calls of a capability choose an instance; the first pattern that fits counts. Default: least-loaded.',
  ),
  rules: field<List<typeof rule>>(
    { is: 'list', of: rule },
    'Rules: what is refused, held for approval, or allowed under a condition.',
  ),
} as const;

const rate = rateShape(pattern);

const owner = ownerShape(pattern, role);
const budgets = budgetsShape(pattern);

/** The whole file. */
export const policyShape = {
  is: 'keys',
  fields: {
    ...shared,
    issuers: field<Names<Text>>(
      { is: 'names', key: name, of: nkey },
      'Who may issue grants beside the mesh itself: public nkeys by name.',
    ),
    loops: loopsShape(pattern),
    breakers: breakersShape(pattern),
    retries: retriesShape(pattern),
    budgets: field(
      budgets,
      'What may be spent: limits, and what calls reserve. Without it nothing is counted.',
    ),
    prices: field<typeof pricesShape>(
      pricesShape,
      'Prices of models (a * at the end fits all that follows): what a million of each unit of usage costs.',
    ),
    rates: field<Names<typeof rate>>(
      { is: 'names', key: name, of: rate },
      'How much there may be of whom, by a name for each limit. All limits that a call is under count.',
    ),
    priorities: field(priorityShape(role), 'Who may say which priority (`Mesh-Priority`).'),
    meters: meterField(name),
    owners: field<Names<typeof owner>>(
      { is: 'names', key: ownerName, of: owner },
      'Teams with a policy file of their own, and the limits of each.',
    ),
  },
} as const satisfies Keys;

/** The file of an owner. */
export const teamShape = { is: 'keys', fields: shared } as const satisfies Keys;

function field<S extends Field['shape']>(shape: S, what: string): Field<S> {
  return { shape, what };
}
