/**
 * The registrar: checks cards, hands out task tokens, and keeps cards and leases in the registry bucket. Agents never
 * write there.
 */
import { putCard } from '../fabric/cards.js';
import type { Msg } from '../fabric/connection.js';
import { taskToken } from '../domain/ticket.js';
import { cardDigest } from '../domain/card.js';
import { compileOurs } from '../domain/validator.js';
import { meshError } from '../wire/errors.js';
import { readBeat } from '../wire/beat.js';
import { parse, pattern } from '../wire/generated/subjects.js';
import type { Card, HelloReply } from '../wire/generated/messages.js';
import { schemas } from '../wire/generated/schemas.js';
import { decodeJson } from '../wire/json.js';
import { limits } from '../wire/limits.js';
import { asToken, isToken, reservedNames, type Token } from '../wire/names.js';
import { saidBy, serve, type Control } from './core.js';
import { Leases } from './leases.js';

const TICK_MS = 200;
const fitsCard = compileOurs(schemas.card);

/** Serve hellos and keep leases. Returns how to stop. */
export function serveRegistrar(control: Control): () => void {
  const hear = (subject: string, take: (msg: Msg) => void) =>
    control.nc.subscribe(subject, { callback: (err, msg) => (err === null ? take(msg) : undefined) });
  const leases = new Leases(control);
  const subs = [
    hear(pattern.beat, (msg) => onBeat(control, leases, msg)),
    hear(pattern.bye, (msg) => onBye(control, leases, msg)),
  ];
  const timer = setInterval(() => {
    const gone = control.roster.expire(Date.now());
    if (control.leads()) {
      gone.forEach(({ agent, id }) => leases.end(agent, id));
    }
  }, TICK_MS);
  const stopHellos = serve(
    control,
    pattern.hello,
    (subject) => parse.hello(subject)?.agent,
    (msg) => hello(control, msg),
  );
  return () => {
    clearInterval(timer);
    stopHellos();
    subs.forEach((s) => s.unsubscribe());
  };
}

async function hello(control: Control, msg: Msg): Promise<HelloReply> {
  const p = parse.hello(msg.subject);
  const agent = asToken(p?.agent, 'agent');
  const instance = asToken(p?.instance, 'instance');
  const card = readCard(agent, msg.data);
  await register(control, agent, card);
  control.roster.beat(
    agent,
    instance,
    { state: 'ready', inFlight: 0, concurrency: card.concurrency },
    Date.now(),
  );
  return {
    token: taskToken(control.ring, agent, instance),
    leaseMs: limits.leaseMs,
    beatMs: limits.beatMs,
    card: cardDigest(card),
  };
}

/** Check a card and put it into the registry. Throws card_*, not_certified, revoked, name_invalid, registry_full, body_*. */
export async function register(control: Control, agent: Token, card: Card): Promise<void> {
  if (reservedNames.has(agent)) {
    throw meshError('name_invalid', { value: agent, where: 'agent: the name is reserved' });
  }
  if (control.revoked.has(agent)) {
    throw meshError('revoked', { name: agent });
  }
  const offers = control.registry.check(agent, card, (other) => control.roster.alive(other));
  const foreign = () => offers.find((offer) => !control.policy.mayServe(agent, offer.name));
  if (foreign() !== undefined) {
    control.lookAtPolicy(); // whoever gives an agent its role and starts it at once must not be told no
  }
  const refused = foreign();
  if (refused !== undefined) {
    throw meshError('not_certified', { agent, capability: refused.name });
  }
  if (control.registry.agent(agent)?.digest !== cardDigest(card)) {
    control.registry.put(agent, card);
    await putCard(control.nc, agent, card);
    control.log.info({ agent, capabilities: offers.map((o) => o.name) }, 'card registered');
  }
}

/** Read a card. Throws card_invalid with a pointer, body_*. */
export function readCard(agent: string, bytes: Uint8Array): Card {
  const value = decodeJson(bytes, limits.cardBytes);
  const [error] = fitsCard(value) ?? [];
  if (error !== undefined) {
    const [pointer = '/', ...why] = error.split(': ');
    throw meshError('card_invalid', { agent, pointer, why: why.join(': ') });
  }
  return value as unknown as Card;
}

function onBeat(control: Control, leases: Leases, msg: Msg): void {
  const p = parse.beat(msg.subject);
  const beat = readBeat(msg.data);
  if (
    p === undefined ||
    beat === undefined ||
    !saidBy(msg, p.instance) ||
    !isToken(p.agent) ||
    !isToken(p.instance)
  ) {
    return;
  }
  const now = Date.now();
  const instance = control.roster.beat(p.agent, p.instance, beat, now);
  if (instance !== undefined && control.leads()) {
    leases.renew(instance, msg.data, now);
  }
}

function onBye(control: Control, leases: Leases, msg: Msg): void {
  const p = parse.bye(msg.subject);
  if (p !== undefined && saidBy(msg, p.instance) && isToken(p.agent) && isToken(p.instance)) {
    control.roster.remove(p.agent, p.instance);
    leases.end(p.agent, p.instance);
  }
}
