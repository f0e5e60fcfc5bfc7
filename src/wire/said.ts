/**
 * Failures that a handler may name by their code. Every other error of a handler is `handler_failed` with its message:
 * codes that say what the mesh decided are not an agent's to give.
 */
import { meshError, type ErrorCode, type MeshError } from './errors.js';
import type { ErrorBody } from './generated/messages.js';

const CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'handler_transient',
  'provider_busy',
  'provider_failed',
  'provider_broke_off',
  'provider_refused',
]);
const WHY_CHARS = 500;
const RETRY_AFTER_MAX_MS = 86_400_000;

/** May a handler fail with this code? */
export function isSayable(code: string | undefined): boolean {
  return code !== undefined && CODES.has(code);
}

/** The failure that this agent named, in the words of this mesh; undefined when it named none. */
export function saidError(agent: string, said: Partial<ErrorBody>): MeshError | undefined {
  if (!isSayable(said.code)) {
    return undefined;
  }
  const details: Readonly<Record<string, unknown>> = said.details ?? {};
  const { why = said.message, retry_after_ms: retryAfterMs } = details;
  const waits = Number.isSafeInteger(retryAfterMs) && Number(retryAfterMs) >= 0;
  return meshError(said.code as ErrorCode, {
    agent,
    why: typeof why === 'string' && why !== '' ? why.slice(0, WHY_CHARS) : 'no reason given',
    ...(waits ? { retry_after_ms: Math.min(Number(retryAfterMs), RETRY_AFTER_MAX_MS) } : {}),
  });
}
