/**
 * The mesh as an MCP server over streamable HTTP: a bearer token says which user of the mesh a client is.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { meshError } from '../../agent/index.js';
import { bearerOf, checkAddress, readJson, type Allowed } from '../door/gate.js';
import { Guests, type Who } from '../door/guests.js';
import { openServer, type Listening, type OpenServer } from '../door/listen.js';
import { McpGuest } from './guest.js';
import type { Member } from './member.js';
import { refuse } from './refuse.js';

/** Where to listen, whom to let in. */
export interface HttpOptions extends Listening {
  readonly allowed: Allowed;
  readonly who: Who;
  /** Join the mesh as that user. */
  readonly join: (user: string) => Promise<Member>;
}

/** The path under which MCP is served. */
export const MCP_PATH = '/mcp';

/** A door for MCP clients. */
export class HttpDoor {
  readonly url: string;
  readonly #server: OpenServer;
  readonly #guests: Guests<McpGuest>;

  private constructor(server: OpenServer, guests: Guests<McpGuest>) {
    this.url = `${server.origin}${MCP_PATH}`;
    this.#server = server;
    this.#guests = guests;
  }

  /** Open it. Throws port_in_use, usage (the address is none of this machine). */
  static async open(options: HttpOptions): Promise<HttpDoor> {
    const guests = new Guests(options.who, (name) => new McpGuest(name, options.join));
    const server = await openServer(options, (req, res) => answer(req, res, guests, options.allowed));
    return new HttpDoor(server, guests);
  }

  /** Let nobody in any more, give what runs a moment to end, then end all sessions. */
  async close(): Promise<void> {
    await this.#server.close(() => this.#guests.close());
  }
}

async function answer(
  req: IncomingMessage,
  res: ServerResponse,
  guests: Guests<McpGuest>,
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

async function serve(req: IncomingMessage, res: ServerResponse, guest: McpGuest): Promise<void> {
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
