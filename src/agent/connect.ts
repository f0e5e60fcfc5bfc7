/**
 * The door of the SDK.
 */
import { randomBytes } from 'node:crypto';
import { cork } from '../fabric/cork.js';
import { deniedSubject, leaveBroker, type NatsConnection } from '../fabric/connection.js';
import { openTracing } from '../sight/tracing.js';
import { meshError } from '../wire/errors.js';
import type { Json } from '../wire/json.js';
import { limits } from '../wire/limits.js';
import type { Found } from '../wire/generated/messages.js';
import type { Token } from '../wire/names.js';
import { Caller } from './caller.js';
import { delegate } from './delegate.js';
import { ask } from './find.js';
import { callEach } from './many.js';
import { Renewal } from './renewal.js';
import { grantOf } from './request.js';
import { Server } from './server.js';
import { openSession, type Session } from './session.js';
import { Spans } from './spans.js';
import type {
  CallOptions,
  CallStream,
  CapabilityOptions,
  ConnectOptions,
  DelegateOptions,
  FindOptions,
  Handler,
  ManyOptions,
  ManyResult,
  Outcome,
  SendOptions,
  Served,
  StreamOptions,
} from './options.js';
import type { OnQuestion } from './parts-in.js';

const DRAIN_MS = 5_000;

/** A connection to the mesh: calls, and serves as one instance of an agent. */
export class Mesh {
  /** The name the broker knows us by. */
  readonly name: string;
  /** This instance among those of the same name. */
  readonly instance: string;
  readonly #nc: NatsConnection;
  readonly #caller: Caller;
  readonly #server: Server;
  readonly #spans: Spans;
  readonly #renewal: Renewal;
  readonly #seed: string | undefined;
  readonly #grant: string | undefined;

