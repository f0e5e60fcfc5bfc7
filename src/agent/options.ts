/**
 * What users of the SDK say: connections, capabilities, calls.
 */
import type { MeshError } from '../wire/errors.js';
import type { Json } from '../wire/json.js';
import type { Log } from '../wire/log.js';
import type { Priority } from '../wire/priority.js';
import type { OnQuestion, Part } from './parts-in.js';
import type { TokenSource } from './token.js';

/** How to reach the mesh, and as whom. Missing values come from MESH_URL and MESH_CREDS. */
export interface ConnectOptions {
  /** `nats://host:port`. */
  readonly url?: string;
  /** Path of the credentials file that `mesh agents add` wrote, or its content. */
  readonly creds?: string | { readonly name: string; readonly seed: string; readonly url?: string };
  /** The name that a token or a certificate stands for; with `creds` it is their name. Else MESH_NAME. */
  readonly name?: string;
  /**
   * An OAuth 2.0 access token, or a function that gets a fresh one: it is asked again before a token ends. Else the
   * file that MESH_TOKEN_FILE names, read again each time. It goes with `name`, and with `creds` when it is bound to
   * their key.
   */
  readonly token?: TokenSource;
  /** Whom to trust, and which certificate to show. Else MESH_TLS_CA, MESH_TLS_CERT and MESH_TLS_KEY. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
  /** Tasks this instance works on at once; default 16. */
  readonly concurrency?: number;
  /** The grant that calls made here present, unless a call says another; calls of a handler present none by default. */
  readonly grant?: string;
  /** One sentence about the agent, for its card. */
  readonly description?: string;
  readonly log?: Log;
}

/** What an agent says of a capability it serves. */
export interface CapabilityOptions {
  /** `major.minor`, default `1.0`. */
  readonly version?: string;
  readonly description?: string;
  /** JSON Schema (2020-12) of the body; without one everything fits. */
  readonly input?: object;
  /** JSON Schema of the result. */
  readonly output?: object;
  /**
   * What bodies may be; default `['json', 'msgpack']`. With `bytes` the handler gets a Buffer for what a caller gave
   * as Buffer or Uint8Array; raw bytes do not pass the input schema.
   */
  readonly takes?: readonly ('json' | 'msgpack' | 'bytes')[];
  /** What results may be; default `['json']`. With `bytes` the handler may return a Buffer or Uint8Array. */
  readonly gives?: readonly ('json' | 'bytes')[];
  readonly proficiency?: 'novice' | 'competent' | 'expert';
  /** Price of one call in millionths of a US dollar. */
  readonly costMicros?: number;
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
  /** True: a second dispatch with the same key (`ctx.key`) is harmless. Default false: at most one dispatch. */
  readonly idempotent?: boolean;
  readonly readOnly?: boolean;
  /** Longest life of one call in ms (default 10 min, at most 24 h). */
  readonly lifeMs?: number;
  /** Time-out of one attempt of an idempotent capability in ms (default 30 s). */
  readonly attemptMs?: number;
}

/** How a call is made. */
export interface CallOptions {
  /** Time to wait for the outcome, in ms; default 30 s, in a handler what is left of the task. */
  readonly timeoutMs?: number;
  /**
   * How long to try to hand the call over, in ms, before it is given back as `unavailable` (retry with the same id);
   * default 2 000, in a handler as long as the deadline allows.
   */
  readonly acceptMs?: number;
  /** Call id (lowercase ULID). Give the same one to retry a call; by default each call has a new one. */
  readonly id?: string;
  /** How a body that is no Uint8Array crosses the wire, and its result; default `json`. */
  readonly encoding?: 'json' | 'msgpack';
  /** Major version of the capability. */
  readonly major?: number;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
  /** Facts that travel down the tree: lowercase names, ASCII values. */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * What goes first when not all can be served; default `normal`, in a handler that of the task. `batch` goes last, and
   * is parked where the others are refused. Who may say `critical` the policy says.
   */
  readonly priority?: Priority;
  /** Ties calls together that belong to one matter. */
  readonly context?: string;
  /** What the call is for, in a word. */
  readonly intent?: string;
  /**
   * What the call wishes of its route, within what the policy allows: `fastest`, `cheapest`, `best` …, and attributes
   * that the agent must have (`cheapest, gpu=true`).
   */
  readonly route?: string;
  /** How hard it is: a hard call goes to an expert, and to a competent agent while no expert is free. */
  readonly difficulty?: 'easy' | 'normal' | 'hard';
  /** A grant that was made for this name: what it covers may be called beside what the role allows. */
  readonly grant?: string;
  /**
   * Answers what the handler asks with `ctx.ask`; what it returns is the answer. The deadline runs on meanwhile. When
   * it throws, the call is cancelled. Without it a handler that asks gets `no_answer`.
   */
  readonly onQuestion?: OnQuestion;
}

/** How a call is made whose partial outputs are read. */
export interface StreamOptions extends CallOptions {
  /** Partial outputs that may be on their way unread; default 64, at most 1 024. */
  readonly window?: number;
}

/** How a call is made that is waited for later, or by somebody else of the same name. */
export interface SendOptions extends Omit<CallOptions, 'signal' | 'onQuestion'> {
  /** Let the handler give partial outputs and ask: `watch()` reads them. */
  readonly watched?: boolean;
}

