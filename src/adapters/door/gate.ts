/**
 * What stands before a door over HTTP: which addresses and origins are served, whose token came along, and how much of a
 * body is read.
 */
import type { IncomingMessage } from 'node:http';
import { meshError } from '../../agent/index.js';
import { limits } from '../../wire/limits.js';

/** Names and origins that are served beside the door's own. */
export interface Allowed {
  readonly hosts: readonly string[];
  readonly origins: readonly string[];
}

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/**
 * Refuse what a page in a browser can be made to send by a name that resolves to this machine (DNS rebinding): a Host
 * that is not ours, and an Origin that nobody allowed. Throws origin_denied.
 */
export function checkAddress({ headers }: IncomingMessage, port: number, allowed: Allowed): void {
  const host = (headers.host ?? '').toLowerCase().replace(/:\d*$/, '');
  if (!LOOPBACK.includes(host) && !allowed.hosts.includes(host)) {
    throw meshError('origin_denied', { what: 'the host', value: JSON.stringify(host.slice(0, 80)) });
  }
  const { origin } = headers;
  const own = LOOPBACK.map((name) => `http://${name}:${port}`);
  if (origin !== undefined && !own.includes(origin) && !allowed.origins.includes(origin)) {
    throw meshError('origin_denied', { what: 'the origin', value: JSON.stringify(origin.slice(0, 80)) });
  }
}

/** The bearer token of a request, or an empty text. */
export function bearerOf({ headers }: IncomingMessage): string {
  return /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1] ?? '';
}

/** Bytes that are being received from one client. */
export interface Held {
  bytes: number;
}

/** How much of a refused body is thrown away before the connection is: it must not cost the client its answer. */
const DROPPED_BYTES = 32 * limits.mcpRequestBytes;

/** Read a body as JSON. Throws body_too_large, client_busy, body_undecodable; what is left of it is thrown away. */
export async function readJson(req: IncomingMessage, held: Held, who: string): Promise<unknown> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += part.length;
      held.bytes += part.length;
      const announced = Math.max(bytes, Number(req.headers['content-length'] ?? 0));
      if (announced > limits.mcpRequestBytes) {
        throw meshError('body_too_large', { bytes: announced, maxBytes: limits.mcpRequestBytes });
      }
      if (held.bytes > limits.mcpHeldBytes) {
        throw meshError('client_busy', { who, max: limits.mcpHeldBytes, what: 'bytes' });
      }
      parts.push(part);
    }
    return JSON.parse(Buffer.concat(parts).toString()) as unknown;
  } catch (err) {
    throw err instanceof SyntaxError ? meshError('body_undecodable', { why: err.message }, err) : err;
  } finally {
    held.bytes -= bytes;
    throwAway(req);
  }
}

function throwAway(req: IncomingMessage): void {
  let left = DROPPED_BYTES;
  req.on('data', (part: Buffer) => {
    left -= part.length;
    if (left < 0) {
      req.destroy();
    }
  });
  req.resume();
}
