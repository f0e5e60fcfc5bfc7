/**
 * Spans to a collector, over OTLP/HTTP, when this process is told of one in OTEL_EXPORTER_OTLP_ENDPOINT. Without it there
 * are no spans, and traces are only handed on.
 */
import type { Context, Tracer } from '@opentelemetry/api';
import { hexByte } from '../wire/trace.js';
import { otel } from './otel.js';
import {
  endpointOf,
  exporterTo,
  pairsOf,
  resourceJson,
  spanJson,
  type Line,
  type SpanFacts,
} from './otlp.js';
import { LightTracer } from './span.js';
import { Spool, type SpanCounts } from './spool.js';

/** Ids of spans are no secrets: chance is enough, and much cheaper than the kernel's. */
function random32(): string {
  const value = Math.floor(Math.random() * 0x1_0000_0000);
  return hexByte(value >>> 24) + hexByte(value >>> 16) + hexByte(value >>> 8) + hexByte(value);
}

function randomSpan(): string {
  return random32() + random32();
}

/** A finished span whose own id may not matter: then it gets a random one. */
export type Told = Omit<SpanFacts, 'span'> & { readonly span?: string | undefined };

/** Makes spans under one service name. */
export class Tracing {
  /** For spans that run in this process. */
  readonly tracer: Tracer;
  readonly #spool: Spool<Line>;
  readonly #resource: string;
  #next: string | undefined;

  /** Use `openTracing()`. */
  constructor(spool: Spool<Line>, resource: string) {
    this.#spool = spool;
    this.#resource = resource;
    this.tracer = new LightTracer({ trace: () => this.#begin(), span: randomSpan }, (span) =>
      this.#add(span),
    );
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
    this.#next = traceId;
  }

  /** Record a span that is over. */
  record(told: Told): void {
    this.#add({ ...told, span: told.span ?? randomSpan() });
  }

  /** Send what is left; gives up after a bounded time. */
  flush(): Promise<void> {
    return this.#spool.flush();
  }

  #add(span: SpanFacts): void {
    this.#spool.add({ resource: this.#resource, span: spanJson(span) });
  }

  #begin(): string {
    const id = this.#next ?? randomSpan() + randomSpan();
    this.#next = undefined;
    return id;
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
  return otel().trace.setSpanContext(otel().ROOT_CONTEXT, {
    traceId,
    spanId: parent,
    traceFlags: sampled ? otel().TraceFlags.SAMPLED : otel().TraceFlags.NONE,
    isRemote: true,
    ...(state === undefined ? {} : { traceState: otel().createTraceState(state) }),
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

/** One for the process, however many connections it has: its bounds are the bounds of the process. */
let spool: { readonly to: string; readonly spool: Spool<Line> } | undefined;

/** Begin to make spans, or undefined when nobody wants them. An address that is none is told to `onTrouble`. */
export function openTracing({ service, instance, onTrouble }: TracingOptions): Tracing | undefined {
  const { env } = process;
  try {
    const url = endpointOf(env);
    if (url === undefined) {
      return undefined;
    }
    const resource = resourceJson({
      ...pairsOf(env['OTEL_RESOURCE_ATTRIBUTES']),
      'service.name': env['OTEL_SERVICE_NAME'] ?? service,
      'service.instance.id': instance,
    });
    return new Tracing(spoolTo(url, onTrouble), resource);
  } catch (err) {
    onTrouble(`no spans are made: ${err instanceof Error ? err.message : String(err)}`);
    return undefined;
  }
}

function spoolTo(url: URL, onTrouble: (why: string) => void): Spool<Line> {
  if (spool?.to !== url.href) {
    const { OTEL_EXPORTER_OTLP_TRACES_HEADERS: own, OTEL_EXPORTER_OTLP_HEADERS: all } = process.env;
    spool = { to: url.href, spool: new Spool(exporterTo(url, pairsOf(own ?? all)), onTrouble) };
  }
  return spool.spool;
}
