/**
 * Taking calls from CALLS. The gateway owns a taken call until its decision, parked record or refusal is durable;
 * only then is it acknowledged (D1).
 */
import { ack, deliveryOf, LightPuller, working } from '../fabric/puller.js';
import { freshInbox, headersOf } from '../fabric/raw.js';
import type { Msg } from '../fabric/connection.js';
import type { Incoming } from '../chain/draft.js';
import { laneOf } from '../domain/rate/lane.js';
import { meshError } from '../wire/errors.js';
import { parse } from '../wire/generated/subjects.js';
import { header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Priority } from '../wire/priority.js';
import { birthOf, isCallId } from '../wire/ulid.js';
import type { Admitter } from './admit.js';
import { beforehand } from './beforehand.js';
import type { Core } from './core.js';
import { deadOfUndecided, writeDead } from './dead.js';
import { isBlind } from './fallen.js';
import { lookUp } from './lookup.js';
import { park } from './park.js';
import type { OpenSet } from './open.js';
import type { Origin } from './origin.js';
import { readRegister } from './settle.js';
import { Suspects } from './suspects.js';
import { shedError } from './shed.js';
import type { Turns } from './turns.js';
import { inQueue, type WaitingRoom } from './waiting.js';

/** Calls older than this are looked up before they are decided: the duplicate window may have passed. */
const OLD_MS = limits.duplicateWindowMs - limits.clockSkewMs;

const nothing = (): void => undefined;

/** Takes calls while it is started. */
export class Taker {
  readonly #core: Core;
  readonly #open: OpenSet;
  readonly #admitter: Admitter;
  readonly #waiting: WaitingRoom;
  readonly #suspects: Suspects;
  readonly #turns: Turns;
  #puller: LightPuller | undefined;
  /** Taken and neither durable nor given back. */
  #held = 0;

  constructor(core: Core, open: OpenSet, admitter: Admitter, waiting: WaitingRoom, turns: Turns) {
    this.#core = core;
    this.#open = open;
    this.#admitter = admitter;
    this.#waiting = waiting;
    this.#suspects = new Suspects(core);
    this.#turns = turns;
  }

