/**
 * Recalls and cancels: what callers ask about a call they sent before.
 */
import type { Msg } from '../fabric/connection.js';
import { headersOf, rawHeaders } from '../fabric/raw.js';
import { meshError } from '../wire/errors.js';
import { parse, pattern } from '../wire/generated/subjects.js';
import type { RecallReply } from '../wire/generated/messages.js';
import { encodeHeaders, header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Admitter } from './admit.js';
import type { Attempts } from './attempts.js';
import type { Cancels } from './cancels.js';
import type { Core } from './core.js';
import { lookUp } from './lookup.js';
import type { OpenSet } from './open.js';
import { isOwnInbox, replyError } from './reply.js';
import { readRegister, replyOutcome, type Settler } from './settle.js';
import type { WaitingRoom } from './waiting.js';

/** Serve recalls: the stored outcome, or whether the call is running. Returns how to stop. */
export function serveRecalls(core: Core, open: OpenSet, waiting: WaitingRoom): () => void {
  const sub = core.nc.subscribe(pattern.recall, {
    queue: 'gateway',
    callback: (err, msg) => {
      const p = err === null ? parse.recall(msg.subject) : undefined;
      if (p !== undefined && isOwnInbox(msg.reply, p.from)) {
        const { reply } = msg;
        recall(core, open, waiting, p.from, p.call, reply).catch((cause: unknown) => {
          core.log.warn({ call: `${p.from}.${p.call}`, err: String(cause) }, 'a recall failed');
          replyError(
            core,
            reply,
            meshError('unavailable', { waitedMs: 0, why: 'the register could not be read' }),
            p.call,
          );
        });
      }
    },
  });
  return () => sub.unsubscribe();
}

async function recall(
  core: Core,
  open: OpenSet,
  waiting: WaitingRoom,
  from: string,
  call: string,
  reply: string,
): Promise<void> {
  const key = `${from}.${call}`;
  let running = open.byKey(key) !== undefined || waiting.has(key);
  if (!running) {
    const found = await lookUp(core, { from, call });
    running = found.open || found.parked;
  }
  // The register is read last: a call that was settled between the two questions is found here.
  const settled = await readRegister(core, from, call);
  if (settled !== undefined) {
    return replyOutcome(core, reply, settled.text, settled.body);
  }
  const answer: RecallReply = { state: running ? 'running' : 'not_seen' };
  core.nc.publish(reply, JSON.stringify(answer), {
    headers: rawHeaders(encodeHeaders([[header.call, call]])),
  });
}

/** What a cancel acts on. */
export interface CancelParts {
  readonly core: Core;
  readonly open: OpenSet;
  readonly waiting: WaitingRoom;
  readonly attempts: Attempts;
  readonly settler: Settler;
  readonly admitter: Admitter;
  readonly cancels: Cancels;
}

const LOOK_MS = 50;
/** A decision that is being made durable has an end by then: acknowledged, or published again and acknowledged. */
const UNSEEN_MS = 2 * limits.ackTimeoutMs;

/** Hear cancels. Returns how to stop. */
export function serveCancels(parts: CancelParts): () => void {
  const unseen = new Map<string, number>();
  const sub = parts.core.nc.subscribe(pattern.cancel, {
    callback: (err, msg) => {
      if (err === null) {
        cancel(parts, unseen, msg);
      }
    },
  });
  const timer = setInterval(() => lookAgain(parts, unseen), LOOK_MS);
  return () => {
    clearInterval(timer);
    sub.unsubscribe();
  };
}

function cancel(parts: CancelParts, unseen: Map<string, number>, msg: Msg): void {
  const p = parse.cancel(msg.subject);
  // Server-written bytes carry no headers: they cancel nothing.
  if (p === undefined || headersOf(msg).get(header.call) !== p.call) {
    return;
  }
  const key = `${p.from}.${p.call}`;
  const waiting = parts.waiting.take(key);
  if (waiting !== undefined) {
    return parts.admitter.end(waiting.incoming, waiting.origin, p.call, 'cancelled', meshError('cancelled'));
  }
  if (!cancelOpen(parts, key)) {
    const now = Date.now();
    parts.cancels.remember(key, now);
    if (unseen.size < limits.cancels) {
      unseen.set(key, now + UNSEEN_MS);
    }
  }
}

/** A call whose decision is on its way to the stream is neither waiting nor open: it is looked for again. */
function lookAgain(parts: CancelParts, unseen: Map<string, number>): void {
  const now = Date.now();
  for (const [key, until] of unseen) {
    if (cancelOpen(parts, key) || now > until) {
      unseen.delete(key);
    }
  }
}

/** Stop an open call. False when it is not open here. */
function cancelOpen(parts: CancelParts, key: string): boolean {
  const call = parts.open.byKey(key);
  if (call === undefined) {
    return false;
  }
  call.cancelled = true;
  if (call.state === 'waiting' && (call.record.dispatches ?? 0) === 0) {
    parts.settler.fail(call, 'cancelled', meshError('cancelled').toBody());
  } else {
    parts.attempts.stop(call);
  }
  return true;
}
