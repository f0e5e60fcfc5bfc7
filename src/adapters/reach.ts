/**
 * What the errors of fetch say about how far a request came.
 */

const AWAY = [
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
];

/** The code of what made a fetch fail; undefined for errors of another kind. */
export function causeOf(err: unknown): string | undefined {
  const cause = err instanceof TypeError ? (err.cause as NodeJS.ErrnoException | undefined) : undefined;
  return cause === undefined ? undefined : (cause.code ?? '');
}

/** Nobody was there: what was asked for never ran. */
export function wasAway(err: unknown): boolean {
  return AWAY.includes(causeOf(err) ?? '');
}
