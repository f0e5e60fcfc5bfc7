/**
 * How the door for MCP clients says no: an HTTP status, and the error as JSON-RPC.
 */
import type { ServerResponse } from 'node:http';
import { meshError, MeshError, type ErrorCode } from '../../agent/index.js';
import { rpcError } from './results.js';

const STATUS: Partial<Record<ErrorCode, number>> = {
  token_unknown: 401,
  origin_denied: 403,
  session_unknown: 404,
  not_found: 404,
  usage: 405,
  body_too_large: 413,
  client_busy: 429,
  body_undecodable: 400,
};

/** Answer with an error: an HTTP status, and the error as JSON-RPC. */
export function refuse(res: ServerResponse, thrown: unknown, status?: number): void {
  const err = thrown instanceof MeshError ? thrown : meshError('internal', { where: 'mcp http' }, thrown);
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const known = STATUS[err.code] ?? (err.class === 'broker' || err.class === 'config' ? 503 : 500);
  res.writeHead(status ?? known, {
    'content-type': 'application/json',
    ...(err.code === 'token_unknown' ? { 'www-authenticate': 'Bearer realm="capmesh"' } : {}),
    ...(err.code === 'client_busy' ? { 'retry-after': '1' } : {}),
    ...(err.code === 'usage' ? { allow: 'GET, POST, DELETE' } : {}),
  });
  res.end(JSON.stringify(rpcError(err)));
}
