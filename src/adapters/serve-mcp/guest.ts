/**
 * One MCP client over HTTP, and its sessions. What it does is counted and bounded for it alone.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js';
import { meshError } from '../../agent/index.js';
import { limits } from '../../wire/limits.js';
import type { Held } from '../door/gate.js';
import type { Guest, Who } from '../door/guests.js';
import { Requests } from '../door/requests.js';
import type { Member } from './member.js';

/** One client. */
export class McpGuest implements Guest {
  readonly name: string;
  readonly held: Held = { bytes: 0 };
  readonly #join: (user: string) => Promise<Member>;
  readonly #sessions = new Map<string, Session>();
  #member: Promise<Member> | undefined;
  /** Sessions that are there or being made: while there are any, the connection to the mesh stays. */
  #joined = 0;
  #bearer = '';
  readonly #requests: Requests;

  constructor(name: string, join: (user: string) => Promise<Member>) {
    this.name = name;
    this.#requests = new Requests(name);
    this.#join = join;
  }

  /** Some request has no answer yet; streams that only listen do not count. */
  get working(): boolean {
    return this.#requests.working;
  }

  /** Count a request until its response is over. Throws client_busy. */
  count(res: ServerResponse, bearer: string): void {
    this.#requests.count(res);
    this.#bearer = bearer;
  }

  /** The session a request belongs to; `body` that initializes makes one. Throws client_busy, and what joining throws. */
  async session(id: string | undefined, body?: unknown): Promise<Session | undefined> {
    if (id !== undefined) {
      return this.#sessions.get(id);
    }
    return isInitializeRequest(body) ? await this.#begin() : undefined;
  }

  /** End what nobody uses, and everything if the token is gone. */
  sweep(who: Who): void {
    const revoked = this.#sessions.size > 0 && who(this.#bearer) !== this.name;
    const old = performance.now() - limits.mcpSessionIdleMs;
    for (const session of this.#sessions.values()) {
      if (revoked || session.unusedSince < old) {
        void session.close();
      }
    }
  }

  /** End all. */
  async close(): Promise<void> {
    await Promise.all([...this.#sessions.values()].map((session) => session.close()));
    await (await this.#member?.catch(() => undefined))?.close();
  }

  async #begin(): Promise<Session> {
    await this.#makeRoom();
    this.#joined++;
    try {
      this.#member ??= this.#join(this.name);
      const member = await this.#member;
      const session = new Session(
        (made) => this.#sessions.set(made.id, made),
        (ended) => {
          this.#sessions.delete(ended.id);
          this.#leave();
        },
      );
      await session.join(member);
      return session;
    } catch (err) {
      this.#leave();
      throw err;
    }
  }

  async #makeRoom(): Promise<void> {
    if (this.#joined < limits.mcpSessions) {
      return;
    }
    const [oldest] = [...this.#sessions.values()].sort((a, b) => a.unusedSince - b.unusedSince);
    if (oldest === undefined || oldest.unusedSince === Infinity) {
      throw meshError('client_busy', { who: this.name, max: limits.mcpSessions, what: 'sessions' });
    }
    await oldest.close();
  }

  #leave(): void {
    if (--this.#joined === 0) {
      const member = this.#member;
      this.#member = undefined;
      void member?.then((one) => one.close()).catch(() => undefined);
    }
  }
}

/** One session. */
export class Session {
  readonly #transport: StreamableHTTPServerTransport;
  readonly #onEnd: (session: this) => void;
  #open = 0;
  #usedMs = performance.now();
  #ended = false;

  constructor(onBegin: (session: Session) => void, onEnd: (session: Session) => void) {
    this.#onEnd = onEnd;
    this.#transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: () => onBegin(this),
    });
  }

  /** Its id; empty before it is initialized. */
  get id(): string {
    return this.#transport.sessionId ?? '';
  }

  /** When its last request ended, in ms of the process; infinite while one is open. */
  get unusedSince(): number {
    return this.#open > 0 ? Infinity : this.#usedMs;
  }

  /** Begin it as this member. */
  async join(member: Member): Promise<void> {
    await member.join(this.#transport as Transport, () => {
      if (!this.#ended) {
        this.#ended = true;
        this.#onEnd(this);
      }
    });
  }

  /** Answer a request of it. One that did not even initialize it ends it. */
  async handle(req: IncomingMessage, res: ServerResponse, body?: unknown): Promise<void> {
    this.#open++;
    res.once('close', () => {
      this.#open--;
      this.#usedMs = performance.now();
      if (this.id === '') {
        void this.close();
      }
    });
    await this.#transport.handleRequest(req, res, body);
  }

  /** End it. */
  async close(): Promise<void> {
    await this.#transport.close();
  }
}
