/**
 * Spans as OTLP/HTTP in JSON (opentelemetry-proto, `ExportTraceServiceRequest`), written straight into text: a call in
 * ten is traced by default, and building objects for each of its spans would cost more than the call's own guards.
 */
import { request as httpRequest, Agent as HttpAgent, type RequestOptions } from 'node:http';
import { request as httpsRequest, Agent as HttpsAgent } from 'node:https';
import type { Attributes, AttributeValue, SpanKind } from '@opentelemetry/api';
import { limits } from '../wire/limits.js';
import type { Export } from './spool.js';

/** A span that is over. */
export interface SpanFacts {
  readonly name: string;
  readonly kind: SpanKind;
  /** Epoch ms, fractions allowed. */
  readonly startMs: number;
  readonly endMs: number;
  /** 32 and 16 hex digits. */
  readonly traceId: string;
  readonly span: string;
  /** The span above it; without one the trace begins here. */
  readonly parent?: string | undefined;
  readonly state?: string | undefined;
  readonly attributes?: Attributes | undefined;
  readonly events?: readonly EventFacts[] | undefined;
  readonly links?: readonly LinkFacts[] | undefined;
  /** It ended badly: with this code. */
  readonly error?: string | undefined;
}

/** Something that happened in a span. */
export interface EventFacts {
  readonly name: string;
  readonly atMs: number;
  readonly attributes?: Attributes | undefined;
}

/** Another span that it has to do with. */
export interface LinkFacts {
  readonly traceId: string;
  readonly span: string;
  readonly attributes?: Attributes | undefined;
}

/** A span on its way: its text, and where it comes from. */
export interface Line {
  /** `resourceJson` of service name, instance, and whatever else OTEL_RESOURCE_ATTRIBUTES says. */
  readonly resource: string;
  /** `spanJson`. */
  readonly span: string;
}

/** One span as OTLP/JSON. Ids, times and kinds are ours and need no escaping; names and attributes do. */
export function spanJson(s: SpanFacts): string {
  return (
    `{"traceId":"${s.traceId}","spanId":"${s.span}"` +
    (s.parent === undefined ? '' : `,"parentSpanId":"${s.parent}"`) +
    (s.state === undefined ? '' : `,"traceState":${JSON.stringify(s.state)}`) +
    `,"name":${JSON.stringify(s.name)},"kind":${s.kind + 1}` +
    `,"startTimeUnixNano":"${nanos(s.startMs)}","endTimeUnixNano":"${nanos(Math.max(s.startMs, s.endMs))}"` +
    `,"attributes":${attributesJson(s.attributes)}` +
    (s.events === undefined ? '' : `,"events":[${s.events.map(eventJson).join(',')}]`) +
    (s.links === undefined ? '' : `,"links":[${s.links.map(linkJson).join(',')}]`) +
    `,"status":${s.error === undefined ? '{}' : `{"code":2,"message":${JSON.stringify(s.error)}}`}}`
  );
}

/** Where spans come from, as OTLP/JSON. */
export function resourceJson(attributes: Readonly<Record<string, string>>): string {
  return `{"attributes":${attributesJson(attributes)}}`;
}

/** The request that carries these spans. */
export function requestJson(lines: readonly Line[]): string {
  const by = new Map<string, string[]>();
  for (const { resource, span } of lines) {
    const spans = by.get(resource);
    if (spans === undefined) {
      by.set(resource, [span]);
    } else {
      spans.push(span);
    }
  }
  const all = [...by].map(
    ([resource, spans]) =>
      `{"resource":${resource},"scopeSpans":[{"scope":{"name":"capmesh"},"spans":[${spans.join(',')}]}]}`,
  );
  return `{"resourceSpans":[${all.join(',')}]}`;
}

function eventJson({ name, atMs, attributes }: EventFacts): string {
  return `{"name":${JSON.stringify(name)},"timeUnixNano":"${nanos(atMs)}","attributes":${attributesJson(attributes)}}`;
}

