/**
 * One session with a mounted MCP server, over the pipes of its process or over HTTP.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import type { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CallToolResultSchema,
  ErrorCode,
  ListToolsResultSchema,
  McpError,
  type CallToolResult,
  type Implementation,
  type Tool,
} from '@modelcontextprotocol/sdk/types.js';
import { limits } from '../wire/limits.js';
import { ChildTransport, type McpCommand } from './mcp-child.js';
import { brokeOff, endpointTransport, neverArrived, placeOf, type McpEndpoint } from './mcp-endpoint.js';
import { mountFailed, wordsOf } from './mcp-error.js';

/** What to mount: a command that is started, or a server that runs somewhere. */
export type McpTarget = McpCommand | McpEndpoint;

/** The server was not there: what was asked of it never ran. */
export class NeverRan extends Error {}

const START_MS = 30_000;
const MAX_PAGES = 64;
const MAX_TIMER_MS = 2_147_483_647;
const STDERR_KEPT = 400;
/** Pings in a row that may go unanswered. */
const MISSED_PINGS = 3;

/** An open session. */
export class McpSession {
  readonly #client: Client;
  readonly #http: StreamableHTTPClientTransport | undefined;
  /** Resolves when the process has ended, the server is gone, or the session is broken. */
  readonly ended: Promise<void>;
  #working = 0;
  #missed = 0;
  #watch: NodeJS.Timeout | undefined;

  private constructor(client: Client, ended: Promise<void>, http?: StreamableHTTPClientTransport) {
    this.#client = client;
    this.#http = http;
    this.ended = ended;
  }

  /** Open it. Throws mount_failed, for a command with its last words; usage. */
  static async open(target: McpTarget, signal?: AbortSignal): Promise<McpSession> {
    const client = new Client({ name: 'capmesh', version: '1.0.0' });
    const ended = new Promise<void>((resolve) => {
      client.onclose = () => resolve();
    });
    const options = { timeout: START_MS, ...(signal === undefined ? {} : { signal }) };
    if ('endpoint' in target) {
      const place = placeOf(target);
      const http = endpointTransport(target, () => void client.close());
      try {
        await client.connect(http as Transport, options);
      } catch (err) {
        await client.close();
        throw mountFailed(`${place} did not answer as an MCP server (${wordsOf(err)})`, err);
      }
      return new McpSession(client, ended, http);
    }
    let lastWords = '';
    const onStderr = (text: string): void => {
      lastWords = (lastWords + text).slice(-STDERR_KEPT);
      target.onStderr?.(text);
    };
    const transport = new ChildTransport({ ...target, onStderr });
    try {
      await client.connect(transport, options);
    } catch (err) {
      await transport.close();
      const said = lastWords.trim() === '' ? '' : `; it said: ${lastWords.trim()}`;
      throw mountFailed(`${target.command} did not start as an MCP server (${wordsOf(err)})${said}`, err);
    }
    return new McpSession(client, ended);
  }

  /** Name and version of the server. */
  get info(): Implementation | undefined {
    return this.#client.getServerVersion();
  }

  /** Its tools, page by page. Throws mount_failed. */
  async tools(): Promise<Tool[]> {
    const tools: Tool[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < MAX_PAGES; page++) {
      // The client's own listTools compiles every output schema with a backtracking engine; the mesh checks results.
      const request = { method: 'tools/list', params: cursor === undefined ? {} : { cursor } } as const;
      const reply = await this.#client.request(request, ListToolsResultSchema).catch((err: unknown) => {
        throw mountFailed(`it does not list its tools (${wordsOf(err)})`, err);
      });
      tools.push(...reply.tools);
      cursor = reply.nextCursor;
      if (cursor === undefined) {
        return tools;
      }
    }
    throw mountFailed(`its list of tools does not end after ${MAX_PAGES} pages`);
  }

  /**
   * Call a tool. An abort cancels it. Rejects when the server says so itself, when the session ends meanwhile, and with
   * NeverRan when the server was not there; then the session has ended too.
   */
  async call(
    tool: string,
    args: unknown,
    signal: AbortSignal,
    leftMs: number,
    traceparent?: string,
  ): Promise<CallToolResult> {
    const params = {
      name: tool,
      arguments: (args ?? {}) as Record<string, unknown>,
      // Where MCP hands on a trace.
      ...(traceparent === undefined ? {} : { _meta: { traceparent } }),
    };
    const timeout = Math.min(Math.max(leftMs, 1), MAX_TIMER_MS);
    this.#begin();
    try {
      return await this.#client.request({ method: 'tools/call', params }, CallToolResultSchema, {
        signal,
        timeout,
      });
    } catch (err) {
      if (neverArrived(err)) {
        await this.#client.close();
        throw new NeverRan('the MCP server is not there', { cause: err });
      }
      const ended = err instanceof McpError && err.code === ErrorCode.ConnectionClosed;
      if (ended || brokeOff(err)) {
        await this.#client.close();
        throw new Error('the MCP server ended while it worked on this call: an effect may have happened', {
          cause: err,
        });
      }
      throw err;
    } finally {
      this.#end();
    }
  }

  /** End it: over HTTP the session is given back, a process is asked to end. */
  async close(): Promise<void> {
    await this.#http?.terminateSession().catch(() => undefined);
    await this.#client.close();
  }

  /** Over HTTP nothing tells that a server has died at its work, so it is asked while it works. */
  #begin(): void {
    if (this.#working++ === 0 && this.#http !== undefined) {
      this.#missed = 0;
      this.#watch = setInterval(() => void this.#ping(), limits.mcpPingMs);
    }
  }

  #end(): void {
    if (--this.#working === 0) {
      clearInterval(this.#watch);
    }
  }

  async #ping(): Promise<void> {
    try {
      await this.#client.ping({ timeout: limits.mcpPingMs });
      this.#missed = 0;
    } catch (err) {
      const silent = err instanceof McpError && err.code === ErrorCode.RequestTimeout;
      this.#missed = silent ? this.#missed + 1 : 0;
      if (neverArrived(err) || brokeOff(err) || this.#missed >= MISSED_PINGS) {
        await this.#client.close();
      }
    }
  }
}
