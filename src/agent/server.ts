/**
 * Serving: an instance presents its card, takes tasks under its token, and keeps each result until a gateway has made
 * its outcome durable.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Msg, NatsConnection } from '../fabric/connection.js';
import { headersOf, rawHeaders } from '../fabric/raw.js';
import { send } from '../fabric/sender.js';
import { fromBody, meshError } from '../wire/errors.js';
import { parse, subject } from '../wire/generated/subjects.js';
import type { Beat, ErrorBody, HelloReply, Taken } from '../wire/generated/messages.js';
import { encodeHeaders, header } from '../wire/headers.js';
import type { Json } from '../wire/json.js';
import { limits } from '../wire/limits.js';
import { asCapability, isToken, type Token } from '../wire/names.js';
import { readParts } from '../wire/parts.js';
import type { Caller } from './caller.js';
import { cardOf } from './card.js';
import { Counts } from './counts.js';
import type { CapabilityOptions, ConnectOptions, Handler, Served } from './options.js';
import { PartsOut, type SayPart } from './parts-out.js';
import { progressOf, Results, seqOf, toGateway } from './results.js';
import type { Spans } from './spans.js';
import { Stop } from './stop.js';
import { carriedBy, readTicket, runTask } from './task.js';

const QUEUE = 'mesh';

/** A task that runs. */
interface Running {
  readonly stop: Stop;
  /** Where its result goes; another gateway may adopt it. */
  reply: string;
  /** What it says before its result, if the caller wants to hear it. */
  parts: PartsOut | undefined;
}

/** Serves the capabilities of one instance. */
export class Server {
  readonly #nc: NatsConnection;
  readonly #me: Token;
  readonly #instance: Token;
  readonly #caller: Caller;
  readonly #options: ConnectOptions;
  readonly #handlers = new Map<string, { handler: Handler; options: CapabilityOptions }>();
  readonly #running = new Map<string, Running>();
  readonly #results: Results;
  readonly #counts = new Counts();
  readonly #spans: Spans;
  readonly #presence: ReturnType<typeof rawHeaders>;
  #timer: NodeJS.Timeout | undefined;
  #state: Beat['state'] = 'ready';
  #card = '';

  constructor(
    nc: NatsConnection,
    me: Token,
    instance: Token,
    caller: Caller,
    options: ConnectOptions,
    spans: Spans,
  ) {
    this.#spans = spans;
    this.#nc = nc;
    this.#me = me;
    this.#instance = instance;
    this.#caller = caller;
    this.#options = options;
    this.#results = new Results(nc, me, instance);
    this.#presence = rawHeaders(encodeHeaders([[header.instance, instance]]));
  }

  /** Serve a capability too. Rejects with what the registrar refuses: card_*, not_certified, … */
  serve(name: string, options: CapabilityOptions, handler: Handler): Promise<void> {
    return this.serveAll([{ name, options, handler }]);
  }

