/**
 * What a client is told of a call: its outcome as the result of a tool, and no as words a model can act on.
 */
import {
  CallToolResultSchema,
  ErrorCode,
  McpError,
  type CallToolResult,
} from '@modelcontextprotocol/sdk/types.js';
import { MeshError, meshError, type Outcome, type Retry } from '../../agent/index.js';

/** A completed call. `content`: its value is content of MCP already. */
export function completed({ value, ...outcome }: Outcome<unknown>, content: boolean): CallToolResult {
  const _meta = { 'capmesh/outcome': { status: 'completed', ...outcome } };
  const given = content ? CallToolResultSchema.safeParse(value) : undefined;
  if (given?.success === true) {
    return { content: given.data.content, _meta };
  }
  // Raw bytes are told as `mesh call --json` tells them: MCP has no content of any kind.
  const shown = Buffer.isBuffer(value) ? { bytes: value.length, base64: value.toString('base64') } : value;
  const object = typeof shown === 'object' && shown !== null && !Array.isArray(shown);
  return {
    content: [{ type: 'text', text: JSON.stringify(shown) }],
    ...(object ? { structuredContent: shown as Record<string, unknown> } : {}),
    _meta,
  };
}

const REPEAT: Readonly<Record<Retry, string>> = {
  never: 'The same call again will hardly get another answer: change something first.',
  later: 'It did not run. Wait a while, then call again.',
  same_id: 'It may still run: look at what became of it before you call again.',
  check: 'It may have had its effect: look before you call again.',
};

/** A call that was refused, failed, or ended in any other way than completed. */
export function failed(thrown: unknown, where: string): CallToolResult {
  const err = asError(thrown, where);
  const { status, call } = err;
  const lines = [
    `[${err.code}] ${err.sentence}`,
    `What now: ${err.help}`,
    `Repeat: ${REPEAT[err.retry]}`,
    ...(status === undefined ? [] : [`Outcome: ${status}`]),
    ...(call === undefined ? [] : [`Call: ${call}`]),
  ];
  const told = { ...err.toBody(), ...(status === undefined ? {} : { status }) };
  return {
    isError: true,
    content: [{ type: 'text', text: lines.join('\n') }],
    _meta: { 'capmesh/error': told },
  };
}

/** An error of the protocol, for requests that are not calls of tools. */
export function protocolError(thrown: unknown, where: string): McpError {
  const err = asError(thrown, where);
  return new McpError(ErrorCode.InternalError, wordsOf(err), err.toBody());
}

/** The error of a request whose body could not be read to its end: JSON-RPC 2.0. */
export function rpcError(err: MeshError, id: string | number | null = null): object {
  const error = { code: ErrorCode.InvalidRequest, message: wordsOf(err), data: err.toBody() };
  return { jsonrpc: '2.0', id, error };
}

function wordsOf({ code, sentence, help }: MeshError): string {
  return `[${code}] ${sentence}. What now: ${help}`;
}

function asError(thrown: unknown, where: string): MeshError {
  return thrown instanceof MeshError ? thrown : meshError('internal', { where }, thrown);
}
