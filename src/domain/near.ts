/**
 * Names that look like a mistyped one, for errors that help.
 */

/** Up to three known names that look like the wanted one, the nearest first. */
export function nearNames(wanted: string, known: Iterable<string>): string[] {
  const scored: [number, string][] = [];
  for (const name of known) {
    const d = distance(wanted, name);
    // As many changes as letters: nothing is left of it.
    if (d < wanted.length && d <= Math.max(2, Math.floor(wanted.length / 3))) {
      scored.push([d, name]);
    }
  }
  return scored
    .sort((a, b) => a[0] - b[0])
    .slice(0, 3)
    .map(([, name]) => name);
}

/** Levenshtein distance, on names clipped to 64 characters. */
function distance(a: string, b: string): number {
  const x = a.slice(0, 64);
  const y = b.slice(0, 64);
  let row = Array.from({ length: y.length + 1 }, (_, i) => i);
  for (let i = 1; i <= x.length; i++) {
    const next = [i];
    for (let j = 1; j <= y.length; j++) {
      const swap = (row[j - 1] ?? 0) + (x[i - 1] === y[j - 1] ? 0 : 1);
      next[j] = Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1);
    }
    row = next;
  }
  return row[y.length] ?? 0;
}
