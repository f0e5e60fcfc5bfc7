/**
 * Constraints on arguments: a small closed language over JSON pointers. It has one constraint for each place, so that
 * whether one narrows another can be decided, and decided completely.
 */
import type { Json } from '../../wire/json.js';

/** What stands at the end of a pointer in a constraint. */
export type Scalar = string | number | boolean | null;

/** One constraint: the value at `at` equals, is one of, begins with, or lies between. `at` is a JSON pointer. */
export type Constraint =
  | { readonly at: string; readonly equals: Scalar }
  | { readonly at: string; readonly oneOf: readonly Scalar[] }
  | { readonly at: string; readonly prefix: string }
  | { readonly at: string; readonly min?: number; readonly max?: number };

/** Does the value at the pointer of the constraint satisfy it? A value that is not there does not. */
export function satisfies(constraint: Constraint, body: Json): boolean {
  return allows(constraint, valueAt(body, constraint.at));
}

/** Is every value that the inner constraint allows allowed by the outer one? Both are about the same place. */
export function implies(inner: Constraint, outer: Constraint): boolean {
  const values = listed(inner);
  if (values !== undefined) {
    return values.every((value) => allows(outer, value));
  }
  if ('prefix' in inner) {
    return 'prefix' in outer && inner.prefix.startsWith(outer.prefix);
  }
  // A range with more than one number in it has infinitely many, so that no list can hold them all.
  return isRange(inner) && isRange(outer) && low(inner) >= low(outer) && high(inner) <= high(outer);
}

/** The constraint in words. */
export function constraintText(constraint: Constraint): string {
  const { at, ...rule } = constraint;
  return `${at === '' ? '(the body)' : at} ${JSON.stringify(rule)}`;
}

function allows(constraint: Constraint, value: unknown): boolean {
  if ('equals' in constraint) {
    return value === constraint.equals;
  }
  if ('oneOf' in constraint) {
    return constraint.oneOf.includes(value as Scalar);
  }
  if ('prefix' in constraint) {
    return typeof value === 'string' && value.startsWith(constraint.prefix);
  }
  return typeof value === 'number' && value >= low(constraint) && value <= high(constraint);
}

/** The values of a constraint that allows finitely many. */
function listed(constraint: Constraint): readonly Scalar[] | undefined {
  if ('equals' in constraint) {
    return [constraint.equals];
  }
  if ('oneOf' in constraint) {
    return constraint.oneOf;
  }
  return isRange(constraint) && low(constraint) === high(constraint) ? [low(constraint)] : undefined;
}

type Range = Extract<Constraint, { readonly min?: number }>;

function isRange(constraint: Constraint): constraint is Range {
  return 'min' in constraint || 'max' in constraint;
}

function low({ min = Number.NEGATIVE_INFINITY }: Range): number {
  return min;
}

function high({ max = Number.POSITIVE_INFINITY }: Range): number {
  return max;
}

/** The value at a JSON pointer (RFC 6901), own properties only; undefined when there is none. */
export function valueAt(body: Json, pointer: string): unknown {
  let value: unknown = body;
  if (pointer === '') {
    return value;
  }
  for (const part of pointer.slice(1).split('/')) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (
      typeof value !== 'object' ||
      value === null ||
      (Array.isArray(value) && !/^(0|[1-9]\d*)$/.test(key))
    ) {
      return undefined;
    }
    value = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
  }
  return value;
}
