/**
 * Whether a grant covers one call: the capability, what is done, the arguments, the labels.
 */
import type { Json } from '../../wire/json.js';
import { matches } from '../../wire/names.js';
import type { Entry } from '../registry.js';
import { constraintText, satisfies, type Constraint } from './arguments.js';
import type { Action } from './claims.js';

/** What is judged of a grant: its own claims, or what a ticket carries of them. */
export interface Covering {
  readonly can: readonly string[];
  readonly actions: readonly string[];
  readonly args?: readonly object[];
  readonly labels?: Readonly<Record<string, readonly string[]>>;
}

/** What is judged of a call. `value` is missing when the body is not here to be read as JSON. */
export interface Covered {
  readonly capability: string;
  /** Missing when nobody offers the capability: then there is nothing that could be done. */
  readonly action: Action | undefined;
  readonly value: { readonly json: Json } | undefined;
  readonly labels: Readonly<Record<string, string>> | undefined;
}

/** Why the grant does not cover the call: the dimension and a sentence. */
export interface Uncovered {
  readonly dimension: 'capabilities' | 'actions' | 'arguments' | 'labels';
  readonly why: string;
}

/** Undefined when the grant covers the call. */
export function uncoveredBy(grant: Covering, call: Covered): Uncovered | undefined {
  const { capability, action, value } = call;
  if (!grant.can.some((pattern) => matches(pattern, capability))) {
    return { dimension: 'capabilities', why: `${capability} is not within ${grant.can.join(', ')}` };
  }
  if (action !== undefined && !grant.actions.includes(action)) {
    return {
      dimension: 'actions',
      why: `${capability} is to ${action}; it allows ${grant.actions.join(', ')}`,
    };
  }
  for (const constraint of (grant.args ?? []) as readonly Constraint[]) {
    if (value === undefined || !satisfies(constraint, value.json)) {
      const why = value === undefined ? 'the body cannot be read here; it must satisfy' : 'the body breaks';
      return { dimension: 'arguments', why: `${why} ${constraintText(constraint)}` };
    }
  }
  return uncoveredLabel(grant.labels, call.labels);
}

function uncoveredLabel(want: Covering['labels'], have: Covered['labels']): Uncovered | undefined {
  for (const [key, values] of Object.entries(want ?? {})) {
    const value = have !== undefined && Object.hasOwn(have, key) ? have[key] : undefined;
    if (value === undefined || !values.includes(value)) {
      return { dimension: 'labels', why: `the label ${key} must be one of ${values.join(', ')}` };
    }
  }
  return undefined;
}

/**
 * What a capability does, by its cards: `read` when every agent that offers it says read-only, else `write` when a
 * repetition is harmless, else `execute`.
 */
export function actionOf({ offers, idempotent }: Pick<Entry, 'offers' | 'idempotent'>): Action {
  for (const offer of offers.values()) {
    if (!offer.readOnly) {
      return idempotent ? 'write' : 'execute';
    }
  }
  return 'read';
}
