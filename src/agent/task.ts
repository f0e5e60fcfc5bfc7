/**
 * One task: run the handler within its deadline and turn what it gives into a result.
 */
import { setMaxListeners } from 'node:events';
import { bodyTypeOf, contentTypeOf, encodeBody, readBody, type BodyType } from '../wire/content.js';
import { asMeshError, meshError } from '../wire/errors.js';
import type { Ticket } from '../wire/generated/messages.js';
import { header, headerText, type HeaderBlock } from '../wire/headers.js';
import type { Json } from '../wire/json.js';
import { limits } from '../wire/limits.js';
import type { Priority } from '../wire/priority.js';
import { unsampledParent } from '../wire/trace.js';
import type { Caller } from './caller.js';
import { failure, unread } from './failure.js';
import type { ParentTask } from './request.js';
import type { PartsOut } from './parts-out.js';
import type {
  CallOptions,
  CallStream,
  Handler,
  StreamOptions,
  TaskContext,
  UsageOptions,
} from './options.js';
import type { Spans, TraceHeaders } from './spans.js';
import type { TaskResult } from './result.js';
import type { Stop } from './stop.js';
import { usageLines, withUsage, type UsedSoFar } from './used.js';

/** What a task is run with. */
export interface TaskInput {
  readonly handler: Handler;
  readonly capability: string;
  /** The ticket as it came, and what it says. */
  readonly ticketText: string;
  readonly ticket: Ticket;
  readonly key: string;
  readonly body: Uint8Array;
  readonly type: BodyType;
  /** Where the body lies, if it is not here. */
  readonly bodyRef: string | undefined;
  readonly stop: Stop;
  /** Set when the caller wants to hear of it before its result. */
  readonly parts: PartsOut | undefined;
  /** The trace that came with it. */
  readonly trace: TraceHeaders;
}

const EMPTY = new Uint8Array(0);
const MAX_TIMEOUT_MS = 2_147_483_647;

/** Read the ticket of a task. It came from a gateway; its mac is the gateways' business. */
export function readTicket(text: string): Ticket {
  return JSON.parse(text.slice(0, text.lastIndexOf('.'))) as Ticket;
}

/** What a task carries beside its ticket. */
export function carriedBy(headers: HeaderBlock): Pick<TaskInput, 'type' | 'bodyRef' | 'trace'> {
  return {
    type: bodyTypeOf(headers.get(header.contentType)),
    bodyRef: headers.get(header.bodyRef),
    trace: { traceparent: headers.get(header.traceparent), tracestate: headers.get(header.tracestate) },
  };
}

/** Run it. Undefined when the deadline has passed before it could start: nobody waits, and nothing was done (D6). */
export async function runTask(
  input: TaskInput,
  caller: Caller,
  spans: Spans,
): Promise<TaskResult | undefined> {
  if (input.ticket.deadline <= Date.now()) {
    return undefined;
  }
  const { bodyRef, ticket, stop, parts } = input;
  const span = spans.handle(input.trace, ticket);
  const context = new Context(input, caller, span ?? input.trace);
  let failed: string | undefined;
  try {
    let body: unknown;
    if (bodyRef === undefined) {
      body = readBody(input.type, input.body);
    } else {
      try {
        body = await caller.bodies.download(bodyRef, ticket.deadline);
      } catch (err) {
        failed = asMeshError(err, 'a large body').code;
        return unread(err);
      }
    }
    const handle = () => input.handler(body as never, context);
    const value: unknown = await (span === undefined ? handle() : span.in(handle));
    const result = await resultOf(input, caller, value, context.used);
    if (parts !== undefined && parts.count > 0) {
      await parts.finish();
    }
    return result;
  } catch (err) {
    failed = 'handler_failed';
    return failure(err, stop, context.used);
  } finally {
    parts?.end();
    span?.end(failed);
    stop.end();
  }
}

/** The result of a task, in the encoding of its call; a large one is stored for as long as the outcome is kept. */
async function resultOf(
  { ticket, type, parts }: TaskInput,
  caller: Caller,
  value: unknown,
  used: UsedSoFar | undefined,
): Promise<TaskResult> {
  const content = encodeBody(value, type === 'msgpack' ? 'msgpack' : 'json');
  const large = content.bytes.length > limits.bodyBytes;
  const count = parts?.count ?? 0;
  if (used === undefined && count === 0 && !large && content.type === 'json') {
    return { body: content.bytes, headers: '' };
  }
  const until = (ticket.expires ?? ticket.deadline) + limits.graceMs;
  const bounds = { acceptUntil: ticket.deadline, deadline: ticket.deadline };
  const headers = headerText([
    ...usageLines(used),
    [header.parts, count === 0 ? undefined : count],
    [header.contentType, contentTypeOf(content.type)],
    [header.bodyRef, large ? await caller.bodies.upload(content, until, bounds) : undefined],
  ]);
  return { body: large ? EMPTY : content.bytes, headers };
}

/** The context of one task. */
class Context implements TaskContext {
  readonly #input: TaskInput;
  readonly #caller: Caller;
  readonly #trace: TraceHeaders;
  #children = 0;
  used: UsedSoFar | undefined;

  constructor(input: TaskInput, caller: Caller, trace: TraceHeaders) {
    this.#input = input;
    this.#caller = caller;
    this.#trace = trace;
    // Handlers like to take their context apart: these must not lose it.
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

  get priority(): Priority {
    return this.#input.ticket.priority ?? 'normal';
  }

  get key(): string {
    return this.#input.key;
  }

  get context(): string | undefined {
    return this.#input.ticket.context;
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
    const { root, call } = this.#input.ticket;
    return this.#trace.traceparent ?? unsampledParent(root, call);
  }

  async call<T = Json>(capability: string, body: unknown = null, options: CallOptions = {}): Promise<T> {
    const own = { timeoutMs: MAX_TIMEOUT_MS, ...options };
    return (await this.#caller.call<T>(capability, body, own, this.#parent())).value;
  }

  readonly stream = <T = Json>(
    capability: string,
    body: unknown = null,
    options: StreamOptions = {},
  ): CallStream<T> =>
    this.#caller.stream<T>(capability, body, { timeoutMs: MAX_TIMEOUT_MS, ...options }, this.#parent());

  readonly progress = (value: unknown): Promise<boolean> =>
    this.#input.parts?.push(value) ?? Promise.resolve(false);

  readonly ask = async <T = Json>(question: unknown): Promise<T> => {
    const { parts, capability } = this.#input;
    if (parts === undefined) {
      throw meshError('no_answer', { capability });
    }
    return (await parts.ask(question, capability)) as T;
  };

  usage(amounts: Readonly<Record<string, number>>, { bound = false }: UsageOptions = {}): void {
    this.used = withUsage(this.used, amounts, bound);
  }

  #parent(): ParentTask {
    setMaxListeners(0, this.signal); // one listener for each child call on its way
    return {
      ticket: this.#input.ticketText,
      deadline: this.deadline,
      signal: this.signal,
      trace: this.#trace,
      nextChild: () => this.#children++,
    };
  }
}
