/**
 * Spans to a collector, over OTLP/HTTP. The SDK of OpenTelemetry is optional: without it, or without an address in
 * OTEL_EXPORTER_OTLP_ENDPOINT, there are no spans, and traces are only handed on.
 */
import {
  ROOT_CONTEXT,
  SpanStatusCode,
  TraceFlags,
  createTraceState,
  trace,
  type Attributes,
  type Context,
  type SpanKind,
  type Tracer,
} from '@opentelemetry/api';
import { limits } from '../wire/limits.js';
import { hexByte } from '../wire/trace.js';
import { Spool, type SpanCounts } from './spool.js';

/** A span that is over, told after the fact. */
export interface SpanFacts {
  readonly name: string;
  readonly kind: SpanKind;
  /** Epoch ms, fractions allowed. */
  readonly startMs: number;
  readonly endMs: number;
  readonly traceId: string;
  /** Its own id; a random one when it does not matter. */
  readonly span?: string;
  /** The span above it; without one the trace begins here. */
  readonly parent?: string;
  readonly state?: string;
  readonly attributes?: Attributes;
  /** It ended badly: with this code. */
  readonly error?: string;
}

/** Ids that the next span must have; the provider asks for them as it makes one. */
class Ids {
  trace: string | undefined;
  span: string | undefined;

  generateTraceId(): string {
    const id = this.trace ?? `${random32()}${random32()}${random32()}${random32()}`;
    this.trace = undefined;
    return id;
  }

  generateSpanId(): string {
    const id = this.span ?? `${random32()}${random32()}`;
    this.span = undefined;
    return id;
  }
}

/** Ids of spans are no secrets: chance is enough, and much cheaper than the kernel's. */
function random32(): string {
  const value = Math.floor(Math.random() * 0x1_0000_0000);
  return hexByte(value >>> 24) + hexByte(value >>> 16) + hexByte(value >>> 8) + hexByte(value);
}

/** Makes spans under one service name. */
export class Tracing {
  readonly tracer: Tracer;
  readonly #ids: Ids;
  readonly #spool: Spool<unknown>;
  #last: { readonly traceId: string; readonly parent: string; readonly context: Context } | undefined;

  /** Use `openTracing()`. */
  constructor(tracer: Tracer, ids: Ids, spool: Spool<unknown>) {
    this.tracer = tracer;
    this.#ids = ids;
    this.#spool = spool;
  }

  /** What became of all spans of this process. */
  get counts(): SpanCounts {
    return this.#spool.counts;
  }

  /** May so many spans be made now? A no is counted as dropped. */
  room(spans: number): boolean {
    return this.#spool.room(spans);
  }

  /** The next span that begins a trace gets this trace id. */
  beginWith(traceId: string): void {
    this.#ids.trace = traceId;
  }

  /** Record a span that is over. */
  record(facts: SpanFacts): void {
    const { name, kind, startMs, endMs, traceId, span, parent, state, attributes = {}, error } = facts;
    this.#ids.trace = traceId;
    this.#ids.span = span;
    const options = { kind, startTime: startMs, attributes, root: parent === undefined };
    const above = parent === undefined ? ROOT_CONTEXT : this.#below(traceId, parent, state);
    const made = this.tracer.startSpan(name, options, above);
    this.#ids.trace = undefined;
    if (error !== undefined) {
      made.setStatus({ code: SpanStatusCode.ERROR, message: error });
    }
    made.end(Math.max(startMs, endMs));
  }

  /** The spans of a call are told one after the other, and hang below the same one. */
  #below(traceId: string, parent: string, state: string | undefined): Context {
    const last = this.#last;
    if (last !== undefined && last.traceId === traceId && last.parent === parent && state === undefined) {
      return last.context;
    }
    const made = remoteContext(traceId, parent, true, state);
    if (state === undefined) {
      this.#last = { traceId, parent, context: made };
    }
    return made;
  }

  /** Send what is left; gives up after a bounded time. */
  flush(): Promise<void> {
    return this.#spool.flush();
  }
}

/** The counts as samples of a metric. */
export function spanSamples(
  tracing: Tracing | undefined,
): { readonly labels: { readonly result: string }; readonly value: number }[] {
  const counts = tracing?.counts ?? { exported: 0, dropped: 0, failed: 0 };
  return Object.entries(counts).map(([result, value]) => ({ labels: { result }, value: value as number }));
}

/** The context in which a span has this one above it. */
export function remoteContext(traceId: string, parent: string, sampled: boolean, state?: string): Context {
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId: parent,
    traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
    isRemote: true,
    ...(state === undefined ? {} : { traceState: createTraceState(state) }),
  });
}

/** What tracing is opened for. */
export interface TracingOptions {
  /** `service.name`, unless OTEL_SERVICE_NAME says otherwise. */
  readonly service: string;
  /** `service.instance.id`. */
  readonly instance: string;
  /** Hears why spans do not reach the collector. */
  readonly onTrouble: (why: string) => void;
}

let spool: Promise<Spool<unknown>> | undefined;

/** True when this process was told where to send spans. */
export function wantsTracing(env: NodeJS.ProcessEnv = process.env): boolean {
  const told = env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] ?? env['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? '';
  return told !== '' && env['OTEL_SDK_DISABLED'] !== 'true' && env['OTEL_TRACES_EXPORTER'] !== 'none';
}

/** Begin to make spans, or undefined when nobody wants them. A missing SDK is told to `onTrouble`. */
export async function openTracing(options: TracingOptions): Promise<Tracing | undefined> {
  if (!wantsTracing()) {
    return undefined;
  }
  try {
    spool ??= openSpool(options.onTrouble);
    return await traceInto(await spool, options);
  } catch (err) {
    spool = undefined;
    const why = err instanceof Error ? err.message : String(err);
    options.onTrouble(
      `no spans are made: ${why} (install @opentelemetry/sdk-trace-base, resources and exporter-trace-otlp-http)`,
    );
    return undefined;
  }
}

async function openSpool(onTrouble: (why: string) => void): Promise<Spool<unknown>> {
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const exporter = new OTLPTraceExporter({ timeoutMillis: limits.exportTimeoutMs });
  return new Spool((batch, done) => {
    exporter.export(batch as never, ({ code, error }) => {
      done(code === 0 ? undefined : (error ?? new Error('the collector refused them')));
    });
  }, onTrouble);
}

async function traceInto(into: Spool<unknown>, { service, instance }: TracingOptions): Promise<Tracing> {
  const { AlwaysOnSampler, BasicTracerProvider } = await import('@opentelemetry/sdk-trace-base');
  const { resourceFromAttributes } = await import('@opentelemetry/resources');
  const ids = new Ids();
  const done = () => Promise.resolve();
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      'service.name': process.env['OTEL_SERVICE_NAME'] ?? service,
      'service.instance.id': instance,
    }),
    sampler: new AlwaysOnSampler(), // what is not sampled makes no span here
    idGenerator: ids,
    spanProcessors: [
      {
        onStart: () => undefined,
        onEnd: (span) => into.add(span),
        forceFlush: () => into.flush(),
        shutdown: done,
      },
    ],
  });
  return new Tracing(provider.getTracer('capmesh'), ids, into);
}
