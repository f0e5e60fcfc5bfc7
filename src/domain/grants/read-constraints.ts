/**
 * Reading the constraints of a link: the closed language of `arguments.ts` and nothing else.
 */
import { limits } from '../../wire/limits.js';
import { constraintText, type Constraint } from './arguments.js';

type Refuse = (dimension: string, why: string) => never;
type Loose = Readonly<Record<string, unknown>>;

const POINTER = /^(?:\/(?:[^~/]|~[01])*)*$/;
const RULES = 'equals, oneOf, prefix, or min and max';

/** Check a list of constraints, one for each place at most. */
export function readConstraints(list: readonly unknown[], refuse: Refuse): void {
  const seen = new Set<string>();
  for (const value of list) {
    const constraint = (typeof value === 'object' && value !== null ? value : {}) as Loose;
    const why = trouble(constraint);
    if (why !== undefined) {
      refuse('arguments', why);
    }
    const { at } = constraint as Constraint;
    if (seen.has(at)) {
      refuse('arguments', `two constraints are about ${constraintText(constraint as Constraint)}`);
    }
    seen.add(at);
  }
}

function trouble(constraint: Loose): string | undefined {
  const { at, ...rule } = constraint;
  if (typeof at !== 'string' || at.length > limits.grantTextChars || !POINTER.test(at)) {
    return `${JSON.stringify(at)?.slice(0, 40)} is not a JSON pointer`;
  }
  const good = ruleTrouble(rule);
  return good === undefined ? undefined : `at ${JSON.stringify(at)} ${good}`;
}

function ruleTrouble(rule: Loose): string | undefined {
  const names = Object.keys(rule).sort().join(' ');
  switch (names) {
    case 'equals':
      return isScalar(rule['equals']) ? undefined : 'equals is not a text, number, boolean or null';
    case 'oneOf': {
      const list = rule['oneOf'];
      const fits = Array.isArray(list) && list.length > 0 && list.length <= limits.grantValues;
      return fits && list.every(isScalar)
        ? undefined
        : `oneOf is not 1 to ${limits.grantValues} texts, numbers, booleans or nulls`;
    }
    case 'prefix': {
      const { prefix } = rule;
      return typeof prefix === 'string' && prefix.length <= limits.grantTextChars
        ? undefined
        : 'prefix is not a short text';
    }
    case 'max':
    case 'min':
    case 'max min': {
      const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = rule;
      const numbers = typeof min === 'number' && typeof max === 'number';
      return numbers && min <= max ? undefined : 'min and max are not numbers in that order';
    }
    default:
      return `there must be one rule: ${RULES}`;
  }
}

function isScalar(value: unknown): boolean {
  return typeof value === 'string'
    ? value.length <= limits.grantTextChars
    : value === null || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value));
}
