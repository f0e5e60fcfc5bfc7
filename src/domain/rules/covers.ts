/**
 * Patterns of capabilities, held against each other.
 */

/** Does every capability under `inner` fall under `outer`? */
export function covers(outer: string, inner: string): boolean {
  const [wide, narrow] = [outer.split('.'), inner.split('.')];
  for (let i = 0; i < wide.length; i++) {
    const [a, b] = [wide[i], narrow[i]];
    if (b === undefined) {
      return false;
    }
    if (a === '>') {
      return true;
    }
    if (b === '>' || (a !== '*' && a !== b)) {
      return false;
    }
  }
  return wide.length === narrow.length;
}