  /**
   * Use `connect()`. Not in the published types, which thereby stay free of the types of the NATS client.
   * @internal
   */
  constructor(session: Session, instance: Token, options: ConnectOptions, spans: Spans) {
    const { nc, name } = session;
    this.name = name;
    this.instance = instance;
    this.#nc = nc;
    this.#spans = spans;
    this.#caller = new Caller(nc, name, spans);
    this.#grant = options.grant === undefined ? undefined : grantOf(options.grant);
    this.#seed = session.seed;
    this.#server = new Server(nc, name, instance, this.#caller, options, spans);
    cork(nc, () => this.#caller.inFlight + this.#server.inFlight);
    const rest = (resting: boolean): void => this.#server.rest(resting);
    const returned = (): void => {
      this.#server.returned().catch((err: unknown) => {
        options.log?.warn({ err: String(err) }, 'the mesh did not take the card after the return');
      });
    };
    this.#renewal = new Renewal({ ...session, rest, returned, log: options.log });
    void this.#watch();
  }

  /** Call a capability; resolves with the result once the outcome is durable. Rejects with a MeshError. */
  async call<T = Json>(capability: string, body: unknown = null, options: CallOptions = {}): Promise<T> {
    return (await this.#caller.call<T>(capability, body, this.#own(options))).value;
  }

  /** The same, with who answered and where it is recorded. */
  callForOutcome<T = Json>(
    capability: string,
    body: unknown = null,
    options: CallOptions = {},
  ): Promise<Outcome<T>> {
    return this.#caller.call<T>(capability, body, this.#own(options));
  }

  /**
   * Call a capability for each body of a source, `inFlight` at a time (default 64): the source is pulled only as fast
   * as results are taken. Each result has the index of its body, and a value or an error; one failure ends nothing.
   *
   * @example
   * for await (const { index, value, error } of mesh.callMany('inventory.query', orders)) { … }
   */
  callMany<T = Json>(
    capability: string,
    source: Iterable<unknown> | AsyncIterable<unknown>,
    options: ManyOptions = {},
  ): AsyncGenerator<ManyResult<T>, void, void> {
    return callEach<T>(
      source,
      (body, one) => this.#caller.call<T>(capability, body, one),
      this.#own(options),
    );
  }

  /**
   * Call a capability and read its partial outputs as they come: `for await (const { value } of stream)`, then
   * `await stream.outcome`. Reading is the backpressure: whoever does not read for ten seconds loses the rest of the
   * stream, not the outcome.
   */
  stream<T = Json>(capability: string, body: unknown = null, options: StreamOptions = {}): CallStream<T> {
    return this.#caller.stream<T>(capability, body, this.#own(options));
  }

  /** Hand a call over and do not wait: resolves with its id once the mesh has accepted it. Rejects like `call`. */
  send(capability: string, body: unknown = null, options: SendOptions = {}): Promise<string> {
    return this.#caller.send(capability, body, this.#own(options));
  }

  /**
   * Wait for the outcome of a call that this name made before, here or elsewhere. Rejects like `call`, with not_found
   * for a call nobody knows, and with outcome_pending when it is not settled within `timeoutMs`.
   */
  wait<T = Json>(call: string, timeoutMs: number = limits.deadlineDefaultMs): Promise<Outcome<T>> {
    return this.#caller.wait<T>(call, timeoutMs);
  }

  /** The same with the partial outputs nobody has read yet; the call must have been sent with `watched`. */
  watch<T = Json>(
    call: string,
    options: { readonly timeoutMs?: number; readonly onQuestion?: OnQuestion } = {},
  ): CallStream<T> {
    return this.#caller.watch<T>(call, options.timeoutMs ?? limits.deadlineDefaultMs, options.onQuestion);
  }

  /** Ask the mesh to stop a call of this name. Its outcome still decides. Throws call_id_invalid. */
  cancel(call: string): void {
    this.#caller.cancel(call);
  }

  /**
   * The capabilities under a pattern (`*` one token, `>` the rest) that this user may call, with their contracts; all
   * others do not exist for it. A reply that was cut says `truncated`: go on with `after`.
   * Rejects with name_invalid, overloaded, unavailable.
   */
  find(pattern?: string, options?: FindOptions): Promise<Found>;
  find(options: FindOptions): Promise<Found>;
  find(first: string | FindOptions = '>', second: FindOptions = {}): Promise<Found> {
    const asked = typeof first === 'string' ? { ...second, pattern: first } : { pattern: '>', ...first };
    return ask(this.#nc, this.name as Token, asked);
  }

  /** Serve a capability. Resolves when the mesh has taken the card and tasks may come. */
  serve(capability: string, handler: Handler): Promise<void>;
  serve(capability: string, options: CapabilityOptions, handler: Handler): Promise<void>;
  serve(capability: string, second: CapabilityOptions | Handler, third?: Handler): Promise<void> {
    if (typeof second === 'function') {
      return this.#server.serve(capability, {}, second);
    }
    if (third === undefined) {
      throw meshError('usage', { why: 'serve() needs a handler' });
    }
    return this.#server.serve(capability, second, third);
  }

  /** Serve several capabilities with one card. */
  serveAll(list: readonly Served[]): Promise<void> {
    return this.#server.serveAll(list);
  }

  /**
   * Delegate a grant that this name holds: the same or less for somebody else, signed with the key of this connection.
   * Resolves with the text to hand over. Rejects with grant_widened (naming the dimension), grant_unproven when this
   * name does not hold it, grant_unreadable, grant_too_large.
   */
  delegate(grant: string, options: DelegateOptions): Promise<string> {
    if (this.#seed === undefined) {
      return Promise.reject(meshError('usage', { why: 'a session without a key signs no delegation' }));
    }
    return delegate(this.#seed, grant, options);
  }

  /** Finish the tasks that run (at most `drainMs`), say bye, disconnect. */
  async close(drainMs: number = DRAIN_MS): Promise<void> {
    this.#renewal.stop();
    await this.#server.drain(drainMs);
    this.#caller.close();
    await this.#spans.flush();
    await leaveBroker(this.#nc);
  }

  #own<O extends { readonly grant?: string }>(options: O): O {
    return this.#grant === undefined ? options : { grant: this.#grant, ...options };
  }

  async #watch(): Promise<void> {
    for await (const status of this.#nc.status()) {
      if (status.type === 'reconnect') {
        this.#caller.recallAll();
      } else if (status.type === 'error') {
        const denied = deniedSubject(status);
        if (denied !== undefined) {
          this.#caller.denied(denied);
        }
      }
    }
  }
}

/** Connect to the mesh. Throws connection_failed, permission_denied, config_missing. */
export async function connect(options: ConnectOptions = {}): Promise<Mesh> {
  const session = await openSession(options);
  const instance = `i-${randomBytes(6).toString('hex')}` as Token;
  const onTrouble = (why: string) => options.log?.warn({ why }, 'spans do not reach the collector');
  const spans = new Spans(openTracing({ service: session.name, instance, onTrouble }));
  return new Mesh(session, instance, options, spans);
}
