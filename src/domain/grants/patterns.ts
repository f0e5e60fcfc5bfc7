/**
 * Whether one set of capability patterns allows nothing that another one does not.
 */

/** Tokens of a capability: the longest thing that a pattern can stand for. */
const TOKENS = 8;

/** The first of the inner patterns that is not covered by the outer ones together, or undefined. */
export function uncovered(inner: readonly string[], outer: readonly string[]): string | undefined {
  const wide = outer.map((pattern) => pattern.split('.'));
  return inner.find((pattern) => !isCovered(pattern.split('.'), wide));
}

/**
 * A pattern that ends with `>` stands for patterns of `*` of each length, and those are judged one by one: only so is
 * `a.>` seen to be covered by `a.*` and `a.*.>` together. Of one length, a pattern that none covers alone is not
 * covered by all together either: a name that nobody thought of falls through.
 */
function isCovered(inner: readonly string[], outer: readonly (readonly string[])[]): boolean {
  if (inner.at(-1) !== '>') {
    return outer.some((pattern) => covers(pattern, inner));
  }
  const stem = inner.slice(0, -1);
  for (let stars = 1; stem.length + stars <= TOKENS; stars++) {
    const one = [...stem, ...Array<string>(stars).fill('*')];
    if (!outer.some((pattern) => covers(pattern, one))) {
      return false;
    }
  }
  return true;
}

/** Does the pattern cover one that has no `>`? */
function covers(outer: readonly string[], inner: readonly string[]): boolean {
  const open = outer.at(-1) === '>';
  const fixed = open ? outer.slice(0, -1) : outer;
  return (
    (open ? inner.length > fixed.length : inner.length === fixed.length) &&
    fixed.every((token, i) => token === '*' || token === inner[i])
  );
}
