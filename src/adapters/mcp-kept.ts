/**
 * An MCP server whose session is opened again when it ends by itself, until it is stopped or has ended too often.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { MeshError, TaskContext } from '../agent/index.js';
import { mountFailed, wordsOf } from './mcp-error.js';
import { McpSession, NeverRan, type McpTarget } from './mcp-session.js';

const BACKOFF_MS = 200;
const BACKOFF_MAX_MS = 3_200;
/** After this long an end is forgiven. */
const HEALTHY_MS = 10_000;

/** How to keep it. */
export interface KeepOptions {
  /** Restarts without a healthy stretch between them before it is given up. */
  readonly restarts: number;
  /** Hears one sentence at every end. */
  readonly say: (sentence: string) => void;
}

/** What a tool call takes from the task it is part of. */
export type TaskPart = Pick<TaskContext, 'signal' | 'deadline' | 'traceparent'>;

/** Keeps one server running. */
export class KeptMcp {
  readonly #target: McpTarget;
  readonly #options: KeepOptions;
  readonly #stop = new AbortController();
  /** The open session, or the one that is being opened. */
  #current: Promise<McpSession>;
  #restarts = 0;
  #over: (err: MeshError | undefined) => void = () => undefined;
  /** Resolves when there will be no further restart: with the reason, or with nothing after `close`. */
  readonly ended: Promise<MeshError | undefined>;

  constructor(target: McpTarget, first: McpSession, options: KeepOptions) {
    this.#target = target;
    this.#options = options;
    this.#current = Promise.resolve(first);
    this.ended = new Promise((resolve) => (this.#over = resolve));
    void this.#watch(first);
  }

  /** Call a tool; while the server is started again, or not there, the call waits. */
  async call(tool: string, args: unknown, of: TaskPart): Promise<CallToolResult> {
    for (;;) {
      const server = await unlessAborted(this.#current, of.signal);
      try {
        return await server.call(tool, args, of.signal, of.deadline - Date.now(), of.traceparent);
      } catch (err) {
        if (!(err instanceof NeverRan)) {
          throw err;
        }
        await server.ended; // by now another one is being opened
      }
    }
  }

  /** End the server for good. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#over(undefined);
    const server = await this.#current.catch(() => undefined);
    await server?.close();
  }

  async #watch(server: McpSession): Promise<void> {
    const since = performance.now();
    await server.ended;
    if (this.#stop.signal.aborted) {
      return;
    }
    if (performance.now() - since > HEALTHY_MS) {
      this.#restarts = 0;
    }
    this.#current = this.#startAgain();
    try {
      void this.#watch(await this.#current);
    } catch (err) {
      this.#over(mountFailed(wordsOf(err), err));
    }
  }

  async #startAgain(): Promise<McpSession> {
    let why = 'it ended by itself';
    while (this.#restarts < this.#options.restarts) {
      const waitMs = Math.min(BACKOFF_MS * 2 ** this.#restarts++, BACKOFF_MAX_MS);
      const again = 'endpoint' in this.#target ? 'asking for it' : 'starting it';
      this.#options.say(`the MCP server has ended (${why}); ${again} again in ${waitMs} ms`);
      await pause(waitMs, this.#stop.signal);
      try {
        return await McpSession.open(this.#target, this.#stop.signal);
      } catch (err) {
        why = wordsOf(err);
      }
    }
    throw new Error(`it ended ${this.#restarts + 1} times within a short while, at last: ${why}`);
  }
}

/** Wait; an abort ends the waiting with its reason. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
