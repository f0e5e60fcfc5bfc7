/**
 * Parked calls: the supervisor holds their timers. It tries the oldest of each capability and goes on while there is
 * capacity; what passes its deadline, or is cancelled, is ended at once.
 */
import type { Msg } from '../fabric/connection.js';
import { headersOf, rawHeaders } from '../fabric/raw.js';
import { tail, type Stored } from '../fabric/reader.js';
import { wishKey } from '../domain/routing/wish.js';
import { compileOurs } from '../domain/validator.js';
import { schemas } from '../wire/generated/schemas.js';
import { parse, pattern, subject } from '../wire/generated/subjects.js';
import type { ParkedRecord, Wake } from '../wire/generated/messages.js';
import { encodeHeaders, header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import { Ballots } from './approvals/ballots.js';
import type { Control } from './core.js';

interface Item {
  readonly seq: number;
  readonly record: ParkedRecord;
  cancelled: boolean;
  asking: boolean;
  /** Sealed votes, once they are enough to let it go or to end it. */
  votes?: readonly string[] | undefined;
  /** An approved one whose agent was not free is not tried again before (epoch ms). */
  restUntil?: number;
  /** How often it is looked at again although it was held: a gateway may not have known yet what fell. */
  again?: number;
}

const TICK_MS = 100;
const REVIEW_MS = 3_000;
const AGAIN_MS = 700;
const fits = compileOurs(schemas.parked);

/** Keeps the timers of parked calls while it runs. */
export class Parked {
  readonly #control: Control;
  readonly #items = new Map<string, Item>();
  readonly #queues = new Map<string, Set<Item>>();
  /**
   * Those that no gateway has looked at since: a held one that was cancelled on its way here is ended then, and so is
   * any whose authority has fallen.
   */
  readonly #lookAt = new Set<Item>();
  /** Until when those that come are looked at too: they were judged before what fell was known everywhere. */
  #reviewUntil = 0;
  /** Those that wait for approval: nobody tries them, and none waits behind them. */
  readonly #held = new Set<Item>();
  /** Queue → instant before which its head is not tried again. */
  readonly #restUntil = new Map<string, number>();
  readonly #ballots: Ballots;
  #asking = 0;
  /** Some of the stream is not kept here. */
  #overflow = false;
  #stops: (() => void)[] = [];
  #stopTail: () => void = () => undefined;

  constructor(control: Control) {
    this.#control = control;
    this.#ballots = new Ballots(control);
  }

  /** Read what is parked and keep watching. */
  async start(): Promise<void> {
    const { nc } = this.#control;
    const sub = nc.subscribe(pattern.cancel, {
      callback: (err, msg) => (err === null ? this.#cancel(msg) : undefined),
    });
    const timer = setInterval(() => this.#tick(Date.now()), TICK_MS);
    this.#stops = [() => sub.unsubscribe(), () => clearInterval(timer), () => this.#stopTail()];
    await this.#follow();
    await this.#ballots.start(
      (key) => this.#voted(key),
      (key) => this.#items.has(key),
    );
  }

  async #follow(): Promise<void> {
    this.#overflow = false;
    this.#stopTail();
    this.#stopTail = await tail(this.#control.nc, 'PARKED', (m) => this.#add(m));
  }

  /** Stop; another supervisor goes on from the stream. */
  stop(): void {
    this.#stops.forEach((stop) => stop());
    this.#ballots.stop();
    this.#items.clear();
    this.#queues.clear();
    this.#held.clear();
    this.#lookAt.clear();
  }

  /** Is this call parked? */
  get(key: string): ParkedRecord | undefined {
    return this.#items.get(key)?.record;
  }

  /** All parked calls. */
  records(): ParkedRecord[] {
    return [...this.#items.values()].map((i) => i.record);
  }

  #add(m: Stored): void {
    const text = m.headers.get(header.record);
    if (text === undefined) {
      return;
    }
    if (this.#items.size >= limits.parked) {
      this.#overflow = true; // it stays in the stream and is read again when there is room
      return;
    }
    const record = JSON.parse(text) as ParkedRecord;
    if (fits(record) !== undefined) {
      return; // whoever may write anywhere may write nonsense here; it is nobody's call
    }
    const known = this.#items.get(`${record.from}.${record.call}`);
    if (known?.seq === m.seq) {
      return;
    }
    if (known !== undefined) {
      this.#drop(known); // parked again, for another reason
    }
    const item: Item = { seq: m.seq, record, cancelled: known?.cancelled ?? false, asking: false };
    this.#items.set(`${record.from}.${record.call}`, item);
    if (record.why === 'approval') {
      item.votes = this.#ballots.enough(record);
      this.#held.add(item);
      this.#lookAt.add(item);
      return;
    }
    if (Date.now() < this.#reviewUntil) {
      this.#lookAt.add(item);
    }
    const queue = this.#queues.get(queueOf(record));
    if (queue === undefined) {
      this.#queues.set(queueOf(record), new Set([item]));
    } else {
      queue.add(item);
    }
  }

  /** Have those judged again about which something may have changed: at once, and again when all gateways know. */
  review(concerns: (record: ParkedRecord) => boolean): void {
    this.#reviewUntil = Date.now() + REVIEW_MS;
    for (const item of this.#items.values()) {
      if (concerns(item.record)) {
        item.again = 2;
        this.#lookAt.add(item);
      }
    }
    this.#lookOn();
  }

  /** Look at as many as may be asked about at once. */
  #lookOn(): void {
    for (const item of this.#lookAt) {
      if (this.#asking >= limits.wakesInFlight) {
        break;
      }
      if ((item.restUntil ?? 0) <= Date.now()) {
        void this.#wake(item);
      }
    }
  }

  #drop(item: Item): void {
    const key = `${item.record.from}.${item.record.call}`;
    if (this.#items.get(key) === item) {
      this.#items.delete(key);
    }
    this.#held.delete(item);
    this.#lookAt.delete(item);
    const name = queueOf(item.record);
    const queue = this.#queues.get(name);
    queue?.delete(item);
    if (queue?.size === 0) {
      this.#queues.delete(name);
      this.#restUntil.delete(name);
    }
  }

  #cancel(msg: Msg): void {
    const p = parse.cancel(msg.subject);
    const item = p === undefined ? undefined : this.#items.get(`${p.from}.${p.call}`);
    if (p !== undefined && item !== undefined && headersOf(msg).get(header.call) === p.call) {
      item.cancelled = true;
      if (this.#held.has(item)) {
        this.#lookAt.add(item); // also when a gateway is looking at it just now, or cannot be asked
      }
      void this.#wake(item);
    }
  }

  /** A vote is durable: when there are enough, a gateway is asked to act on them. */
  #voted(key: string): void {
    const item = this.#items.get(key);
    if (item === undefined || !this.#held.has(item)) {
      return;
    }
    item.votes = this.#ballots.enough(item.record);
    if (item.votes !== undefined) {
      delete item.restUntil;
      this.#lookAt.add(item);
      void this.#wake(item);
    }
  }

  #tick(nowMs: number): void {
    if (this.#overflow && this.#items.size < limits.parked * 0.9) {
      void this.#follow();
    }
    this.#lookOn();
    for (const item of this.#held) {
      const { approval, deadline } = item.record;
      if (Math.min(approval?.expires ?? 0, deadline) <= nowMs) {
        void this.#wake(item);
      }
    }
    for (const [name, queue] of this.#queues) {
      for (const item of queue) {
        if (item.record.deadline <= nowMs) {
          void this.#wake(item);
        }
      }
      if ((this.#restUntil.get(name) ?? 0) <= nowMs) {
        this.#restUntil.set(name, nowMs + limits.parkedRetryMs / 2);
        this.#tryHead(name);
      }
    }
  }

  #tryHead(name: string): void {
    for (const item of this.#queues.get(name) ?? []) {
      if (!item.asking) {
        void this.#wake(item);
        return;
      }
    }
  }

  async #wake(item: Item): Promise<void> {
    if (item.asking || this.#asking >= limits.wakesInFlight) {
      return;
    }
    item.asking = true;
    this.#asking++;
    const { votes, cancelled } = item;
    const reply = await this.#ask(item).catch(() => 'failed');
    this.#asking--;
    item.asking = false;
    if (reply === 'held' && item.cancelled === cancelled) {
      if ((item.again ?? 0) > 0) {
        item.again = (item.again ?? 1) - 1;
        item.restUntil = Date.now() + AGAIN_MS;
      } else if (item.votes === undefined) {
        this.#lookAt.delete(item);
      } else if (votes !== undefined) {
        item.restUntil = Date.now() + limits.parkedRetryMs / 2; // approved, and its agent is not free
      }
    }
    if (['decided', 'ended', 'gone'].includes(reply)) {
      this.#drop(item);
      this.#tryHead(queueOf(item.record)); // there was capacity: go on at once
      this.#tryHead(queueOf(item.record));
    }
  }

  async #ask(item: Item): Promise<string> {
    const wake: Wake = {
      seq: item.seq,
      ...(item.cancelled ? { cancelled: true } : {}),
      ...(item.votes === undefined ? {} : { votes: [...item.votes] }),
    };
    const headers = rawHeaders(encodeHeaders([[header.instance, this.#control.id]]));
    const reply = await this.#control.nc.request(subject.wake(), JSON.stringify(wake), {
      timeout: 5_000,
      headers,
    });
    return reply.string();
  }
}

/**
 * Whose calls are held for a rate waits for itself. Others wait for each other when they want the same: calls with
 * different wishes wait for different agents, and none stands behind one whose agents are all busy.
 */
function queueOf({ why, from, capability, headers }: ParkedRecord): string {
  if (why === 'rate') {
    return `~${from}`;
  }
  const wish = wishKey(headers[header.route], headers[header.difficulty]);
  return wish === undefined ? capability : `${capability}|${wish}`;
}
