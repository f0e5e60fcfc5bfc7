/**
 * The mesh as an MCP server over streamable HTTP: a bearer token says which user of the mesh a client is.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIPv6, type AddressInfo } from 'node:net';
import { meshError } from '../../agent/index.js';
import { limits } from '../../wire/limits.js';
import { bearerOf, checkAddress, readJson, refuse, type Allowed } from './http-gate.js';
import { Guests, type Guest, type GuestsOptions } from './http-guests.js';

/** Where to listen, whom to let in. */
export interface HttpOptions extends GuestsOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly allowed: Allowed;
}

/** The path under which MCP is served. */
export const MCP_PATH = '/mcp';

/** A door for MCP clients. */
export class HttpDoor {
  readonly url: string;
  readonly #server: Server;
  readonly #guests: Guests;

  private constructor(url: string, server: Server, guests: Guests) {
    this.url = url;
    this.#server = server;
    this.#guests = guests;
  }

  /** Open it. Throws port_in_use, usage (the address is none of this machine). */
  static async open(options: HttpOptions): Promise<HttpDoor> {
    const guests = new Guests(options);
    const server = createServer(
      { headersTimeout: limits.mcpHeadMs, requestTimeout: limits.mcpReceiveMs },
      (req, res) => void answer(req, res, guests, options.allowed),
    );
    server.maxConnections = limits.mcpConnections;
    await listen(server, options.host, options.port);
    const { port } = server.address() as AddressInfo;
    const host = isIPv6(options.host) ? `[${options.host}]` : options.host;
    return new HttpDoor(`http://${host}:${port}${MCP_PATH}`, server, guests);
  }

  /** Let nobody in any more, give what runs a moment to end, then end all sessions. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    await this.#guests.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (err: NodeJS.ErrnoException) =>
      reject(
        err.code === 'EADDRINUSE'
          ? meshError('port_in_use', { port }, err)
          : meshError('usage', { why: `--http ${host}:${port} cannot be used: ${err.message}` }, err),
      ),
    );
    server.listen(port, host, resolve);
  });
}

async function answer(
  req: IncomingMessage,
  res: ServerResponse,
  guests: Guests,
  allowed: Allowed,
): Promise<void> {
  try {
    checkAddress(req, req.socket.localPort ?? 0, allowed);
    const path = (req.url ?? '').split('?')[0] ?? '';
    if (path !== MCP_PATH) {
      throw meshError('not_found', { what: 'the path', name: JSON.stringify(path.slice(0, 80)) });
    }
    const guest = guests.admit(bearerOf(req), res);
    await serve(req, res, guest);
  } catch (err) {
    refuse(res, err);
  }
}

async function serve(req: IncomingMessage, res: ServerResponse, guest: Guest): Promise<void> {
  const id = [req.headers['mcp-session-id']].flat()[0];
  if (req.method === 'POST') {
    const body = await readJson(req, guest.held, guest.name);
    const session = await guest.session(id, body);
    // Without a session there is nothing to be found: the protocol says 400 for that, and 404 for one that ended.
    return session === undefined
      ? refuse(res, meshError('session_unknown'), id === undefined ? 400 : 404)
      : await session.handle(req, res, body);
  }
  if (req.method !== 'GET' && req.method !== 'DELETE') {
    throw meshError('usage', { why: `${req.method} is no method of MCP` });
  }
  const session = await guest.session(id);
  return session === undefined
    ? refuse(res, meshError('session_unknown'), id === undefined ? 400 : 404)
    : await session.handle(req, res);
}
