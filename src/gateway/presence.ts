/**
 * What a gateway knows of agents: cards from the registry, presence heard directly from the instances.
 */
import { watchCards } from '../fabric/cards.js';
import type { Msg } from '../fabric/connection.js';
import { headersOf } from '../fabric/raw.js';
import type { Instance } from '../domain/roster.js';
import { parse, pattern } from '../wire/generated/subjects.js';
import { readBeat } from '../wire/beat.js';
import { header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import { isToken } from '../wire/names.js';
import type { Core } from './core.js';

const TICK_MS = 100;

/** Told about changes. */
export interface PresenceEvents {
  /** Instances that are gone. */
  gone(instances: ReadonlySet<Instance>): void;
  /** Somebody may have a free slot. */
  free(): void;
}

/** Keep registry and roster up to date. Resolves once the registry is read. */
export async function watchPresence(core: Core, events: PresenceEvents): Promise<() => void> {
  const cards = await watchCards(core.nc, (change) => {
    try {
      if (change.kind === 'put') {
        core.registry.put(change.agent, change.card);
      } else {
        core.registry.remove(change.agent);
      }
      events.free();
    } catch (err) {
      core.log.error({ agent: change.agent, err: String(err) }, 'a card in the registry could not be read');
    }
  });
  const hear = (subject: string, take: (msg: Msg) => void) =>
    core.nc.subscribe(subject, { callback: (err, msg) => (err === null ? take(msg) : undefined) });
  const subs = [
    hear(pattern.beat, (msg) => onBeat(core, events, msg)),
    hear(pattern.bye, (msg) => onBye(core, events, msg)),
  ];
  const timer = watchLeases(core, events);
  return () => {
    clearInterval(timer);
    cards.stop();
    subs.forEach((s) => s.unsubscribe());
  };
}

function watchLeases(core: Core, events: PresenceEvents): NodeJS.Timeout {
  let last = Date.now();
  return setInterval(() => {
    const now = Date.now();
    if (now - last > limits.leaseMs / 2) {
      core.roster.forgive(now); // we were paused, not they
    }
    last = now;
    const gone = core.roster.expire(now);
    if (gone.length > 0) {
      core.log.info({ instances: gone.map((i) => `${i.agent}/${i.id}`) }, 'leases lapsed');
      events.gone(new Set(gone));
    }
  }, TICK_MS);
}

/** Presence counts only with the header that an instance sets: bytes the server wrote have none. */
function speaker(msg: Msg, p: { agent: string; instance: string } | undefined): typeof p {
  return p !== undefined && headersOf(msg).get(header.instance) === p.instance ? p : undefined;
}

function onBeat(core: Core, events: PresenceEvents, msg: Msg): void {
  const p = speaker(msg, parse.beat(msg.subject));
  const beat = readBeat(msg.data);
  if (p === undefined || beat === undefined || !isToken(p.agent) || !isToken(p.instance)) {
    return;
  }
  if (core.revoked.has(p.agent)) {
    return; // it gets no task, however alive it is
  }
  const before = core.roster.version;
  const instance = core.roster.beat(p.agent, p.instance, beat, Date.now());
  if (
    before !== core.roster.version ||
    (instance !== undefined && instance.inFlight < instance.concurrency)
  ) {
    events.free();
  }
}

function onBye(core: Core, events: PresenceEvents, msg: Msg): void {
  const p = speaker(msg, parse.bye(msg.subject));
  const instance =
    p !== undefined && isToken(p.agent) && isToken(p.instance)
      ? core.roster.remove(p.agent, p.instance)
      : undefined;
  if (instance !== undefined) {
    events.gone(new Set([instance]));
  }
}
