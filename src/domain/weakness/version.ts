/**
 * Versions of the server: which are good enough.
 */

/** The mesh needs what this one can do. */
export const OLDEST = '2.14.0';
/** The last one that mends a hole through which a name or a right could be had. */
export const SAFE = '2.14.5';

/** Is this version the wanted one or newer? What cannot be read is not; neither is a preview of the wanted one. */
export function isAtLeast(version: string, want: string): boolean {
  const [a, b] = [parts(version), parts(want)];
  if (a === undefined || b === undefined) {
    return false;
  }
  const differs = a.numbers.findIndex((number, i) => number !== b.numbers[i]);
  return differs < 0 ? a.preview <= b.preview : (a.numbers[differs] ?? 0) > (b.numbers[differs] ?? 0);
}

function parts(version: string): { numbers: number[]; preview: number } | undefined {
  const found = /^v?(\d+)\.(\d+)\.(\d+)(-.+)?$/.exec(version);
  return found === null
    ? undefined
    : { numbers: found.slice(1, 4).map(Number), preview: found[4] === undefined ? 0 : 1 };
}
