/**
 * One MCP client as a user of the mesh: its connection, its tools, its calls. All its sessions share them.
 */
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CallToolRequestSchema,
  ListToolsRequestSchema,
  isJSONRPCNotification,
  type JSONRPCMessage,
} from '@modelcontextprotocol/sdk/types.js';
import { meshError, type Mesh } from '../../agent/index.js';
import { limits } from '../../wire/limits.js';
import { Calls } from './calls.js';
import { Catalogue, type ToolPage } from './catalogue.js';
import type { NameStyle } from './names.js';
import { protocolError } from './results.js';

/** How clients are served. */
export interface ServeOptions {
  readonly names: NameStyle;
  /** How long a call may take at most, in ms. */
  readonly timeoutMs: number;
  /** Version of this package: clients are told it. */
  readonly version: string;
  /** Hears sentences for the operator. */
  readonly say: (sentence: string) => void;
}

/** An MCP client. */
export class Member {
  readonly name: string;
  readonly #calls: Calls;
  readonly #mesh: Mesh;
  readonly #catalogue: Catalogue;
  readonly #version: string;
  #working = 0;
  #listing = 0;

  /** The connection belongs to the member from now on. */
  constructor(mesh: Mesh, { names, timeoutMs, version, say }: ServeOptions) {
    this.name = mesh.name;
    this.#mesh = mesh;
    this.#version = version;
    this.#catalogue = new Catalogue(
      (pattern, options) => mesh.find(pattern, options),
      names,
      (sentence) => say(`${mesh.name}: ${sentence}`),
    );
    this.#calls = new Calls({
      who: mesh.name,
      call: async (capability, body, options, onPart) => {
        if (onPart === undefined) {
          return mesh.callForOutcome(capability, body, options);
        }
        const stream = mesh.stream(capability, body, options);
        for await (const { value } of stream) {
          onPart(value);
        }
        return stream.outcome;
      },
      catalogue: this.#catalogue,
      style: names,
      timeoutMs,
    });
  }

  /** Requests that have no answer yet. */
  get working(): number {
    return this.#working;
  }

  /** Begin a session on a transport. When the session ends its calls are cancelled, and `onEnd` is called. */
  async join(transport: Transport, onEnd: () => void = () => undefined): Promise<Server> {
    const server = new Server(
      { name: 'capmesh', title: `capmesh, as ${this.name}`, version: this.#version },
      { capabilities: { tools: { listChanged: true } }, instructions: INSTRUCTIONS },
    );
    const cancelled = new Cancelled();
    server.setRequestHandler(ListToolsRequestSchema, ({ params }) =>
      this.#counted(this.#list(params?.cursor)),
    );
    server.setRequestHandler(CallToolRequestSchema, ({ params }, extra) => {
      const signal = cancelled.has(extra['requestId']) ? AbortSignal.abort() : extra.signal;
      const send = extra.sendNotification;
      return this.#counted(this.#calls.run(params, signal, { token: extra._meta?.progressToken, send }));
    });
    const stop = this.#catalogue.onChange(() => {
      server.sendToolListChanged().catch(() => undefined); // whoever left need not know
    });
    server.onclose = () => {
      stop();
      onEnd();
    };
    transport.onmessage = (message) => cancelled.hear(message);
    await server.connect(transport);
    return server;
  }

  /** Leave the mesh. */
  async close(): Promise<void> {
    await this.#mesh.close();
  }

  async #list(cursor: string | undefined): Promise<ToolPage> {
    if (this.#listing >= limits.mcpLists) {
      const facts = { who: this.name, max: limits.mcpLists, what: 'lists of tools' };
      throw protocolError(meshError('client_busy', facts), 'tools/list');
    }
    this.#listing++;
    try {
      return await this.#catalogue.page(cursor);
    } finally {
      this.#listing--;
    }
  }

  async #counted<T>(work: Promise<T>): Promise<T> {
    this.#working++;
    try {
      return await work;
    } finally {
      this.#working--;
    }
  }
}

const INSTRUCTIONS =
  'The tools are capabilities of a mesh of agents. What you may call is decided there: a tool that fails says why, ' +
  'what to do now, and whether a repeat makes sense.';

/** Cancellations of a session, which may overtake the request they are about. */
class Cancelled {
  readonly #ids = new Set<string | number>();

  hear(message: JSONRPCMessage): void {
    const params = isJSONRPCNotification(message) && message.method === 'notifications/cancelled';
    const id = params ? (message.params?.['requestId'] as unknown) : undefined;
    if (typeof id === 'string' || typeof id === 'number') {
      this.#ids.add(id);
      const [oldest] = this.#ids;
      if (this.#ids.size > limits.mcpCalls && oldest !== undefined) {
        this.#ids.delete(oldest);
      }
    }
  }

  has(id: string | number): boolean {
    return this.#ids.has(id);
  }
}
