/**
 * The mesh as a provider of models, for clients that know nothing of it: the chat completions protocol over HTTP. A
 * bearer token, which clients call their key, says which user of the mesh a client is.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { meshError } from '../../agent/index.js';
import { limits } from '../../wire/limits.js';
import { bearerOf, checkAddress, readJson, type Allowed } from '../door/gate.js';
import { openServer, type Listening, type OpenServer } from '../door/listen.js';
import { Client, type ClientOptions } from './client.js';
import { refuse } from './refuse.js';

/** Where to listen, whom to let in. */
export interface LlmDoorOptions extends ClientOptions, Listening {
  readonly allowed: Allowed;
  /** The user of the mesh that a token stands for; asked again and again, so that a token can be taken back. */
  readonly who: (bearer: string) => string | undefined;
}

const BASE = '/v1';
const SWEEP_MS = 500;

/** A door for clients of models. */
export class LlmDoor {
  /** The base url of clients. */
  readonly url: string;
  readonly #server: OpenServer;
  readonly #clients: Map<string, Client>;
  readonly #sweep: NodeJS.Timeout;

  private constructor(server: OpenServer, clients: Map<string, Client>, who: LlmDoorOptions['who']) {
    this.url = `${server.origin}${BASE}`;
    this.#server = server;
    this.#clients = clients;
    this.#sweep = setInterval(() => clients.forEach((client) => client.sweep(who)), SWEEP_MS);
  }

  /** Open it. Throws port_in_use, usage (the address is none of this machine). */
  static async open(options: LlmDoorOptions): Promise<LlmDoor> {
    const clients = new Map<string, Client>();
    const server = await openServer(options, (req, res) => answer(req, res, clients, options));
    return new LlmDoor(server, clients, options.who);
  }

  /** Let nobody in any more, give what runs a moment to end, then cancel it. */
  async close(): Promise<void> {
    await this.#server.close(async () => {
      const all = [...this.#clients.values()];
      const until = Date.now() + limits.mcpLeaveMs;
      while (all.some((client) => client.working) && Date.now() < until) {
        await sleep(50);
      }
      clearInterval(this.#sweep);
      await Promise.all(all.map((client) => client.close()));
    });
  }
}

async function answer(
  req: IncomingMessage,
  res: ServerResponse,
  clients: Map<string, Client>,
  options: LlmDoorOptions,
): Promise<void> {
  try {
    checkAddress(req, req.socket.localPort ?? 0, options.allowed);
    const bearer = bearerOf(req);
    const name = bearer === '' ? undefined : options.who(bearer);
    if (name === undefined) {
      throw meshError('token_unknown');
    }
    const client = clients.get(name) ?? new Client(name, options);
    clients.set(name, client);
    client.count(res);
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
    return await client.chat(await readJson(req, client.held, client.name), bearer, res);
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