  /** Begin to pull. */
  start(): void {
    this.#puller = new LightPuller(this.#core.nc, {
      stream: 'CALLS',
      consumer: 'gateway',
      inbox: freshInbox(this.#core.nc),
      room: () => this.#room(),
      onMessage: (msg) => this.#take(msg),
    });
  }

  /** Pull no more. */
  stop(): void {
    this.#puller?.stop();
  }

  /** Does it take calls, or would it if there were any? */
  get pulling(): boolean {
    return this.#puller?.works === true && (this.#core.overload?.percent ?? 0) <= 95;
  }

  /** Calls taken and not yet durable. */
  get held(): number {
    return this.#held;
  }

  #room(): number {
    if (
      (this.#core.overload?.percent ?? 0) > 95 ||
      this.#open.size >= limits.openPerGateway ||
      isBlind(this.#core)
    ) {
      return 0;
    }
    // More than are worked on at once: who comes behind many of one caller is seen, and has its turn before them.
    return limits.takesInFlight + limits.turnsQueued + this.#waiting.size - this.#held;
  }

  #take(msg: Msg): void {
    const p = parse.call(msg.subject);
    const { deliveries, streamSeq } = deliveryOf(msg);
    const headers = headersOf(msg);
    const incoming: Incoming = {
      from: p?.from ?? 'none',
      capability: p?.capability ?? '',
      headers,
      headerBytes: headers.length,
      body: msg.data,
    };
    const id = headers.get(header.call) ?? '';
    if (this.#open.byKey(`${incoming.from}.${id}`) !== undefined) {
      return ack(this.#core.nc, msg); // decided here already; its outcome will be told
    }
    this.#held++;
    if (deliveries > 1) {
      return this.#takeSuspect(msg, incoming, streamSeq, id);
    }
    const priority = laneOf(this.#core, incoming.from, headers);
    this.#turns.enter({
      from: incoming.from,
      capability: incoming.capability,
      priority,
      bytes: msg.data.length,
      run: (over) => {
        const origin = this.#originOf(msg, over, over); // while other agents are asked about it, others have their turn
        if (isCallId(id) && Date.now() - birthOf(id) > OLD_MS) {
          over();
          void this.#takeOld(incoming, origin, streamSeq, id);
        } else {
          this.#admit(incoming, origin, streamSeq, over);
        }
      },
      shed: (retryAfterMs) => this.#shed(incoming, this.#originOf(msg), streamSeq, priority, retryAfterMs),
    });
  }

  /** There is no room for it. What may wait is laid aside durably, all else is told when to come again. */
  #shed(
    incoming: Incoming,
    origin: Origin,
    streamSeq: number,
    priority: Priority,
    retryAfterMs: number,
  ): void {
    const id = incoming.headers.get(header.call) ?? '';
    const call = isCallId(id) ? id : `seq-${streamSeq}`;
    if (priority === 'batch' && isCallId(id)) {
      const { from, capability } = incoming;
      return park(this.#core, { key: `${from}.${id}`, incoming, origin, capability, sinceMs: Date.now() });
    }
    this.#admitter.end(incoming, origin, call, 'refused', shedError(incoming.from, retryAfterMs));
  }

  #originOf(msg: Msg, settled?: () => void, asked?: () => void): Origin {
    let open = true;
    const end = (then?: () => void) => {
      if (open) {
        open = false;
        this.#held--;
        then?.();
        settled?.();
      }
    };
    return {
      kind: 'call',
      reply: undefined,
      durable: () => end(() => ack(this.#core.nc, msg)),
      undone: () => end(),
      waits: () => {
        working(this.#core.nc, msg);
        asked?.();
      },
    };
  }

  /** `over`: its turn ends when it waits for somebody else. */
  #admit(incoming: Incoming, origin: Origin, streamSeq: number, over: () => void = nothing): void {
    const reading = beforehand(this.#core, incoming);
    if (reading === undefined) {
      return this.#judge(incoming, origin, streamSeq, over);
    }
    over();
    reading.then(
      (found) => this.#judge(found, origin, streamSeq),
      () => origin.undone(),
    );
  }

  #judge(incoming: Incoming, origin: Origin, streamSeq: number, over: () => void = nothing): void {
    const fallbackId = `seq-${streamSeq}`;
    const wait = (queue?: string) => {
      const id = incoming.headers.get(header.call) ?? fallbackId;
      const key = `${incoming.from}.${id}`;
      const { from, capability, headers } = incoming;
      const priority = laneOf(this.#core, from, headers);
      const w = { key, incoming, origin, capability, priority, sinceMs: Date.now() };
      this.#waiting.add(inQueue(w, queue));
    };
    const admission = this.#admitter.admit(incoming, origin, fallbackId, false, wait);
    if (admission === 'held') {
      wait();
    }
    if (admission !== 'decided') {
      over();
    }
  }

  #takeSuspect(msg: Msg, incoming: Incoming, streamSeq: number, id: string): void {
    const born = isCallId(id) ? birthOf(id) : Date.now();
    this.#suspects.add({
      key: `${incoming.from}.${isCallId(id) ? id : `seq-${streamSeq}`}`,
      handle: () =>
        new Promise((resolve) => {
          let ended = (): void => undefined;
          const rest = new Promise<void>((end) => (ended = end));
          const settled = () => {
            ended();
            resolve(undefined);
          };
          const origin = this.#originOf(msg, settled, () => resolve({ rest }));
          if (Date.now() - born > OLD_MS) {
            void this.#takeOld(incoming, origin, streamSeq, id);
          } else {
            this.#admit(incoming, origin, streamSeq);
          }
        }),
      giveUp: (takes) => this.#giveUp(incoming, this.#originOf(msg), streamSeq, id, takes),
    });
  }

  /** Decided before and still open, or settled: then there is nothing to decide. Unsure: it comes back. */
  async #takeOld(incoming: Incoming, origin: Origin, streamSeq: number, id: string): Promise<void> {
    try {
      const found = await lookUp(this.#core, { from: incoming.from, call: id });
      if (!found.sure) {
        return origin.undone();
      }
      const settled =
        found.open || found.parked || (await readRegister(this.#core, incoming.from, id)) !== undefined;
      if (settled) {
        return origin.durable();
      }
    } catch {
      return origin.undone();
    }
    this.#admit(incoming, origin, streamSeq);
  }

  /** It crashed gateways: into DEAD, and `unknown` for its caller (one of the takes may have dispatched it). */
  #giveUp(incoming: Incoming, origin: Origin, streamSeq: number, id: string, takes: number): void {
    const why = 'gateways crashed while they handled it';
    const call = isCallId(id) ? id : `seq-${streamSeq}`;
    writeDead(this.#core, deadOfUndecided(incoming, call, why), incoming.body, () =>
      this.#admitter.end(incoming, origin, call, 'unknown', meshError('poison', { attempts: takes, why })),
    );
  }
}
