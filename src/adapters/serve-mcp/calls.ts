/**
 * The calls of one MCP client.
 */
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { meshError, type CallOptions, type Json, type Outcome } from '../../agent/index.js';
import { limits } from '../../wire/limits.js';
import type { Catalogue } from './catalogue.js';
import { capabilityNamed, type NameStyle } from './names.js';
import { Progress, type Listener } from './progress.js';
import { completed, failed } from './results.js';
import type { Offered } from './tools.js';

/** An id is born a moment before its deadline is counted, and the deadline may not lie beyond the life. */
const BIRTH_MS = 100;

/** Makes a call on the mesh as the client's user. With `onPart` its partial outputs are heard as they come. */
export type Caller = (
  capability: string,
  body: unknown,
  options: CallOptions,
  onPart: ((value: Json) => void) | undefined,
) => Promise<Outcome<unknown>>;

/** What is needed to make calls. */
export interface CallsOptions {
  /** The client, for errors. */
  readonly who: string;
  readonly call: Caller;
  readonly catalogue: Catalogue;
  readonly style: NameStyle;
  /** How long a call may take at most, in ms. */
  readonly timeoutMs: number;
}

/** What a client asks for. */
export interface ToolCall {
  readonly name: string;
  readonly arguments?: Readonly<Record<string, unknown>> | undefined;
}

/** Makes calls, at most `mcpCalls` at once. */
export class Calls {
  readonly #options: CallsOptions;
  #running = 0;

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  /**
   * Call the capability of a tool. An abort asks the mesh to cancel; a request that was cancelled before it came here
   * is no call at all. Resolves also for refusals and failures: they are results that say so.
   */
  async run(call: ToolCall, signal: AbortSignal, listener: Listener): Promise<CallToolResult> {
    const { who, style } = this.#options;
    if (signal.aborted) {
      return failed(meshError('cancelled'), 'tools/call');
    }
    if (this.#running >= limits.mcpCalls) {
      return failed(meshError('client_busy', { who, max: limits.mcpCalls, what: 'calls' }), 'tools/call');
    }
    const capability = capabilityNamed(call.name, style);
    if (capability === undefined) {
      const value = JSON.stringify(call.name.slice(0, limits.mcpNameChars));
      return failed(meshError('name_invalid', { value, where: 'no tool has such a name' }), 'tools/call');
    }
    this.#running++;
    const progress = new Progress(capability, listener);
    try {
      const onPart = listener.token === undefined ? undefined : (value: Json) => progress.tell(textOf(value));
      return await this.#make(capability, call.arguments ?? {}, signal, onPart);
    } finally {
      progress.end();
      this.#running--;
    }
  }

  async #make(
    capability: string,
    given: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
    onPart: ((value: Json) => void) | undefined,
  ): Promise<CallToolResult> {
    const offered = await this.#options.catalogue.offered(capability);
    const body = offered?.wrapped === true ? given['body'] : given;
    try {
      const options = { signal, ...this.#terms(offered) };
      const outcome = await this.#options.call(capability, body, options, onPart);
      return completed(outcome, offered?.content === true);
    } catch (err) {
      return failed(err, `tools/call ${capability}`);
    }
  }

  /** A capability this user may not call is asked for all the same: the mesh refuses it, and keeps that on record. */
  #terms(offered: Offered | undefined): CallOptions {
    const { timeoutMs } = this.#options;
    return offered === undefined
      ? { timeoutMs }
      : { timeoutMs: Math.min(timeoutMs, offered.lifeMs - BIRTH_MS), major: offered.major };
  }
}

/** A partial output for people to read. */
function textOf(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
