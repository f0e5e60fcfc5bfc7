/**
 * What a gateway sees of the calls that pass it: counts, durations, spans, and a line in the log. On the path of a call
 * this costs a few clock readings and additions; spans are made only of sampled calls, and only when they are over.
 */
import type { SpanKind } from '@opentelemetry/api';
import { guards } from '../chain/chain.js';
import type { Draft } from '../chain/draft.js';
import { Histogram } from '../sight/histogram.js';
import { RATIO_DEFAULT } from '../sight/ratio.js';
import { OTHER, Tally } from '../sight/tally.js';
import { otel } from '../sight/otel.js';
import type { Tracing } from '../sight/tracing.js';
import type { DecisionRecord, OutcomeRecord } from '../wire/generated/messages.js';
import type { Log } from '../wire/log.js';
import {
  idIn,
  isSampled,
  ownTrace,
  readTrace,
  spanOf,
  traceOf,
  traceparentOf,
  type Trace,
} from '../wire/trace.js';
import { header } from '../wire/headers.js';
import type { OpenCall } from './open.js';

/** How much a gateway looks at. */
export interface SightOptions {
  /** False: nothing is counted and no trace is begun; one that a call brings is still handed on. Default true. */
  readonly on?: boolean;
  /** Share of the traces begun here that are sampled, 0–1; default 0.1. */
  readonly ratio?: number;
  /** Write a line at level debug for each call. */
  readonly logCalls?: boolean;
}

/** The guards of every so many calls are timed, also where no trace is sampled. */
const TIMED_EVERY = 16;
const SPANS_PER_CALL = 4;

/** Keeps the counts of one gateway. */
export class Sight {
  readonly tally = new Tally();
  /** `queue`: from birth until a gateway looked at it; then `decide`, `work`, `settle`. */
  readonly hops: ReadonlyMap<string, Histogram> = new Map(
    ['queue', 'decide', 'work', 'settle'].map((hop) => [hop, new Histogram()]),
  );
  readonly guards: ReadonlyMap<string, Histogram> = new Map(
    guards.map(({ name }) => [name, new Histogram(true)]),
  );
  readonly #queue = this.hops.get('queue') as Histogram;
  readonly #decide = this.hops.get('decide') as Histogram;
  readonly #work = this.hops.get('work') as Histogram;
  readonly #settle = this.hops.get('settle') as Histogram;
  readonly #guardList = [...this.guards.values()];
  readonly #on: boolean;
  readonly #ratio: number;
  readonly #log: Log | undefined;
  readonly #tracing: Tracing | undefined;
  #entered = 0;
  /** Calls parked since the start. */
  parked = 0;

  constructor(options: SightOptions, log: Log, tracing: Tracing | undefined) {
    this.#on = options.on !== false;
    this.#ratio = options.ratio ?? RATIO_DEFAULT;
    this.#log = options.logCalls === true ? log : undefined;
    this.#tracing = this.#on ? tracing : undefined;
  }

  /** A call begins its way through the chain. */
  entered(draft: Draft): void {
    draft.trace = readTrace(draft.headers);
    if (!this.#on) {
      return;
    }
    draft.enteredMs = performance.now();
    if (++this.#entered % TIMED_EVERY === 0 || this.#mayBeSampled(draft)) {
      draft.guardUs = [];
    }
  }

  /** The chain has spoken. */
  judged({ guardUs }: Draft): void {
    guardUs?.forEach((us, i) => this.#guardList[i]?.observe(us / 1000));
  }

  /** Write into a new record which trace the call belongs to, and what its guards took. */
  trace(record: DecisionRecord, draft: Draft): void {
    const { root, parent, call } = record;
    const trace = draft.trace ?? this.#begun(idIn(root));
    const span = trace === undefined ? undefined : spanOf(call);
    if (trace === undefined || span === undefined) {
      return;
    }
    record.trace = traceparentOf(trace.id, span, trace.sampled);
    // An agent that hands on its ticket alone still belongs below its task.
    const from = trace.from ?? (parent === undefined ? undefined : spanOf(idIn(parent)));
    if (from !== undefined) {
      record.traceFrom = from;
    }
    if (trace.state !== undefined) {
      record.traceState = trace.state;
    }
    if (trace.sampled && draft.guardUs !== undefined) {
      record.guardUs = draft.guardUs.map(Math.round);
    }
  }

  /** The `traceparent` of a call that is made about this one before its own record stands. */
  childOf({ trace: given, root, id }: Draft): string | undefined {
    const trace = given ?? this.#begun(idIn(root));
    const span = trace === undefined ? undefined : spanOf(id);
    return trace === undefined || span === undefined
      ? undefined
      : traceparentOf(trace.id, span, trace.sampled);
  }

  /** The trace that begins with this root. One that is not sampled can be told from the root, and need not be written. */
  #begun(rootCall: string): Trace | undefined {
    return this.#on ? ownTrace(rootCall, this.#ratio) : undefined;
  }

