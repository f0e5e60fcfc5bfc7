/**
 * Replays: dead calls that an operator wants run again, as new calls under the policy of now.
 *
 * This is the one place where a call begins that its caller did not publish, so it is kept narrow. Only control may
 * ask, and only for an operator. The request names a sequence in DEAD: caller, capability and body come from there,
 * where only gateways can write, so that nothing can be called that its caller did not call. The chain is the ordinary
 * one, and judges everybody for whom the dead call was done. The decision records what is replayed, and by whom.
 *
 * What nobody is free for is not parked: it still lies in DEAD, which is durable enough.
 */
import type { Msg } from '../fabric/connection.js';
import { headersOf } from '../fabric/raw.js';
import { getFromLeader } from '../fabric/reader.js';
import { runChain } from '../chain/chain.js';
import { draftOf, type Incoming } from '../chain/draft.js';
import { fromBody, meshError, type MeshError } from '../wire/errors.js';
import { pattern } from '../wire/generated/subjects.js';
import type { DeadRecord, Replay, ReplayReply } from '../wire/generated/messages.js';
import { header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import { birthOf } from '../wire/ulid.js';
import type { Admitter } from './admit.js';
import { beforehand } from './beforehand.js';
import type { Core } from './core.js';
import { readDead } from './dead.js';
import { lookUp } from './lookup.js';
import type { OpenCall, OpenSet } from './open.js';
import type { Origin } from './origin.js';
import { readRegister } from './settle.js';

const FAILED: ReplayReply = { state: 'failed' };
const DECIDED: ReplayReply = { state: 'decided' };

/** Serve replays. Returns how to stop. */
export function serveReplays(core: Core, open: OpenSet, admitter: Admitter): () => void {
  const sub = core.nc.subscribe(pattern.replay, {
    queue: 'gateway',
    callback: (err, msg) => {
      // Server-written bytes carry no such header: they replay nothing.
      if (err === null && headersOf(msg).get(header.instance) !== undefined && msg.reply !== undefined) {
        void replay(core, open, admitter, msg)
          .catch((cause: unknown) => {
            core.log.warn({ err: String(cause) }, 'a replay failed');
            return FAILED;
          })
          .then((reply) => core.nc.publish(msg.reply ?? '', JSON.stringify(reply)));
      }
    },
  });
  return () => sub.unsubscribe();
}

async function replay(core: Core, open: OpenSet, admitter: Admitter, msg: Msg): Promise<ReplayReply> {
  const wanted = msg.json<Replay>();
  const stored = await getFromLeader(core.nc, 'DEAD', wanted.seq);
  const dead = stored === undefined ? undefined : readDead(stored.headers);
  if (stored === undefined || dead === undefined || `${dead.from}.${dead.call}` !== wanted.of) {
    return { state: 'gone' };
  }
  if (dead.chain === undefined && dead.headers === undefined) {
    return refusal(meshError('ticket_invalid', { why: 'its record does not say for whom it was done' }));
  }
  if (core.overload !== undefined) {
    const { stream, percent } = core.overload;
    return refusal(meshError('overloaded', { what: stream, percent: Math.round(percent) }));
  }
  const asked = incomingOf(dead, stored.body, wanted);
  const incoming = (await beforehand(core, asked)) ?? asked; // its body may be gone by now
  if (wanted.dry === true) {
    return tried(core, incoming);
  }
  // Somebody may have asked for it under this id before.
  const fresh = Date.now() - birthOf(wanted.call) < limits.beatMs;
  const standing = fresh ? undefined : await standingOf(core, open, dead.from, wanted.call);
  return standing ?? (await admit(core, open, admitter, incoming, wanted.call));
}

/** The call as it would have come in. */
function incomingOf(dead: DeadRecord, body: Uint8Array, { of, by, call, timeoutMs }: Replay): Incoming {
  // It is nobody's child now, and nobody reads its partial outputs.
  const { [header.child]: _child, [header.parts]: _parts, ...said } = dead.headers ?? {};
  const wait = timeoutMs ?? dead.timeoutMs ?? limits.deadlineDefaultMs;
  const headers = new Map(Object.entries(said));
  headers.set(header.call, call);
  headers.set(header.deadline, String(Date.now() + wait));
  const replays = { of, by, key: dead.key ?? of, chain: dead.chain };
  return { from: dead.from, capability: dead.capability, headers, body, replay: replays };
}

/** What the chain says, without any effect. */
function tried(core: Core, incoming: Incoming): ReplayReply {
  const verdict = runChain(draftOf(incoming, Date.now()), core);
  switch (verdict.verdict) {
    case 'deny':
      return refusal(verdict.error);
    case 'hold':
      return { state: 'held' };
    case 'allow':
      return DECIDED;
  }
}

async function admit(
  core: Core,
  open: OpenSet,
  admitter: Admitter,
  incoming: Incoming,
  call: string,
): Promise<ReplayReply> {
  const said = await new Promise<ReplayReply | undefined>((resolve) => {
    const origin: Origin = {
      kind: 'replay',
      reply: undefined,
      durable: () => resolve(ofDecision(open.byKey(`${incoming.from}.${call}`))),
      undone: () => resolve(FAILED),
      held: () => resolve({ state: 'held' }),
    };
    if (admitter.admit(incoming, origin, call) === 'held') {
      resolve({ state: 'held' });
    }
  });
  return said ?? (await standingOf(core, open, incoming.from, call)) ?? FAILED;
}

/** What stands of a call that may have been decided before, here or elsewhere; undefined when nobody has seen it. */
async function standingOf(
  core: Core,
  open: OpenSet,
  from: string,
  call: string,
): Promise<ReplayReply | undefined> {
  const own = ofDecision(open.byKey(`${from}.${call}`));
  if (own !== undefined) {
    return own;
  }
  const found = await lookUp(core, { from, call });
  // The register is read last: a call that was settled between the two questions is found here.
  const settled = await readRegister(core, from, call);
  if (settled !== undefined) {
    const { agent } = settled.record; // nobody: it was never given to anybody
    return agent === 'none' ? refusal(fromBody(JSON.parse(Buffer.from(settled.body).toString()))) : DECIDED;
  }
  if (found.open) {
    return found.refused ? FAILED : DECIDED; // why it is refused is told once it is settled
  }
  return found.sure ? undefined : FAILED;
}

function ofDecision(call: OpenCall | undefined): ReplayReply | undefined {
  if (call === undefined) {
    return undefined;
  }
  const { verdict, error } = call.record;
  return verdict === 'refuse' ? refusal(fromBody(error)) : DECIDED;
}

function refusal(error: MeshError): ReplayReply {
  return { state: 'refused', error: error.toBody() };
}
