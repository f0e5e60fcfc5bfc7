/**
 * What a gateway learns of agents: from the attempts that it saw end, and from what other gateways say of theirs. Each
 * tells only what it saw itself, a few times a second and only when there is something; a message that is lost is a
 * little less evidence. When a gateway dies, the others keep what it told.
 */
import type { Msg } from '../fabric/connection.js';
import { headersOf, rawHeaders } from '../fabric/raw.js';
import { Blame } from '../domain/blame.js';
import type { Seen } from '../wire/generated/messages.js';
import { parse, pattern, subject } from '../wire/generated/subjects.js';
import { encodeHeaders, header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Core } from './core.js';
import type { Observed } from './observed.js';

/** Learn while it runs. Returns how to stop. */
export function followStats(core: Core): () => void {
  const blame = new Blame();
  const observer = (seen: Observed): void => note(core, blame, seen);
  core.observers.add(observer);
  const callback = (err: unknown, msg: Msg) => (err === null ? hear(core, msg) : undefined);
  const sub = core.nc.subscribe(pattern.seen, { callback });
  const headers = rawHeaders(encodeHeaders([[header.instance, core.name]]));
  const timer = setInterval(() => {
    const news = core.nc.isClosed() ? undefined : core.stats.news();
    if (news !== undefined) {
      core.nc.publish(subject.seen({ gateway: core.name }), JSON.stringify(news), { headers });
    }
  }, limits.statsShareMs);
  return () => {
    clearInterval(timer);
    sub.unsubscribe();
    core.observers.delete(observer);
  };
}

/** What was stopped says nothing of its agent. */
function note({ stats }: Core, blame: Blame, { decision, result, workMs, outcome }: Observed): void {
  if (result === 'stopped') {
    return;
  }
  const ok = result === 'completed' ? 1 : 0;
  const ms = workMs > 0 ? workMs : undefined;
  const { capability, from, chain } = decision;
  const [agent, now] = [outcome?.agent ?? decision.agent, Date.now()];
  if (blame.counts(capability, agent, chain[0] ?? from, ok === 1, now)) {
    const sample = { n: 1, ok, ms, micros: costOf(decision, outcome) };
    stats.see(capability, agent, sample, now, decision.routed?.difficulty);
  }
}

/** What is measured counts, not what an agent says; and only where all of it is of one attempt. */
function costOf({ dispatches }: Observed['decision'], outcome: Observed['outcome']): number | undefined {
  const charged = dispatches === 1 ? outcome?.charged : undefined;
  return charged?.by === 'measured' ? charged.amounts.micros : undefined;
}

function hear(core: Core, msg: Msg): void {
  const p = parse.seen(msg.subject);
  if (p === undefined || p.gateway === core.name || headersOf(msg).get(header.instance) !== p.gateway) {
    return;
  }
  try {
    core.stats.learn(msg.json<Seen>(), Date.now());
  } catch (err) {
    core.log.warn({ gateway: p.gateway, err: String(err) }, 'what a gateway saw could not be read');
  }
}
