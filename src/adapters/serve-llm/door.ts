/**
 * The mesh as a provider of models, for clients that know nothing of it: the chat completions protocol over HTTP. A
 * bearer token, which clients call their key, says which user of the mesh a client is.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { meshError } from '../../agent/index.js';
import { header } from '../../wire/headers.js';
import { bearerOf, checkAddress, readJson, type Allowed } from '../door/gate.js';
import { Guests, type Who } from '../door/guests.js';
import { openServer, type Listening, type OpenServer } from '../door/listen.js';
import { Client, type ClientOptions } from './client.js';
import { refuse } from './refuse.js';

/** Where to listen, whom to let in. */
export interface LlmDoorOptions extends ClientOptions, Listening {
  readonly allowed: Allowed;
  readonly who: Who;
}

const BASE = '/v1';
const BUDGET = header.budget.toLowerCase();

/** A door for clients of models. */
export class LlmDoor {
  /** The base url of clients. */
  readonly url: string;
  readonly #server: OpenServer;
  readonly #clients: Guests<Client>;

  private constructor(server: OpenServer, clients: Guests<Client>) {
    this.url = `${server.origin}${BASE}`;
    this.#server = server;
    this.#clients = clients;
  }

  /** Open it. Throws port_in_use, usage (the address is none of this machine). */
  static async open(options: LlmDoorOptions): Promise<LlmDoor> {
    const clients = new Guests(options.who, (name) => new Client(name, options));
    const server = await openServer(options, (req, res) => answer(req, res, clients, options.allowed));
    return new LlmDoor(server, clients);
  }

  /** Let nobody in any more, give what runs a moment to end, then cancel it. */
  async close(): Promise<void> {
    await this.#server.close(() => this.#clients.close());
  }
}

async function answer(
  req: IncomingMessage,
  res: ServerResponse,
  clients: Guests<Client>,
  allowed: Allowed,
): Promise<void> {
  try {
    checkAddress(req, req.socket.localPort ?? 0, allowed);
    const bearer = bearerOf(req);
    const client = clients.admit(bearer, res);
    await serve(req, res, client, bearer);
  } catch (err) {
    refuse(res, err);
  }
}

async function serve(
  req: IncomingMessage,
  res: ServerResponse,
  client: Client,
  bearer: string,
): Promise<void> {
  const path = (req.url ?? '').split('?')[0] ?? '';
  const model = /^\/v1\/models\/([\w.-]+)$/.exec(path)?.[1];
  if (path === `${BASE}/chat/completions`) {
    allow(req, 'POST');
    const said = req.headers[BUDGET];
    const budget = Array.isArray(said) ? said.join() : said;
    return await client.chat(await readJson(req, client.held, client.name), { bearer, budget }, res);
  }
  if (path !== `${BASE}/models` && model === undefined) {
    throw meshError('not_found', { what: 'the path', name: JSON.stringify(path.slice(0, 80)) });
  }
  allow(req, 'GET');
  const models = await client.models();
  const found = await (model === undefined ? models.list() : models.one(model));
  res.writeHead(200, { 'content-type': 'application/json' });
  res.end(JSON.stringify(found));
}

function allow({ method = '' }: IncomingMessage, wanted: string): void {
  if (method !== wanted) {
    throw meshError('usage', { why: `${method} is not asked for here, ${wanted} is` });
  }
}
