/**
 * Durations as people write them.
 */
const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  min: 60_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** How a duration is written. */
export const DURATION = /^(\d{1,12}) ?(ms|s|min|m|h|d)$/;

/** `30s`, `500 ms`, `2min`, `1h`, `7d` in ms; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = DURATION.exec(text) ?? [];
  return count === undefined ? undefined : Number(count) * (UNITS[unit ?? ''] ?? Number.NaN);
}
