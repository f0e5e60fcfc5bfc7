/**
 * One life of an MCP server: its process, its session over stdio, and its end.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import {
  CallToolResultSchema,
  ErrorCode,
  ListToolsResultSchema,
  McpError,
  type CallToolResult,
  type Implementation,
  type Tool,
} from '@modelcontextprotocol/sdk/types.js';
import { mountFailed, wordsOf } from './mcp-error.js';

/** How to start the server. */
export interface McpCommand {
  readonly command: string;
  readonly args?: readonly string[];
  readonly cwd?: string;
  /**
   * Its environment, beside HOME, LOGNAME, PATH, SHELL, TERM and USER. Nothing else is handed on: the environment of
   * an agent holds its credentials.
   */
  readonly env?: Readonly<Record<string, string>>;
  /** Hears what the server writes to stderr. */
  readonly onStderr?: (text: string) => void;
}

const START_MS = 30_000;
const MAX_PAGES = 64;
const MAX_TIMER_MS = 2_147_483_647;
const STDERR_KEPT = 400;

/** A running MCP server. */
export class McpProcess {
  readonly #client: Client;
  readonly pid: number;
  /** Resolves when the process has ended or its session is broken. */
  readonly ended: Promise<void>;

  private constructor(client: Client, pid: number, ended: Promise<void>) {
    this.#client = client;
    this.pid = pid;
    this.ended = ended;
  }

  /** Start the command and open the session. Throws mount_failed with the last words of the server. */
  static async start(command: McpCommand, signal?: AbortSignal): Promise<McpProcess> {
    const transport = new StdioClientTransport({
      command: command.command,
      args: [...(command.args ?? [])],
      stderr: 'pipe',
      ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
      ...(command.env === undefined ? {} : { env: { ...command.env } }),
    });
    let lastWords = '';
    transport.stderr?.on('data', (chunk: Buffer) => {
      const text = chunk.toString();
      lastWords = (lastWords + text).slice(-STDERR_KEPT);
      command.onStderr?.(text);
    });
    const client = new Client({ name: 'capmesh', version: '1.0.0' });
    const ended = new Promise<void>((resolve) => {
      client.onclose = () => resolve();
    });
    try {
      await client.connect(transport, { timeout: START_MS, ...(signal === undefined ? {} : { signal }) });
      return new McpProcess(client, transport.pid ?? 0, ended);
    } catch (err) {
      await transport.close();
      const said = lastWords.trim() === '' ? '' : `; it said: ${lastWords.trim()}`;
      throw mountFailed(`${command.command} did not start as an MCP server (${wordsOf(err)})${said}`, err);
    }
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

  /** Call a tool. An abort cancels it; rejects when it says so itself, and when the process ends meanwhile. */
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
    try {
      return await this.#client.request({ method: 'tools/call', params }, CallToolResultSchema, {
        signal,
        timeout,
      });
    } catch (err) {
      if (err instanceof McpError && err.code === ErrorCode.ConnectionClosed) {
        throw new Error('the MCP server ended while it worked on this call: an effect may have happened', {
          cause: err,
        });
      }
      throw err;
    }
  }

  /** End it: first its stdin, then the process. */
  async close(): Promise<void> {
    await this.#client.close();
  }
}
