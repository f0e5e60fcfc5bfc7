/**
 * A span that is made while it runs, behind the interface of `@opentelemetry/api`: what calls and handlers of the SDK are
 * seen by when their program has registered no OpenTelemetry of its own.
 */
import type {
  AttributeValue,
  Attributes,
  Context,
  Exception,
  Link,
  Span,
  SpanContext,
  SpanKind,
  SpanOptions,
  SpanStatus,
  TimeInput,
  Tracer,
} from '@opentelemetry/api';
import { limits } from '../wire/limits.js';
import { otel } from './otel.js';
import type { EventFacts, LinkFacts, SpanFacts } from './otlp.js';

/** Makes the ids that a new span needs. */
export interface Ids {
  trace(): string;
  span(): string;
}

/** Hears of each span when it is over. */
export type OnEnd = (span: SpanFacts) => void;

/** The tracer of a process. Every span it is asked for is made: whether one is sampled is decided before. */
export class LightTracer implements Tracer {
  readonly #ids: Ids;
  readonly #onEnd: OnEnd;

  constructor(ids: Ids, onEnd: OnEnd) {
    this.#ids = ids;
    this.#onEnd = onEnd;
  }

  startSpan(name: string, options: SpanOptions = {}, above?: Context): Span {
    const parent =
      options.root === true || above === undefined ? undefined : otel().trace.getSpanContext(above);
    const under = parent !== undefined && otel().isSpanContextValid(parent) ? parent : undefined;
    const own: SpanContext = {
      traceId: under?.traceId ?? this.#ids.trace(),
      spanId: this.#ids.span(),
      traceFlags: otel().TraceFlags.SAMPLED,
      ...(under?.traceState === undefined ? {} : { traceState: under.traceState }),
    };
    return new LightSpan(name, options, own, under?.spanId, this.#onEnd);
  }

  // Nobody in the mesh calls it; whoever gets hold of the tracer finds what the interface promises.
  startActiveSpan<F extends (span: Span) => unknown>(name: string, ...rest: unknown[]): ReturnType<F> {
    const work = rest.at(-1) as F;
    const [options, above] = rest.slice(0, -1) as [SpanOptions?, Context?];
    return work(this.startSpan(name, options, above)) as ReturnType<F>;
  }
}

/** One running span. After `end` nothing changes it any more. */
class LightSpan implements Span {
  readonly #context: SpanContext;
  readonly #parent: string | undefined;
  readonly #kind: SpanKind;
  readonly #startMs: number;
  readonly #attributes: Attributes;
  #name: string;
  #events: EventFacts[] | undefined;
  #links: LinkFacts[] | undefined;
  #status: SpanStatus = { code: otel().SpanStatusCode.UNSET };
  #onEnd: OnEnd | undefined;

  constructor(
    name: string,
    { kind = otel().SpanKind.INTERNAL, startTime, attributes = {}, links = [] }: SpanOptions,
    own: SpanContext,
    parent: string | undefined,
    onEnd: OnEnd,
  ) {
    this.#name = name;
    this.#kind = kind;
    this.#startMs = msOf(startTime);
    this.#attributes = { ...attributes };
    this.#context = own;
    this.#parent = parent;
    this.#onEnd = onEnd;
    this.addLinks(links);
  }

  spanContext(): SpanContext {
    return this.#context;
  }

  setAttribute(key: string, value: AttributeValue): this {
    if (
      this.isRecording() &&
      (key in this.#attributes || Object.keys(this.#attributes).length < limits.spanItems)
    ) {
      this.#attributes[key] = value;
    }
    return this;
  }

  setAttributes(attributes: Attributes): this {
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== undefined) {
        this.setAttribute(key, value);
      }
    }
    return this;
  }

  addEvent(name: string, attributesOrTime?: Attributes | TimeInput, time?: TimeInput): this {
    const isTime = attributesOrTime === undefined || isTimeInput(attributesOrTime);
    const events = (this.#events ??= []);
    if (this.isRecording() && events.length < limits.spanItems) {
      events.push({
        name,
        atMs: msOf(isTime ? attributesOrTime : time),
        attributes: isTime ? undefined : attributesOrTime,
      });
    }
    return this;
  }

  addLink({ context: { traceId, spanId }, attributes }: Link): this {
    const links = (this.#links ??= []);
    if (this.isRecording() && links.length < limits.spanItems) {
      links.push({ traceId, span: spanId, attributes });
    }
    return this;
  }

  addLinks(links: Link[]): this {
    links.forEach((link) => this.addLink(link));
    return this;
  }

  setStatus(status: SpanStatus): this {
    this.#status = status;
    return this;
  }

  updateName(name: string): this {
    this.#name = name;
    return this;
  }

  isRecording(): boolean {
    return this.#onEnd !== undefined;
  }

  recordException(exception: Exception, time?: TimeInput): void {
    const { name, message } =
      typeof exception === 'string' ? { name: 'Error', message: exception } : exception;
    const attributes = { 'exception.type': name ?? 'Error', 'exception.message': message ?? '' };
    this.addEvent('exception', attributes, time);
  }

  end(endTime?: TimeInput): void {
    const onEnd = this.#onEnd;
    this.#onEnd = undefined;
    onEnd?.({
      name: this.#name,
      kind: this.#kind,
      startMs: this.#startMs,
      endMs: msOf(endTime),
      traceId: this.#context.traceId,
      span: this.#context.spanId,
      parent: this.#parent,
      state: this.#context.traceState?.serialize() || undefined,
      attributes: this.#attributes,
      events: this.#events,
      links: this.#links,
      error: this.#status.code === otel().SpanStatusCode.ERROR ? (this.#status.message ?? '') : undefined,
    });
  }
}

function isTimeInput(value: Attributes | TimeInput): value is TimeInput {
  return typeof value === 'number' || value instanceof Date || Array.isArray(value);
}

/** Epoch ms of what the interface takes as a time: nothing (now), a date, `hrtime`, epoch ms or `performance.now()`. */
function msOf(time: TimeInput | undefined): number {
  if (time === undefined) {
    return performance.timeOrigin + performance.now();
  }
  if (typeof time === 'number') {
    return time < performance.timeOrigin / 2 ? performance.timeOrigin + time : time;
  }
  return time instanceof Date ? time.getTime() : time[0] * 1e3 + time[1] / 1e6;
}
