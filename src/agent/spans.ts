/**
 * Traces of the SDK: which trace a call is part of, and the spans around calls and handlers. Without a collector and
 * without an OpenTelemetry SDK of the user's own there are no spans; a trace that comes with a task is handed on.
 */
import {
  ProxyTracerProvider,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  context,
  isSpanContextValid,
  trace,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import { readRatio } from '../sight/ratio.js';
import { remoteContext, type Tracing } from '../sight/tracing.js';
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
const NOBODY = new ProxyTracerProvider().getDelegate();

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
  call(id: string, capability: string, attributes: Attributes, task: TraceHeaders | undefined): Running {
    const tracer = this.#tracer();
    if (tracer === undefined) {
      return task === undefined ? NOTHING : handedOn(task);
    }
    const above = this.#above(id, task);
    if (above === undefined || !this.#room(1)) {
      return task === undefined ? NOTHING : handedOn(task);
    }
    const options = { kind: SpanKind.CLIENT, attributes: { 'mesh.call': id, ...attributes } };
    return running(tracer.startSpan(`call ${capability}`, options, above));
  }

  /** A task comes in; `work` runs with its span in effect, for spans that the handler makes itself. */
  handle(name: string, task: TraceHeaders, attributes: Attributes): Running & { in<T>(work: () => T): T } {
    const given = parseTraceparent(task.traceparent);
    const tracer = given?.from === undefined ? undefined : this.#tracer();
    const sampled = given?.sampled === true;
    if (given?.from === undefined || tracer === undefined || !sampled || !this.#room(1)) {
      return { ...handedOn(task), in: (work) => work() };
    }
    const above = remoteContext(given.id, given.from, true, task.tracestate);
    const span = tracer.startSpan(`handle ${name}`, { kind: SpanKind.SERVER, attributes }, above);
    return { ...running(span), in: (work) => context.with(trace.setSpan(context.active(), span), work) };
  }

  /** Send what is left; gives up after a bounded time. */
  async flush(): Promise<void> {
    await this.#tracing?.flush();
  }

  #tracer(): Tracer | undefined {
    const provider = trace.getTracerProvider();
    const theirs = provider instanceof ProxyTracerProvider && provider.getDelegate() !== NOBODY;
    return theirs ? trace.getTracer('capmesh') : this.#tracing?.tracer;
  }

  /** The span that runs in the program, else that of the task, else a trace of our own if it is sampled. */
  #above(id: string, task: TraceHeaders | undefined): Context | undefined {
    const active = trace.getActiveSpan()?.spanContext();
    if (active !== undefined && isSpanContextValid(active)) {
      return context.active();
    }
    if (task !== undefined) {
      const given = parseTraceparent(task.traceparent);
      return given?.from === undefined || !given.sampled
        ? undefined
        : remoteContext(given.id, given.from, true, task.tracestate);
    }
    const own = ownTrace(id, this.#tracing === undefined ? 1 : this.#ratio);
    if (own?.sampled !== true) {
      return undefined;
    }
    this.#tracing?.beginWith(own.id);
    return ROOT_CONTEXT;
  }

  #room(spans: number): boolean {
    return this.#tracing?.room(spans) ?? true;
  }
}

function handedOn(task: TraceHeaders): Running {
  return { ...task, end: () => undefined };
}

function running(span: Span): Running {
  const { traceId, spanId, traceFlags, traceState } = span.spanContext();
  const sampled = (traceFlags & TraceFlags.SAMPLED) === TraceFlags.SAMPLED;
  return {
    traceparent: traceparentOf(traceId, spanId, sampled),
    tracestate: traceState?.serialize() || undefined,
    end(error) {
      if (error !== undefined) {
        span.setStatus({ code: SpanStatusCode.ERROR, message: error });
      }
      span.end();
    },
  };
}
