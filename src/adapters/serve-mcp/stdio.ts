/**
 * The mesh as an MCP server over stdio: one client, which is whoever started the process.
 */
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { meshError } from '../../agent/index.js';
import { limits } from '../../wire/limits.js';
import { untilIdle } from '../door/guests.js';
import { LineGuard } from './lines.js';
import type { Member } from './member.js';
import { rpcError } from './results.js';

/** The pipes of a session, and who hears what is wrong with what comes through them. */
export interface Pipes {
  readonly input: Readable;
  readonly output: Writable;
  readonly say: (sentence: string) => void;
}

/** A session over stdio. */
export interface StdioSession {
  /** Resolves when the client has closed its end and what ran was given a moment to finish. */
  readonly left: Promise<void>;
  /** End it: what still runs is cancelled. */
  close(): Promise<void>;
}

/** Serve one client until it leaves. */
export async function serveStdio(member: Member, { input, output, say }: Pipes): Promise<StdioSession> {
  const guard = new LineGuard({
    maxBytes: limits.mcpRequestBytes,
    answers: output,
    onTooLong: (bytes, id) => {
      const err = meshError('body_too_large', { bytes, maxBytes: limits.mcpRequestBytes });
      output.write(`${JSON.stringify(rpcError(err, id))}\n`);
    },
  });
  output.setMaxListeners(0); // every answer waits for the pipe by itself; the guard bounds how many
  const transport = new StdioServerTransport(guard, output);
  const server = await member.join(transport);
  server.onerror = (err) => say(`a message could not be read: ${err.message.slice(0, 200)}`);
  const ended = new Promise<void>((resolve) => {
    guard.once('end', resolve);
    input.once('error', () => resolve());
  });
  input.pipe(guard);
  return { left: ended.then(() => idle(member)), close: () => server.close() };
}

/** A client that pipes its requests in and closes still gets its answers, if they come soon. */
async function idle(member: Member): Promise<void> {
  await sleep(50); // the last lines are still being read
  await untilIdle(() => member.working > 0);
}