/**
 * A call under way: iterate for its partial outputs, await `outcome` for its end. Iterating throws what the call ends
 * with, and stream_broken when parts were missed because nobody read them in time. Leaving the loop early drops the
 * rest; the call itself goes on.
 */
export interface CallStream<T = Json> extends AsyncIterable<Part> {
  readonly call: string;
  readonly outcome: Promise<Outcome<T>>;
}

/** How many calls are made. A call id is of one call, so there is none for many. */
export interface ManyOptions extends Omit<CallOptions, 'id'> {
  /** Calls on their way, and results that were not taken yet; default 64. */
  readonly inFlight?: number;
  /** Results in the order of the source; default in the order in which calls end. */
  readonly ordered?: boolean;
}

/** What became of one of many calls: an outcome, or the error that the call alone would have thrown. */
export type ManyResult<T = Json> =
  | ({ readonly index: number; readonly error?: undefined } & Outcome<T>)
  | { readonly index: number; readonly error: MeshError };

/** For whom a grant is delegated, and how much of it. What is left out is as in the grant; `root` is false. */
export interface DelegateOptions {
  /** The name of the member who may use it. */
  readonly to: string;
  /** The public nkey of that member. */
  readonly key: string;
  /** Capability patterns. */
  readonly can?: readonly string[];
  readonly actions?: readonly ('read' | 'write' | 'execute')[];
  /** Constraints on arguments, one for each JSON pointer: equals, oneOf, prefix, or min and max. */
  readonly args?: readonly ({ readonly at: string } & Readonly<Record<string, unknown>>)[];
  readonly labels?: Readonly<Record<string, readonly string[]>>;
  readonly budget?: Readonly<Record<string, number>>;
  /** How long it can be used, in ms; at most as long as the grant. */
  readonly lifeMs?: number;
  /** How many delegations may follow; default one less than the grant allows. */
  readonly depth?: number;
  /** May it be used without the ticket of a task? */
  readonly root?: boolean;
}

/** What is looked for. */
export interface FindOptions {
  /** Capability pattern: `*` one token, `>` the rest; default everything. */
  readonly pattern?: string;
  /** Only offers of agents that are at least so good at it. */
  readonly proficiency?: 'novice' | 'competent' | 'expert';
  /** Only offers with all of these attributes. */
  readonly attributes?: Readonly<Record<string, string | number | boolean>>;
  /** Only this major. */
  readonly major?: number;
  /** Only names behind this one. */
  readonly after?: string;
  /** Revision of a former answer to the same question: while nothing changed the reply is only `unchanged`. */
  readonly known?: string;
}

/** A completed call with what is known about it. */
export interface Outcome<T = Json> {
  readonly value: T;
  readonly call: string;
  readonly agent: string;
  readonly attempt: number;
  /** Sequence of the decision in DECISIONS. */
  readonly seq: number;
}

/** How a usage is known. */
export interface UsageOptions {
  /** What was used is not known; it was not more than this. Default: false. */
  readonly bound?: boolean;
}

/** What a handler works with. */
export interface TaskContext {
  /** The id of the call this task belongs to. */
  readonly callId: string;
  /** Who called. */
  readonly from: string;
  /** `from.call` of the root of the tree. */
  readonly root: string;
  /** What child calls have too, unless they say a lower one. */
  readonly priority: Priority;
  /** The same for every attempt of one call: the key under which an effect is made once. */
  readonly key: string;
  /** Counts the attempts from 1. */
  readonly attempt: number;
  /** Instant in epoch ms after which nobody waits for the answer. */
  readonly deadline: number;
  /** Aborted at the deadline, when the caller cancels, and when this instance closes. */
  readonly signal: AbortSignal;
  /** W3C trace context of this task, for what the handler does outside the mesh. */
  readonly traceparent: string | undefined;
  /** Call another capability as part of this task: it carries the ticket and a shorter deadline. */
  call<T = Json>(capability: string, body?: unknown, options?: CallOptions): Promise<T>;
  /** The same with the partial outputs of the child call. */
  stream<T = Json>(capability: string, body?: unknown, options?: StreamOptions): CallStream<T>;
  /** The context id of the call, if it has one. */
  readonly context: string | undefined;
  /**
   * Give a partial output. Resolves when there is room for the next one, so await it; false when nobody reads, then it
   * was dropped. Throws body_undecodable, body_too_large, and why the task was stopped.
   */
  progress(value: unknown): Promise<boolean>;
  /**
   * Ask the caller and wait for the answer; the deadline runs on. Throws no_answer when the caller does not answer
   * questions, and why the task was stopped.
   */
  ask<T = Json>(question: unknown): Promise<T>;
  /**
   * Say what the task used, in whole amounts by unit; it counts also when the task fails or is stopped after it.
   * Recorded as `reported`, unless the policy lists this agent under `meters`. Throws usage where an amount is none.
   */
  usage(amounts: Readonly<Record<string, number>>, options?: UsageOptions): void;
}

/** A handler: takes the body, gives the result. What it throws becomes a `failed` outcome. */
export type Handler = (body: never, context: TaskContext) => unknown;

/** One capability to serve. */
export interface Served {
  readonly name: string;
  readonly options: CapabilityOptions;
  readonly handler: Handler;
}
