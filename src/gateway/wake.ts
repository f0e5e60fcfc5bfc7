/**
 * Waking parked calls, when the supervisor asks: one gateway runs the chain over the call again.
 */
import type { Msg } from '../fabric/connection.js';
import { headersOf } from '../fabric/raw.js';
import { meshError } from '../wire/errors.js';
import { pattern } from '../wire/generated/subjects.js';
import type { Wake } from '../wire/generated/messages.js';
import { limits } from '../wire/limits.js';
import { birthOf } from '../wire/ulid.js';
import type { Admitter } from './admit.js';
import { actOnVotes } from './approved.js';
import { beforehand } from './beforehand.js';
import type { Core } from './core.js';
import { endFallen, endHeld } from './held.js';
import { lookUp } from './lookup.js';
import type { OpenSet } from './open.js';
import type { Origin } from './origin.js';
import { forget, unpark } from './park.js';
import { readRegister } from './settle.js';

/** What the supervisor is told. `decided`: it was given out; `ended`: it never will be. */
export type WakeReply = 'gone' | 'decided' | 'ended' | 'held' | 'failed';

/** Serve wakes. Returns how to stop. */
export function serveWakes(core: Core, open: OpenSet, admitter: Admitter): () => void {
  const sub = core.nc.subscribe(pattern.wake, {
    queue: 'gateway',
    callback: (err, msg) => {
      if (err === null && !headersOf(msg).empty && msg.reply !== undefined) {
        void wake(core, open, admitter, msg)
          .catch(() => 'failed' as const)
          .then((reply: WakeReply) => core.nc.publish(msg.reply ?? '', reply));
      }
    },
  });
  return () => sub.unsubscribe();
}

async function wake(core: Core, open: OpenSet, admitter: Admitter, msg: Msg): Promise<WakeReply> {
  const { seq, cancelled, by, votes = [] } = msg.json<Wake>();
  const parked = await unpark(core, seq);
  if (parked === undefined) {
    return 'gone';
  }
  const { record } = parked;
  const incoming = (await beforehand(core, parked.incoming)) ?? parked.incoming;
  if (open.byKey(`${record.from}.${record.call}`) !== undefined) {
    forget(core, seq);
    return 'gone';
  }
  // A repeat of a held call that came after its decision is held again; nobody needs to be asked about it.
  if (record.why === 'approval' && (await readRegister(core, record.from, record.call)) !== undefined) {
    forget(core, seq);
    return 'gone';
  }
  if (Date.now() - birthOf(record.call) > limits.duplicateWindowMs - limits.clockSkewMs) {
    const found = await lookUp(core, { from: record.from, call: record.call });
    if (!found.sure) {
      return 'failed';
    }
    if (found.open || (await readRegister(core, record.from, record.call)) !== undefined) {
      forget(core, seq);
      return 'gone';
    }
  }
  return await new Promise<WakeReply>((resolve) => {
    const held = () => resolve('held');
    const origin: Origin = {
      kind: 'parked',
      reply: record.reply,
      durable: () => {
        forget(core, seq);
        const here = open.byKey(`${record.from}.${record.call}`);
        resolve(here?.record.verdict === 'refuse' ? 'ended' : 'decided');
      },
      undone: () => resolve('failed'),
      held: () => resolve('held'),
    };
    if (record.why === 'approval') {
      const ended = endHeld(admitter, record, incoming, origin, cancelled === true ? (by ?? '') : undefined);
      const waiting = { record, incoming };
      if (
        !ended &&
        !endFallen(core, admitter, waiting, origin) &&
        !actOnVotes(core, admitter, waiting, origin, votes, held)
      ) {
        held();
      }
    } else if (cancelled === true) {
      const error = meshError('cancelled', by === undefined ? {} : { by: ` by ${by}` });
      admitter.end(incoming, origin, record.call, 'cancelled', error);
    } else if (admitter.admit(incoming, origin, record.call, true, held) === 'held') {
      held();
    }
  });
}
