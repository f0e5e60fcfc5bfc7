/**
 * What gateways learned of agents, as they tell each other: control listens too, for those who want to look.
 */
import type { Msg } from '../fabric/connection.js';
import { headersOf } from '../fabric/raw.js';
import type { Seen } from '../wire/generated/messages.js';
import { parse, pattern } from '../wire/generated/subjects.js';
import { header } from '../wire/headers.js';
import type { Control } from './core.js';

/** Listen. Returns how to stop. */
export function followLearned(control: Control): () => void {
  const sub = control.nc.subscribe(pattern.seen, {
    callback: (err, msg) => (err === null ? hear(control, msg) : undefined),
  });
  return () => sub.unsubscribe();
}

function hear({ stats, log }: Control, msg: Msg): void {
  const gateway = parse.seen(msg.subject)?.gateway;
  if (gateway === undefined || headersOf(msg).get(header.instance) !== gateway) {
    return; // bytes the server wrote have no such header
  }
  try {
    stats.learn(msg.json<Seen>(), Date.now());
  } catch (err) {
    log.warn({ gateway, err: String(err) }, 'what a gateway saw could not be read');
  }
}
