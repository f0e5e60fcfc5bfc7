/**
 * The result of a task whose handler threw.
 */
import { asMeshError, meshError, MeshError } from '../wire/errors.js';
import { header, headerText } from '../wire/headers.js';
import { encodeJson } from '../wire/json.js';
import { isSayable } from '../wire/said.js';
import type { TaskResult } from './result.js';
import type { Stop } from './stop.js';
import { usageLines, type UsedSoFar } from './used.js';

/** The handler did not run: its body could not be had. */
export function unread(err: unknown): TaskResult {
  const error = asMeshError(err, 'a large body');
  const headers = headerText([[header.status, 'failed']]);
  return { body: encodeJson(error.toBody()), headers, failed: error.sentence };
}

/** The handler failed, or was stopped; what it used until then counts all the same. */
export function failure(err: unknown, stop: Stop, used: UsedSoFar | undefined): TaskResult {
  const cancelled = stop.reason?.code === 'cancelled';
  const headers = headerText([[header.status, cancelled ? 'cancelled' : 'failed'], ...usageLines(used)]);
  if (err instanceof MeshError && isSayable(err.code)) {
    return { body: encodeJson(err.toBody()), headers, failed: err.sentence };
  }
  // A handler's own error is told by its message; its stack stays here.
  const why = err instanceof Error ? err.message : String(err);
  const body = meshError('handler_failed', { agent: 'the handler', why }).toBody();
  return { body: encodeJson({ ...body, message: why }), headers, failed: why };
}