  /** Several at once, with one hello. A refused card leaves what was served before. */
  async serveAll(list: readonly Served[]): Promise<void> {
    const before = new Map(this.#handlers);
    for (const { name, options, handler } of list) {
      this.#handlers.set(asCapability(name), { handler, options });
    }
    try {
      await this.#hello();
    } catch (err) {
      this.#handlers.clear();
      before.forEach((served, name) => this.#handlers.set(name, served));
      throw err;
    }
  }

  /** Tasks that run, and results that no gateway has taken yet. */
  get inFlight(): number {
    return this.#running.size + this.#results.size;
  }

  /** Take nothing new, finish what runs (bounded), say bye. */
  async drain(timeoutMs: number): Promise<void> {
    if (this.#timer === undefined || this.#state === 'draining') {
      return;
    }
    this.#state = 'draining';
    this.#beat();
    const until = Date.now() + timeoutMs;
    while (Date.now() < until && this.#running.size + this.#results.size > 0) {
      await sleep(10);
    }
    this.#running.forEach(({ stop }) => stop.now(meshError('closed')));
    clearInterval(this.#timer);
    this.#nc.publish(subject.bye({ agent: this.#me, instance: this.#instance }), '', {
      headers: this.#presence,
    });
    this.#results.close();
  }

  /** Ask for no new tasks for a moment, or again for some. */
  rest(resting: boolean): void {
    this.#state = resting ? 'draining' : 'ready';
    this.#beat();
  }

  /** Present the card again, if there is one: the mesh may have forgotten it. */
  async returned(): Promise<void> {
    if (this.#timer !== undefined && this.#state === 'ready') {
      await this.#hello();
    }
  }

  async #hello(): Promise<void> {
    const to = subject.hello({ agent: this.#me, instance: this.#instance });
    const body = JSON.stringify(cardOf(this.#options, this.#handlers));
    const msg = await this.#askRegistrar(to, body);
    if (headersOf(msg).get(header.serviceErrorCode) !== undefined) {
      throw fromBody(msg.json<ErrorBody>());
    }
    const reply = msg.json<HelloReply>();
    this.#card = reply.card;
    if (this.#timer === undefined) {
      this.#listen(reply.token as Token);
      this.#timer = setInterval(() => this.#beat(), reply.beatMs);
    }
    await this.#nc.flush(); // the subscription stands before the first beat invites tasks
    this.#beat();
  }

  /** Control may be starting or being replaced: asked again for a while, before it counts as away. */
  async #askRegistrar(to: string, body: string): Promise<Msg> {
    const until = Date.now() + limits.helloMs;
    for (;;) {
      try {
        return await this.#nc.request(to, body, { timeout: limits.helloMs / 3, headers: this.#presence });
      } catch (err) {
        if (Date.now() > until || this.#nc.isClosed()) {
          throw meshError(
            'unavailable',
            { waitedMs: limits.helloMs, why: 'no control answered the hello' },
            err,
          );
        }
        await sleep(limits.backoffMs);
      }
    }
  }

  #listen(token: Token): void {
    const tasks = `mesh.v1.task.${this.#me}.${token}.>`;
    this.#nc.subscribe(tasks, {
      queue: QUEUE,
      callback: (err, msg) => (err === null ? this.#task(msg) : undefined),
    });
    this.#nc.subscribe(subject.stop({ agent: this.#me, call: '*' as Token }), {
      callback: (err, msg) => (err === null ? this.#stop(msg) : undefined),
    });
    this.#nc.subscribe(subject.flow({ agent: this.#me, call: '*' as Token }), {
      callback: (err, msg) => (err === null ? this.#flow(msg) : undefined),
    });
    this.#counts.answer(this.#nc, this.#me, this.#instance);
    this.#nc.subscribe(subject.probe({ agent: this.#me, instance: this.#instance }), {
      callback: (err, msg) => (err === null ? this.#probe(msg) : undefined),
    });
  }

  #beat(): void {
    const beat: Beat = {
      state: this.#state,
      inFlight: this.#running.size,
      concurrency: this.#options.concurrency ?? limits.concurrencyDefault,
      card: this.#card,
    };
    if (this.#timer !== undefined && !this.#nc.isClosed()) {
      this.#nc.publish(subject.beat({ agent: this.#me, instance: this.#instance }), JSON.stringify(beat), {
        headers: this.#presence,
      });
    }
  }

  #task(msg: Msg): void {
    const capability = parse.task(msg.subject)?.capability ?? '';
    const handler = this.#handlers.get(capability)?.handler;
    const headers = headersOf(msg);
    const ticketText = headers.get(header.ticket);
    const key = headers.get(header.key) ?? '';
    if (ticketText === undefined || msg.reply === undefined) {
      return; // not from a gateway
    }
    const full = this.#running.size >= (this.#options.concurrency ?? limits.concurrencyDefault);
    if (handler === undefined) {
      return this.#nc.publish(msg.reply, '', { headers: UNSERVED });
    }
    if (full || this.#state === 'draining' || this.#running.has(key) || this.#results.full) {
      return this.#nc.publish(msg.reply, '', { headers: BUSY });
    }
    const ticket = readTicket(ticketText);
    const stop = new Stop(ticket.deadline);
    const running: Running = { stop, reply: msg.reply, parts: undefined };
    running.parts = this.#partsOf(running, headers.get(header.parts));
    this.#running.set(key, running);
    const input = {
      handler,
      capability,
      ticketText,
      ticket,
      key,
      body: msg.data,
      stop,
      parts: running.parts,
      ...carriedBy(headers),
    };
    const startMs = performance.now();
    void runTask(input, this.#caller, this.#spans).then((result) => {
      this.#running.delete(key);
      if (result === undefined) {
        this.#nc.publish(running.reply, '', { headers: BUSY }); // it was late and did not start
      } else {
        this.#counts.add(capability, performance.now() - startMs, result.failed);
        this.#results.send(running.reply, result);
      }
    });
  }

  #partsOf(running: Running, header: string | undefined): PartsOut | undefined {
    const wish = header === undefined ? undefined : readParts(header);
    if (wish === undefined) {
      return undefined;
    }
    const say: SayPart = (headers, body) => {
      if (!this.#nc.isClosed()) {
        send(this.#nc, progressOf(running.reply), body, headers);
      }
    };
    return new PartsOut(wish, say, running.stop);
  }

  /** The caller used partial outputs, or answers a question. Server-written bytes have no headers. */
  #flow(msg: Msg): void {
    const headers = headersOf(msg);
    const parts = this.#running.get(headers.get(header.key) ?? '')?.parts;
    const n = Number(headers.get(header.part));
    if (parts !== undefined && headers.get(header.question) !== undefined) {
      parts.answer(n, msg.json<Json>());
    } else {
      parts?.used(n);
    }
  }

  /** A gateway asks for a sign of tasks it adopted: what runs is told, what is done is sent again. */
  #probe(msg: Msg): void {
    const heir = headersOf(msg).get(header.instance);
    if (!isToken(heir)) {
      return;
    }
    const seqs = new Set(msg.json<Taken>().seqs);
    this.#results.sendAgain(seqs);
    for (const running of this.#running.values()) {
      if (seqs.has(seqOf(running.reply))) {
        running.reply = toGateway(running.reply, heir);
        this.#nc.publish(running.reply, '', { headers: WORKING });
      }
    }
  }

  #stop(msg: Msg): void {
    const key = headersOf(msg).get(header.key);
    if (key !== undefined) {
      this.#running.get(key)?.stop.now(meshError('cancelled'));
    }
  }
}

const BUSY = rawHeaders(encodeHeaders([[header.status, 'busy']]));
const WORKING = rawHeaders(encodeHeaders([[header.status, 'working']]));
const UNSERVED = rawHeaders(encodeHeaders([[header.status, 'unserved']]));
