/**
 * Asks: a request whose reply is the outcome. Straight to the chain; the decision is its first record.
 */
import type { Msg } from '../fabric/connection.js';
import { headersOf } from '../fabric/raw.js';
import { laneOf } from '../domain/rate/lane.js';
import { meshError } from '../wire/errors.js';
import { parse, pattern } from '../wire/generated/subjects.js';
import { callDigest } from '../wire/digest.js';
import { header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import { birthOf, isCallId, newCallId } from '../wire/ulid.js';
import type { Admitter } from './admit.js';
import type { Incoming } from '../chain/draft.js';
import { beforehand } from './beforehand.js';
import type { Core } from './core.js';
import { lookUp } from './lookup.js';
import type { OpenSet } from './open.js';
import type { Origin } from './origin.js';
import { isOwnInbox, replyError } from './reply.js';
import { refDigest } from './records.js';
import { readRegister, replyOutcome } from './settle.js';
import { shedError } from './shed.js';
import type { Turns } from './turns.js';
import { inQueue, type WaitingRoom } from './waiting.js';

const QUEUE = 'gateway';

/** Serve asks. Returns how to stop. */
export function serveAsks(
  core: Core,
  open: OpenSet,
  admitter: Admitter,
  waiting: WaitingRoom,
  turns: Turns,
): () => void {
  const sub = core.nc.subscribe(pattern.ask, {
    queue: QUEUE,
    callback: (err, msg) => {
      if (err === null) {
        takeAsk({ core, open, admitter, waiting, turns }, msg);
      }
    },
  });
  return () => sub.unsubscribe();
}

interface Serving {
  readonly core: Core;
  readonly open: OpenSet;
  readonly admitter: Admitter;
  readonly waiting: WaitingRoom;
  readonly turns: Turns;
}

function takeAsk({ core, open, admitter, waiting, turns }: Serving, msg: Msg): void {
  const p = parse.ask(msg.subject);
  // Without a reply below the asker's inbox it is no ask: server-written bytes have none.
  if (p === undefined || !isOwnInbox(msg.reply, p.from)) {
    return;
  }
  const { reply } = msg;
  if (open.size >= limits.openPerGateway) {
    return replyError(core, reply, meshError('overloaded', { what: 'this gateway', percent: 100 }));
  }
  const headers = headersOf(msg);
  const given = headers.get(header.call);
  const id = given ?? newCallId();
  const incoming = {
    from: p.from,
    capability: p.capability,
    headers,
    headerBytes: headers.length,
    body: msg.data,
    mintedId: id,
  };
  const { from, capability } = p;
  const priority = laneOf(core, from, headers);
  const run = (incoming: Incoming, over: () => void) => {
    const origin: Origin = { kind: 'ask', reply, durable: over, undone: over, waits: over };
    const wait = (queue?: string) => {
      const key = `${from}.${id}`;
      waiting.add(inQueue({ key, incoming, origin, capability, priority, sinceMs: Date.now() }, queue));
    };
    const admission = admitter.admit(incoming, origin, id, false, wait);
    if (admission === 'held') {
      wait();
    }
    if (admission !== 'decided') {
      over();
    }
  };
  const judge = (incoming: Incoming) =>
    turns.enter({
      ...{ from, capability, priority, bytes: msg.data.length },
      run: (over) => run(incoming, over),
      shed: (retryAfterMs) => replyError(core, reply, shedError(from, retryAfterMs), id),
    });
  const admit = () => {
    const reading = beforehand(core, incoming);
    if (reading === undefined) {
      return judge(incoming);
    }
    reading.then(judge, () => {
      const why = 'its body or its grant could not be read';
      replyError(core, reply, meshError('unavailable', { waitedMs: 0, why }), id);
    });
  };
  if (given === undefined || !isCallId(given)) {
    return admit();
  }
  const known = open.byKey(`${p.from}.${given}`);
  if (known !== undefined) {
    const same = known.record.digest === callDigest(p.capability, msg.data, refDigest(headers));
    const error = same
      ? meshError('outcome_pending', { waitedMs: 0 })
      : meshError('call_id_reused', { call: given });
    return replyError(core, reply, error, given);
  }
  if (Date.now() - birthOf(given) < limits.beatMs) {
    return admit(); // just born: a retry of it would be refused by the duplicate window
  }
  void retryOfAsk(core, p.from, given, incoming.capability, msg, reply).then((fresh) =>
    fresh ? admit() : undefined,
  );
}

/** Answer a repeated ask from the register; true when the call was not seen before. */
async function retryOfAsk(
  core: Core,
  from: string,
  call: string,
  capability: string,
  msg: Msg,
  reply: string,
): Promise<boolean> {
  try {
    const settled = await readRegister(core, from, call);
    if (settled !== undefined) {
      if (
        settled.record.digest !== undefined &&
        settled.record.digest !== callDigest(capability, msg.data, refDigest(headersOf(msg)))
      ) {
        replyError(core, reply, meshError('call_id_reused', { call }), call);
      } else {
        replyOutcome(core, reply, settled.text, settled.body);
      }
      return false;
    }
    if (Date.now() - birthOf(call) > limits.duplicateWindowMs - limits.clockSkewMs) {
      const found = await lookUp(core, { from, call });
      if (found.open || found.parked || !found.sure) {
        replyError(core, reply, meshError('outcome_pending', { waitedMs: 0 }), call);
        return false;
      }
    }
    return true;
  } catch {
    replyError(
      core,
      reply,
      meshError('unavailable', { waitedMs: 0, why: 'the register could not be read' }),
      call,
    );
    return false;
  }
}
