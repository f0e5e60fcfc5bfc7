/**
 * The dimensions in which a delegation may only narrow: one line each, in the order in which they are told.
 */
import { constraintText, implies } from './arguments.js';
import type { Claims } from './claims.js';
import { uncovered } from './patterns.js';

/** One dimension: why the link is wider than the one before it, or undefined when it is not. */
export interface Dimension {
  readonly name: string;
  readonly wider: (link: Claims, before: Claims) => string | undefined;
}

/** All of them. A limit that is missing in the link and stands in the one before it is a limit taken away. */
export const dimensions: readonly Dimension[] = [
  {
    name: 'principal',
    wider: (link, before) => (link.sub === before.sub ? undefined : `${link.sub} is not ${before.sub}`),
  },
  {
    name: 'capabilities',
    wider: (link, before) => {
      const pattern = uncovered(link.can, before.can);
      return pattern === undefined ? undefined : `${pattern} is not within ${before.can.join(', ')}`;
    },
  },
  {
    name: 'actions',
    wider: (link, before) => {
      const action = link.actions.find((one) => !before.actions.includes(one));
      return action === undefined ? undefined : `${action} is not among ${before.actions.join(', ')}`;
    },
  },
  { name: 'arguments', wider: widerArguments },
  { name: 'labels', wider: widerLabels },
  { name: 'budget', wider: widerBudget },
  {
    name: 'deadline',
    wider: (link, before) => later(link.deadline, before.deadline),
  },
  { name: 'expiry', wider: (link, before) => later(link.exp, before.exp) },
  {
    name: 'start',
    wider: (link, before) =>
      (link.nbf ?? 0) < (before.nbf ?? 0) ? `${link.nbf ?? 'no start'} is before ${before.nbf}` : undefined,
  },
  {
    name: 'depth',
    wider: (link, before) =>
      link.depth < before.depth ? undefined : `${link.depth} is not below ${before.depth}`,
  },
  {
    name: 'root',
    wider: (link, before) =>
      link.root && !before.root ? 'calls without a ticket are not allowed before' : undefined,
  },
];

function later(link: number | undefined, before: number | undefined): string | undefined {
  return before !== undefined && (link ?? Number.POSITIVE_INFINITY) > before
    ? `${link ?? 'no end'} is after ${before}`
    : undefined;
}

function widerArguments(link: Claims, before: Claims): string | undefined {
  for (const outer of before.args ?? []) {
    const inner = link.args?.find(({ at }) => at === outer.at);
    if (inner === undefined) {
      return `the constraint ${constraintText(outer)} is missing`;
    }
    if (!implies(inner, outer)) {
      return `${constraintText(inner)} is not within ${constraintText(outer)}`;
    }
  }
  return undefined;
}

function widerLabels(link: Claims, before: Claims): string | undefined {
  for (const [key, outer] of Object.entries(before.labels ?? {})) {
    const inner = ownOf(link.labels, key);
    const strange = inner?.find((value) => !outer.includes(value));
    if (inner === undefined || strange !== undefined) {
      return `${key}=${strange ?? '(anything)'} is not among ${outer.join(', ')}`;
    }
  }
  return undefined;
}

function widerBudget(link: Claims, before: Claims): string | undefined {
  for (const [unit, most] of Object.entries(before.budget ?? {})) {
    const amount = ownOf(link.budget, unit);
    if (amount === undefined || amount > most) {
      return `${amount ?? 'no limit'} ${unit} is more than ${most}`;
    }
  }
  return undefined;
}

function ownOf<V>(map: Readonly<Record<string, V>> | undefined, key: string): V | undefined {
  return map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
}
