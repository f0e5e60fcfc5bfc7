/**
 * The small HTTP server of a process: `/metrics`, `/healthz`, `/readyz`. On loopback unless told otherwise.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { meshError } from '../wire/errors.js';

/** What a process can say about itself. */
export interface Sightly {
  /** The page of metrics. */
  metrics(): Promise<{ readonly type: string; readonly text: string }>;
  /** What is missing before it can work; nothing when it is ready. */
  missing(): readonly string[];
}

/** Where the server listens. */
export interface PageAddress {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
}

/** A running server. `url` has no slash at its end. */
export interface Page {
  readonly url: string;
  /** From here on it answers for this; before, the process lives and is not ready. */
  show(what: Sightly): void;
  close(): Promise<void>;
}

const HEADERS_MS = 5_000;
const CONNECTIONS = 64;

/** `9464`, `0.0.0.0:9464`, `[::1]:9464`, or `off` (undefined). Without one: a free port on loopback. Throws usage. */
export function pageAddress(text: string | undefined): PageAddress | undefined {
  if (text === 'off') {
    return undefined;
  }
  const found = /^(?:(?<host>\[[0-9a-fA-F:]+\]|[\w.-]+):)?(?<port>\d{1,5})$/.exec(text ?? '0');
  const port = Number(found?.groups?.['port']);
  if (found === null || port > 65_535) {
    const why = `"${text}" is no address for metrics: give a port, host:port, or off`;
    throw meshError('usage', { why });
  }
  const host = found.groups?.['host']?.replace(/^\[|\]$/g, '') ?? '127.0.0.1';
  return { host, port };
}

/** Listen. Throws config_invalid when the address cannot be had. */
export async function servePage(address: PageAddress): Promise<Page> {
  let shown: Sightly | undefined;
  const server = createServer((request, response) => {
    answer(shown, request, response).catch(() => response.destroy());
  });
  server.headersTimeout = HEADERS_MS;
  server.requestTimeout = HEADERS_MS;
  server.maxConnections = CONNECTIONS;
  await listen(server, address);
  server.unref(); // it never keeps a process that has nothing else to do
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return {
    url: `http://${host}:${port}`,
    show: (what) => (shown = what),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, { host, port }: PageAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (err) => {
      const why = `metrics cannot be served there (${err.message})`;
      reject(meshError('config_invalid', { file: 'metrics', where: `${host}:${port}`, why }, err));
    });
    server.listen({ host, port }, resolve);
  });
}

async function answer(
  shown: Sightly | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? '').split('?')[0];
  const say = (status: number, text: string, type = 'text/plain; charset=utf-8') => {
    response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
    response.end(request.method === 'HEAD' ? undefined : text);
  };
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return say(405, 'only GET\n');
  }
  switch (path) {
    case '/healthz':
      return say(200, 'ok\n');
    case '/readyz': {
      const missing = shown === undefined ? ['it is starting'] : shown.missing();
      return missing.length === 0 ? say(200, 'ready\n') : say(503, `${missing.join('\n')}\n`);
    }
    case '/metrics': {
      if (shown === undefined) {
        return say(503, 'it is starting\n');
      }
      const { type, text } = await shown.metrics();
      return say(200, text, type);
    }
    default:
      return say(404, '/metrics, /healthz or /readyz\n');
  }
}
