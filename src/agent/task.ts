/**
 * One task: run the handler within its deadline and turn what it gives into a result.
 */
import { meshError } from '../wire/errors.js';
import type { Ticket } from '../wire/generated/messages.js';
import { header, headerText } from '../wire/headers.js';
import { encodeJson, type Json } from '../wire/json.js';
import type { Caller, ParentTask } from './caller.js';
import type { CallOptions, Handler, TaskContext } from './options.js';
import type { Spans, TraceHeaders } from './spans.js';
import type { Stop } from './stop.js';

/** A result on its way: body and header block (empty: none). */
export interface TaskResult {
  readonly body: Uint8Array;
  readonly headers: string;
}

/** What a task is run with. */
export interface TaskInput {
  readonly handler: Handler;
  /** The ticket as it came, and what it says. */
  readonly ticketText: string;
  readonly ticket: Ticket;
  readonly key: string;
  readonly body: Uint8Array;
  readonly stop: Stop;
  readonly caller: Caller;
  /** The trace that came with it. */
  readonly trace: TraceHeaders;
  readonly spans: Spans;
}

const MAX_TIMEOUT_MS = 2_147_483_647;

/** Read the ticket of a task. It came from a gateway; its mac is the gateways' business. */
export function readTicket(text: string): Ticket {
  return JSON.parse(text.slice(0, text.lastIndexOf('.'))) as Ticket;
}

/** Run it. Undefined when the deadline has passed before it could start: nobody waits, and nothing was done (D6). */
export async function runTask(input: TaskInput): Promise<TaskResult | undefined> {
  if (input.ticket.deadline <= Date.now()) {
    return undefined;
  }
  const span = input.spans.handle(input.trace, input.ticket);
  const context = new Context(input, span ?? input.trace);
  let failed: string | undefined;
  try {
    const body = (input.body.length === 0 ? null : JSON.parse(Buffer.from(input.body).toString())) as never;
    const value: unknown = await (span === undefined
      ? input.handler(body, context)
      : span.in(() => input.handler(body, context)));
    const used = context.used;
    const headers = used === undefined ? '' : headerText([[header.usage, JSON.stringify(used)]]);
    return { body: encodeJson(value), headers };
  } catch (err) {
    failed = 'handler_failed';
    return failure(err, input.stop);
  } finally {
    span?.end(failed);
    input.stop.end();
  }
}

function failure(err: unknown, stop: Stop): TaskResult {
  const cancelled = stop.reason?.code === 'cancelled';
  // A handler's own error is told by its message; its stack stays here.
  const why = err instanceof Error ? err.message : String(err);
  const body = meshError('handler_failed', { agent: 'the handler', why }).toBody();
  const headers = headerText([[header.status, cancelled ? 'cancelled' : 'failed']]);
  return { body: encodeJson({ ...body, message: why }), headers };
}

/** The context of one task. */
class Context implements TaskContext {
  readonly #input: TaskInput;
  readonly #trace: TraceHeaders;
  #children = 0;
  used: Readonly<Record<string, number>> | undefined;

  constructor(input: TaskInput, trace: TraceHeaders) {
    this.#input = input;
    this.#trace = trace;
    // Handlers like to take their context apart: these two must not lose it.
    this.call = this.call.bind(this);
    this.usage = this.usage.bind(this);
  }

  get callId(): string {
    return this.#input.ticket.call;
  }

  get from(): string {
    return this.#input.ticket.from;
  }

  get root(): string {
    return this.#input.ticket.root;
  }

  get key(): string {
    return this.#input.key;
  }

  get attempt(): number {
    return this.#input.ticket.attempt;
  }

  get deadline(): number {
    return this.#input.ticket.deadline;
  }

  get signal(): AbortSignal {
    return this.#input.stop.signal;
  }

  get traceparent(): string | undefined {
    return this.#trace.traceparent;
  }

  async call<T = Json>(capability: string, body: unknown = null, options: CallOptions = {}): Promise<T> {
    const parent: ParentTask = {
      ticket: this.#input.ticketText,
      deadline: this.deadline,
      signal: this.signal,
      trace: this.#trace,
      nextChild: () => this.#children++,
    };
    const own = { timeoutMs: MAX_TIMEOUT_MS, ...options };
    return (await this.#input.caller.call<T>(capability, body, own, parent)).value;
  }

  usage(amounts: Readonly<Record<string, number>>): void {
    this.used = { ...this.used, ...amounts };
  }
}
