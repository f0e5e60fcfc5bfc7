/**
 * MCP clients for tests: the SDK's own, over stdio and streamable HTTP, and the few words of their results that tests
 * look at.
 */
import { EventEmitter } from 'node:events';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { CallToolResultSchema, type CallToolResult } from '@modelcontextprotocol/sdk/types.js';

/** A client, and what it must be told to leave. */
export interface TestClient {
  readonly client: Client;
  readonly transport: StdioClientTransport | StreamableHTTPClientTransport;
  /** What the server wrote to stderr (stdio). */
  said(): string;
}

// The SDK's stdio client waits for its pipe once for each message; a flood is many.
EventEmitter.defaultMaxListeners = 2_000;

const open: Client[] = [];

/** Leave all; call it after each test. */
export async function leaveAll(): Promise<void> {
  await Promise.all(open.splice(0).map((client) => client.close()));
}

/** Start `bin/mesh.js` with these arguments as a stdio server. */
export async function overStdio(args: readonly string[]): Promise<TestClient> {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: ['bin/mesh.js', ...args],
    stderr: 'pipe',
  });
  let said = '';
  transport.stderr?.on('data', (chunk: Buffer) => void (said += chunk.toString()));
  return { ...(await connected(transport)), said: () => said };
}

/** Come in over HTTP with a token. */
export async function overHttp(url: string, token: string, headers: object = {}): Promise<TestClient> {
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { Authorization: `Bearer ${token}`, ...headers } },
  });
  return { ...(await connected(transport)), said: () => '' };
}

async function connected<T extends StdioClientTransport | StreamableHTTPClientTransport>(
  transport: T,
): Promise<{ client: Client; transport: T }> {
  const client = new Client({ name: 'test', version: '1.0.0' });
  open.push(client);
  await client.connect(transport as Transport);
  return { client, transport };
}

/** Call a tool; refusals are results too. */
export async function use(
  { client }: TestClient,
  name: string,
  args: Record<string, unknown> = {},
  options: Parameters<Client['request']>[2] = {},
): Promise<CallToolResult> {
  const params = { name, arguments: args };
  return await client.request({ method: 'tools/call', params }, CallToolResultSchema, options);
}

/** The text of a result. */
export function textOf(result: CallToolResult): string {
  return result.content.map((part) => (part.type === 'text' ? part.text : `(${part.type})`)).join('\n');
}

/** The code of a result that is an error, or `completed`. */
export function codeOf(result: CallToolResult): string {
  const error = result._meta?.['capmesh/error'] as { code?: string } | undefined;
  return result.isError === true ? (error?.code ?? 'without a code') : 'completed';
}

/** All tools, page by page, by name. */
export async function toolsOf({ client }: TestClient): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.listTools(cursor === undefined ? {} : { cursor });
    names.push(...page.tools.map(({ name }) => name));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return names;
}
