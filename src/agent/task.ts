/**
 * One task: run the handler within its deadline and turn what it gives into a result.
 */
import { asMeshError, MeshError, meshError } from '../wire/errors.js';
import type { Ticket } from '../wire/generated/messages.js';
import { encodeHeaders, header } from '../wire/headers.js';
import { encodeJson, type Json } from '../wire/json.js';
import type { Caller, ParentTask } from './caller.js';
import type { CallOptions, Handler, TaskContext } from './options.js';

/** A result on its way: body and raw headers (undefined: none). */
export interface TaskResult {
  readonly body: Uint8Array;
  readonly headers: Uint8Array | undefined;
}

/** What a task is run with. */
export interface TaskInput {
  readonly handler: Handler;
  /** The ticket as it came. */
  readonly ticket: string;
  readonly key: string;
  readonly body: Uint8Array;
  readonly abort: AbortController;
  readonly caller: Caller;
}

const MAX_TIMER_MS = 2_147_483_647;

/** Run it. Undefined when the deadline has passed before it could start: nobody waits, and nothing was done (D6). */
export async function runTask(input: TaskInput): Promise<TaskResult | undefined> {
  const ticket = JSON.parse(input.ticket.slice(0, input.ticket.lastIndexOf('.'))) as Ticket;
  const left = ticket.deadline - Date.now();
  if (left <= 0) {
    return undefined;
  }
  const timer = setTimeout(
    () => input.abort.abort(meshError('deadline_exceeded', { why: 'the task ran too long' })),
    Math.min(left, MAX_TIMER_MS),
  );
  const used: { amounts?: Readonly<Record<string, number>> } = {};
  try {
    const body = (input.body.length === 0 ? null : JSON.parse(Buffer.from(input.body).toString())) as never;
    const value: unknown = await input.handler(body, contextOf(input, ticket, used));
    const headers =
      used.amounts === undefined ? undefined : encodeHeaders([[header.usage, JSON.stringify(used.amounts)]]);
    return { body: encodeJson(value), headers };
  } catch (err) {
    return failure(err, input.abort.signal);
  } finally {
    clearTimeout(timer);
  }
}

function failure(err: unknown, signal: AbortSignal): TaskResult {
  const cancelled = signal.aborted && (signal.reason as MeshError | undefined)?.code === 'cancelled';
  // A handler's own error is told by its message; its stack stays here.
  const why = err instanceof MeshError ? err.message : err instanceof Error ? err.message : String(err);
  const body = asMeshError(meshError('handler_failed', { agent: 'the handler', why }), 'task').toBody();
  const headers = encodeHeaders([[header.status, cancelled ? 'cancelled' : 'failed']]);
  return { body: encodeJson({ ...body, message: why }), headers };
}

function contextOf(
  input: TaskInput,
  ticket: Ticket,
  used: { amounts?: Readonly<Record<string, number>> },
): TaskContext {
  let children = 0;
  const parent: ParentTask = {
    ticket: input.ticket,
    deadline: ticket.deadline,
    signal: input.abort.signal,
    nextChild: () => children++,
  };
  return {
    callId: ticket.call,
    from: ticket.from,
    root: ticket.root,
    key: input.key,
    attempt: ticket.attempt,
    deadline: ticket.deadline,
    signal: input.abort.signal,
    async call<T = Json>(capability: string, body: unknown = null, options: CallOptions = {}) {
      const outcome = await input.caller.call<T>(
        capability,
        body,
        { timeoutMs: MAX_TIMER_MS, ...options },
        parent,
      );
      return outcome.value;
    },
    usage(amounts) {
      used.amounts = { ...used.amounts, ...amounts };
    },
  };
}
