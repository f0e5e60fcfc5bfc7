/**
 * How the door for clients of models says no: a status that they know, and the error in the form of the protocol. The
 * mesh knows what a retry means, so the client is told whether to make one.
 */
import type { ServerResponse } from 'node:http';
import { meshError, MeshError, type ErrorClass, type ErrorCode } from '../../agent/index.js';

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  token_unknown: 401,
  not_found: 404,
  capability_unknown: 404,
  body_too_large: 413,
  usage: 405,
  cancelled: 499,
  provider_busy: 429,
  provider_refused: 400,
  no_agent: 503,
  deadline_exceeded: 504,
};
const BY_CLASS: Readonly<Record<ErrorClass, number>> = {
  input: 400,
  authority: 403,
  state: 409,
  capacity: 429,
  agent: 502,
  broker: 503,
  config: 503,
};

/** Any thrown value as an error of the mesh. */
export function errorOf(thrown: unknown): MeshError {
  return thrown instanceof MeshError ? thrown : meshError('internal', { where: 'llm http' }, thrown);
}

/** The error as clients of models read it. */
export function errorBody(err: MeshError): object {
  const { code, class: type, sentence, help, call } = err;
  const message = `[${code}] ${sentence}. What now: ${help}`;
  return { error: { message, type, code, param: null, ...(call === undefined ? {} : { call }) } };
}

/** Answer with an error; in the middle of a stream it is an event, and the stream ends. */
export function refuse(res: ServerResponse, thrown: unknown): void {
  const err = errorOf(thrown);
  if (res.headersSent) {
    res.end(`data: ${JSON.stringify(errorBody(err))}\n\n`);
    return;
  }
  const waitMs = err.details['retry_after_ms'];
  res.writeHead(BY_CODE[err.code] ?? BY_CLASS[err.class], {
    'content-type': 'application/json',
    'x-should-retry': String(err.retry === 'later'),
    ...(typeof waitMs === 'number' ? { 'retry-after': String(Math.ceil(waitMs / 1_000)) } : {}),
    ...(err.call === undefined ? {} : { 'x-mesh-call': err.call }),
    ...(err.code === 'token_unknown' ? { 'www-authenticate': 'Bearer realm="capmesh"' } : {}),
    ...(err.code === 'usage' ? { allow: 'GET, POST' } : {}),
  });
  res.end(JSON.stringify(errorBody(err)));
}
