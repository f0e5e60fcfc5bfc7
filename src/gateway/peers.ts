/**
 * Gateways among themselves: presence with the low-water mark, heirs for the results of those that lapsed, and the
 * answer to who holds a call open.
 */
import type { Msg, Subscription } from '../fabric/connection.js';
import { headersOf, rawHeaders } from '../fabric/raw.js';
import { streamState } from '../fabric/streams.js';
import { parse, pattern, subject } from '../wire/generated/subjects.js';
import type { OpenQuery, OpenReply, Peer } from '../wire/generated/messages.js';
import { encodeHeaders, header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Core } from './core.js';
import type { Decider } from './decide.js';
import type { OpenSet } from './open.js';
import { queuesOf } from './queues.js';
import { highFor } from './shed.js';
import type { Turns } from './turns.js';
import type { WaitingRoom } from './waiting.js';

/** Keeps contact. `onResult` takes results that were meant for a lapsed gateway. */
export class Peers {
  readonly #core: Core;
  readonly #open: OpenSet;
  readonly #decider: Decider;
  readonly #waiting: WaitingRoom;
  readonly #turns: Turns;
  readonly #onResult: (msg: Msg) => void;
  readonly #seen = new Map<string, number>();
  readonly #draining = new Set<string>();
  readonly #heirs = new Map<string, Subscription>();
  readonly #subs: Subscription[] = [];
  #timer: NodeJS.Timeout | undefined;
  #leaving = false;

  constructor(
    core: Core,
    open: OpenSet,
    decider: Decider,
    waiting: WaitingRoom,
    turns: Turns,
    onResult: (msg: Msg) => void,
  ) {
    this.#core = core;
    this.#open = open;
    this.#decider = decider;
    this.#waiting = waiting;
    this.#turns = turns;
    this.#onResult = onResult;
  }

  /** Begin. Resolves after the first beat. */
  async start(): Promise<void> {
    const { nc } = this.#core;
    this.#subs.push(
      nc.subscribe(pattern.peer, { callback: (err, msg) => (err === null ? this.#heard(msg) : undefined) }),
      nc.subscribe(pattern.open, { callback: (err, msg) => (err === null ? this.#answer(msg) : undefined) }),
    );
    this.#timer = setInterval(() => void this.#beat(), limits.peerBeatMs);
    await this.#beat();
  }

  /** Say that nothing new is taken, then stop. */
  async stop(): Promise<void> {
    this.#leaving = true;
    clearInterval(this.#timer);
    await this.#beat();
    for (const sub of [...this.#subs, ...this.#heirs.values()]) {
      sub.unsubscribe();
    }
  }

  /** Other gateways that are there to stay. */
  get others(): readonly string[] {
    return [...this.#seen.keys()].filter((gateway) => !this.#draining.has(gateway));
  }

  async #beat(): Promise<void> {
    const core = this.#core;
    const knownSeq = await this.#checkStreams();
    this.#lapse(Date.now());
    if (core.nc.isClosed()) {
      return;
    }
    const peer: Peer = {
      lowWater: this.#decider.lowWater(knownSeq),
      open: this.#open.size + this.#decider.inAir,
      waiting: this.#waiting.size,
      ...queuesOf(this.#turns.waits(), this.#waiting.waits()),
      state: this.#leaving ? 'draining' : 'ready',
      at: Date.now(),
    };
    const headers = rawHeaders(encodeHeaders([[header.instance, core.name]]));
    core.nc.publish(subject.peer({ gateway: core.name }), JSON.stringify(peer), { headers });
  }

  /** Look how full the streams are; returns the last sequence of DECISIONS, or 0 when it could not be read. */
  async #checkStreams(): Promise<number> {
    const core = this.#core;
    const askedMs = performance.now();
    try {
      const [decisions, outcomes] = await Promise.all([
        streamState(core.nc, 'DECISIONS'),
        streamState(core.nc, 'OUTCOMES'),
      ]);
      core.confirmedMs = askedMs;
      core.fill = { DECISIONS: decisions.percent, OUTCOMES: outcomes.percent };
      const fuller = decisions.percent > outcomes.percent ? 'DECISIONS' : 'OUTCOMES';
      const percent = Math.max(decisions.percent, outcomes.percent);
      core.overload = percent > highFor('batch') ? { stream: fuller, percent } : undefined;
      return decisions.lastSeq;
    } catch {
      return 0;
    }
  }

  #heard(msg: Msg): void {
    const p = parse.peer(msg.subject);
    if (
      p === undefined ||
      headersOf(msg).get(header.instance) !== p.gateway ||
      p.gateway === this.#core.name
    ) {
      return;
    }
    this.#seen.set(p.gateway, Date.now());
    if (msg.json<Peer>().state === 'draining') {
      this.#draining.add(p.gateway);
    }
    this.#heirs.get(p.gateway)?.unsubscribe(); // it is back and listens itself
    this.#heirs.delete(p.gateway);
  }

  /** Listen for the results of a lapsed gateway, together with the others. */
  #lapse(nowMs: number): void {
    for (const [gateway, at] of this.#seen) {
      if (nowMs - at > limits.leaseMs) {
        this.#seen.delete(gateway);
        this.#draining.delete(gateway);
        const to = pattern.result.split('.');
        to[4] = gateway;
        const callback = (err: unknown, msg: Msg) => (err === null ? this.#onResult(msg) : undefined);
        this.#heirs.set(gateway, this.#core.nc.subscribe(to.join('.'), { queue: 'heirs', callback }));
      }
    }
    for (const [oldest, sub] of this.#heirs) {
      if (this.#heirs.size <= limits.heirs) {
        break;
      }
      sub.unsubscribe();
      this.#heirs.delete(oldest);
    }
  }

  #answer(msg: Msg): void {
    if (headersOf(msg).empty || msg.reply === undefined) {
      return;
    }
    const query = msg.json<OpenQuery>();
    const call = query.call === undefined ? undefined : this.#open.byKey(`${query.from}.${query.call}`);
    const reply: OpenReply = {
      who: this.#core.name,
      open: call !== undefined,
      ...(call?.record.verdict === 'refuse' ? { refused: true } : {}),
    };
    if (query.seqs !== undefined) {
      reply.seqs = query.seqs.filter((seq) => this.#open.bySeq(seq) !== undefined);
    }
    this.#core.nc.publish(msg.reply, JSON.stringify(reply));
  }
}