function linkJson({ traceId, span, attributes }: LinkFacts): string {
  return `{"traceId":"${traceId}","spanId":"${span}","attributes":${attributesJson(attributes)}}`;
}

/** A double holds epoch ms to a quarter of a microsecond; the nanoseconds behind that are zeros. */
function nanos(ms: number): string {
  const whole = Math.floor(ms);
  const rest = Math.floor((ms - whole) * 1e6);
  return `${whole}${String(1e6 + rest).slice(1)}`;
}

function attributesJson(attributes: Attributes | undefined): string {
  let out = '';
  for (const key in attributes) {
    const value = attributes[key];
    if (value !== undefined) {
      out += `${out === '' ? '' : ','}{"key":${JSON.stringify(key)},"value":${valueJson(value)}}`;
    }
  }
  return `[${out}]`;
}

function valueJson(value: AttributeValue | null | undefined): string {
  switch (typeof value) {
    case 'string':
      return `{"stringValue":${JSON.stringify(value)}}`;
    case 'number':
      return Number.isSafeInteger(value)
        ? `{"intValue":"${value}"}`
        : `{"doubleValue":${JSON.stringify(value)}}`;
    case 'boolean':
      return `{"boolValue":${value}}`;
    default:
      return Array.isArray(value) ? `{"arrayValue":{"values":[${value.map(valueJson).join(',')}]}}` : '{}';
  }
}

/** Where the spans of this process go, or undefined when nobody wants them (OTEL_* as OpenTelemetry specifies them). */
export function endpointOf(env: NodeJS.ProcessEnv): URL | undefined {
  const { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: traces, OTEL_EXPORTER_OTLP_ENDPOINT: base } = env;
  if (env['OTEL_SDK_DISABLED'] === 'true' || env['OTEL_TRACES_EXPORTER'] === 'none') {
    return undefined;
  }
  if (traces !== undefined && traces !== '') {
    return new URL(traces);
  }
  return base === undefined || base === '' ? undefined : new URL(`${base.replace(/\/+$/, '')}/v1/traces`);
}

/** `a=b,c=d` of OTEL_EXPORTER_OTLP_HEADERS and OTEL_RESOURCE_ATTRIBUTES, values percent-decoded. */
export function pairsOf(text: string | undefined): Record<string, string> {
  const pairs = (text ?? '').split(',').map((pair) => pair.split('='));
  return Object.fromEntries(
    pairs.flatMap(([key = '', ...value]) =>
      key.trim() === '' ? [] : [[key.trim(), decoded(value.join('='))]],
    ),
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.trim());
  } catch {
    return text.trim();
  }
}

/** Posts batches over one kept connection. What the collector does not take within its time has failed. */
export function exporterTo(url: URL, headers: Record<string, string>): Export<Line> {
  const secure = url.protocol === 'https:';
  const agent = secure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  const begin = secure ? httpsRequest : httpRequest;
  return (batch, done) => {
    const body = Buffer.from(requestJson(batch));
    const options: RequestOptions = {
      method: 'POST',
      agent,
      timeout: limits.exportTimeoutMs,
      headers: { ...headers, 'content-type': 'application/json', 'content-length': body.length },
    };
    let told = false;
    const tell = (error?: Error) => {
      if (!told) {
        told = true;
        done(error);
      }
    };
    const sending = begin(url, options, (answer) => {
      const { statusCode = 0 } = answer;
      answer.resume();
      answer.once('end', () =>
        tell(
          statusCode >= 200 && statusCode < 300 ? undefined : new Error(`the collector said ${statusCode}`),
        ),
      );
      answer.once('error', tell);
    });
    sending.once('timeout', () => sending.destroy(new Error('the collector did not answer in time')));
    sending.once('error', tell);
    // A collector must not keep a finished program alive.
    sending.once('socket', (socket) => socket.unref());
    sending.end(body);
  };
}