  /** The outcome of a call is durable. `known`: the capability stands in the registry. */
  settled(call: OpenCall, outcome: OutcomeRecord, known: boolean): void {
    if (!this.#on) {
      return;
    }
    const { record } = call;
    // What strangers ask for must not use up the names there are.
    const capability = known || record.verdict === 'allow' ? record.capability : OTHER;
    this.tally.count(record.from, capability, record.agent, outcome.status);
    const endMs = performance.now();
    const epochMs = Date.now() - endMs;
    if (call.enteredMs > 0) {
      this.#queue.observe(epochMs + call.enteredMs - bornAt(record));
      this.#decide.observe(call.decidedMs - call.enteredMs);
      this.#settle.observe(endMs - call.settlingMs);
      if (record.verdict === 'allow') {
        this.#work.observe(call.settlingMs - call.decidedMs);
      }
    }
    if (this.#tracing !== undefined && isMarked(record.trace) && this.#tracing.room(SPANS_PER_CALL)) {
      this.#spans(this.#tracing, call, outcome, epochMs, endMs);
    }
    this.#log?.debug({ ...idsOf(record), ...factsOf(call, outcome, endMs) }, 'settled');
  }

  /** Guards are timed before it is known whose trace this is; a guess that is wrong costs a reading of the clock. */
  #mayBeSampled({ trace, headers }: Draft): boolean {
    if (trace !== undefined) {
      return trace.sampled;
    }
    return isSampled(headers.get(header.call) ?? '', this.#ratio);
  }

  #spans(tracing: Tracing, call: OpenCall, outcome: OutcomeRecord, epochMs: number, endMs: number): void {
    const { record } = call;
    const [, traceId = '', span = ''] = (record.trace ?? '').split('-');
    const at = (ms: number): number => (ms > 0 ? epochMs + ms : record.at);
    const [enteredAt, decidedAt, settlingAt] = [at(call.enteredMs), at(call.decidedMs), at(call.settlingMs)];
    const bad = outcome.status === 'completed' ? {} : { error: outcome.code ?? outcome.status };
    tracing.record({
      name: `call ${record.capability}`,
      kind: otel().SpanKind.SERVER,
      startMs: Math.min(bornAt(record), enteredAt),
      endMs: epochMs + endMs,
      traceId,
      span,
      ...(record.traceFrom === undefined ? {} : { parent: record.traceFrom }),
      ...(record.traceState === undefined ? {} : { state: record.traceState }),
      attributes: attributesOf(record, outcome),
      ...bad,
    });
    const part = (name: string, kind: SpanKind, startMs: number, until: number, more: object = {}): void =>
      tracing.record({ name, kind, startMs, endMs: until, traceId, parent: span, ...more });
    part('decide', otel().SpanKind.INTERNAL, enteredAt, decidedAt);
    if (record.verdict === 'allow') {
      const attributes = { 'mesh.agent': record.agent, 'mesh.instance': record.instance ?? '' };
      part(`work ${record.agent}`, otel().SpanKind.CLIENT, decidedAt, settlingAt, { attributes });
    }
    part('settle', otel().SpanKind.INTERNAL, settlingAt, epochMs + endMs);
  }
}

/** The ids by which a line of the log finds its call. */
export function idsOf(record: Pick<DecisionRecord, 'from' | 'call' | 'root' | 'trace'>): {
  call: string;
  root: string;
  trace?: string;
} {
  const { from, call, root } = record;
  const trace = traceOf(record);
  return { call: `${from}.${call}`, root, ...(trace === undefined ? {} : { trace }) };
}

function factsOf(call: OpenCall, { status, code, agent }: OutcomeRecord, endMs: number): object {
  const ms = call.enteredMs > 0 ? Math.round(endMs - call.enteredMs) : undefined;
  return { capability: call.record.capability, agent, status, code, ms };
}

function attributesOf(record: DecisionRecord, outcome: OutcomeRecord): Record<string, string | number> {
  return {
    'mesh.from': record.from,
    'mesh.call': record.call,
    'mesh.root': record.root,
    'mesh.capability': record.capability,
    'mesh.agent': record.agent,
    'mesh.attempt': record.attempt,
    'mesh.status': outcome.status,
    ...(outcome.code === undefined ? {} : { 'mesh.code': outcome.code }),
    ...(record.guard === undefined ? {} : { 'mesh.guard': record.guard }),
  };
}

/** The last flag of a traceparent says whether it is sampled; ours are `00` or `01`. */
function isMarked(traceparent: string | undefined): boolean {
  return traceparent?.endsWith('1') === true;
}

function bornAt({ expires, lifeMs, at }: DecisionRecord): number {
  return expires === undefined || lifeMs === undefined ? at : expires - lifeMs;
}
