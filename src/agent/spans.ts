/**
 * Traces of the SDK: which trace a call is part of, and the spans around calls and handlers. Without a collector and
 * without an OpenTelemetry SDK of the user's own there are no spans; a trace that comes with a task is handed on.
 */
import type { Context, Span, Tracer } from '@opentelemetry/api';
import { isOtelUsed, otel } from '../sight/otel.js';
import { readRatio } from '../sight/ratio.js';
import { remoteContext, type Tracing } from '../sight/tracing.js';
import { once } from '../wire/later.js';
import type { Ticket } from '../wire/generated/messages.js';
import { ownTrace, parseTraceparent, traceparentOf } from '../wire/trace.js';

/** What travels with a message. */
export interface TraceHeaders {
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
}

/** A span that runs, or nothing to end. */
export interface Running extends TraceHeaders {
  /** The span ends; with a code when it went wrong. */
  end(error?: string): void;
}

const NOTHING: Running = { traceparent: undefined, tracestate: undefined, end: () => undefined };
const nobody = once(() => new (otel().ProxyTracerProvider)().getDelegate());

/** The spans of one connection. */
export class Spans {
  readonly #tracing: Tracing | undefined;
  readonly #ratio: number;

  /** `tracing`: our own way to a collector. An OpenTelemetry SDK that the user has registered goes first. */
  constructor(tracing: Tracing | undefined) {
    this.#tracing = tracing;
    this.#ratio = tracing === undefined ? 0 : readRatio(process.env['MESH_TRACE_RATIO']);
  }

  /** A call goes out, as part of a task if there is one. */
  call(id: string, capability: string, from: string, task: TraceHeaders | undefined): Running {
    const tracer = this.#tracer();
    if (tracer === undefined) {
      return task === undefined ? NOTHING : handedOn(task);
    }
    const above = this.#above(id, task);
    if (above === undefined || !this.#room(1)) {
      return task === undefined ? NOTHING : handedOn(task);
    }
    const options = { kind: otel().SpanKind.CLIENT, attributes: { 'mesh.call': id, 'mesh.from': from } };
    return running(tracer.startSpan(`call ${capability}`, options, above));
  }

  /**
   * A task comes in, and nothing is made of it unless it is sampled. `in` runs the work with the span in effect, for
   * spans that the handler makes itself.
   */
  handle(task: TraceHeaders, of: Ticket): (Running & { in<T>(work: () => T): T }) | undefined {
    // What gateways write ends in 00 or 01.
    const tracer = task.traceparent?.endsWith('1') === true ? this.#tracer() : undefined;
    const given = tracer === undefined ? undefined : parseTraceparent(task.traceparent);
    if (given?.from === undefined || tracer === undefined || !this.#room(1)) {
      return undefined;
    }
    const above = remoteContext(given.id, given.from, true, task.tracestate);
    const attributes = { 'mesh.call': of.call, 'mesh.from': of.from, 'mesh.attempt': of.attempt };
    const name = `handle ${of.chain.at(-1) ?? of.agent}`;
    const span = tracer.startSpan(name, { kind: otel().SpanKind.SERVER, attributes }, above);
    return { ...running(span), in: (work) => within(span, work) };
  }

  /** Send what is left; gives up after a bounded time. */
  async flush(): Promise<void> {
    await this.#tracing?.flush();
  }

  #tracer(): Tracer | undefined {
    return isOtelUsed() && isTheirs() ? otel().trace.getTracer('capmesh') : this.#tracing?.tracer;
  }

  /** The span that runs in the program, else that of the task, else a trace of our own if it is sampled. */
  #above(id: string, task: TraceHeaders | undefined): Context | undefined {
    const active = otel().trace.getActiveSpan()?.spanContext();
    if (active !== undefined && otel().isSpanContextValid(active)) {
      return otel().context.active();
    }
    if (task !== undefined) {
      const given = parseTraceparent(task.traceparent);
      return given?.from === undefined || !given.sampled
        ? undefined
        : remoteContext(given.id, given.from, true, task.tracestate);
    }
    const own = ownTrace(id, this.#tracing === undefined ? 1 : this.#ratio);
    if (own === undefined) {
      return undefined;
    }
    this.#tracing?.beginWith(own.id);
    return otel().ROOT_CONTEXT;
  }

  #room(spans: number): boolean {
    return this.#tracing?.room(spans) ?? true;
  }
}

/** Is a tracer of the user's own registered? */
function isTheirs(): boolean {
  const { ProxyTracerProvider, trace } = otel();
  const provider = trace.getTracerProvider();
  return provider instanceof ProxyTracerProvider && provider.getDelegate() !== nobody();
}

function within<T>(span: Span, work: () => T): T {
  const { context, trace } = otel();
  return context.with(trace.setSpan(context.active(), span), work);
}

function handedOn(task: TraceHeaders): Running {
  return { traceparent: task.traceparent, tracestate: task.tracestate, end: () => undefined };
}

function running(span: Span): Running {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext();
  const sampled = (traceFlags & otel().TraceFlags.SAMPLED) === otel().TraceFlags.SAMPLED;
  return {
    traceparent: traceparentOf(traceId, spanId, sampled),
    tracestate: traceState?.serialize() || undefined,
    end(error) {
      if (error !== undefined) {
        span.setStatus({ code: otel().SpanStatusCode.ERROR, message: error });
      }
      span.end();
    },
  };
}
