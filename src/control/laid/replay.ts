/**
 * Replaying a dead call for an operator: one gateway is asked to run it again, and once that is accepted it is removed
 * from DEAD. Any control process can do it.
 */
import type { Claim } from '../../fabric/claims.js';
import { rawHeaders } from '../../fabric/raw.js';
import { scan } from '../../fabric/reader.js';
import { streamState } from '../../fabric/streams.js';
import { fromBody, meshError, MeshError } from '../../wire/errors.js';
import { subject } from '../../wire/generated/subjects.js';
import type { Admin, DecisionRecord, Replay, ReplayReply } from '../../wire/generated/messages.js';
import { encodeHeaders, header } from '../../wire/headers.js';
import type { Token } from '../../wire/names.js';
import { birthOf, newCallId } from '../../wire/ulid.js';
import type { Control } from '../core.js';
import { decisionIn } from '../views/records.js';
import { claimId, nameOf, releaseId } from './claim.js';
import { findDead, removeDead, type Named } from './dead.js';

/** What became of it: `held` when nobody is free, and with `dry` what would become of it. */
export interface Replayed {
  readonly state: 'replayed' | 'held' | 'would_replay';
  /** The new call. */
  readonly call?: string;
}

const ANSWER_MS = 5_000;
/**
 * An id older than this is looked for in the log, and then replaced. Long before the life of a call ends, so that it
 * can be used until then, and long after any gateway still works on it.
 */
const STALE_MS = 300_000;
const SKEW_MS = 5_000;

/** Run the dead call again. Throws what the chain refuses with, not_found, replay_unsure, unavailable. */
export async function replay(control: Control, admin: Admin & Named, by: Token): Promise<Replayed> {
  await findDead(control, admin);
  if (admin.dry === true) {
    const { state } = await ask(control, admin, by, newCallId());
    return { state: state === 'held' ? 'held' : 'would_replay' };
  }
  const id = await usableId(control, admin);
  if (id === undefined) {
    throw meshError('unavailable', { waitedMs: 0, why: 'somebody else is at it' });
  }
  if ('done' in id) {
    return await accepted(control, admin, by, id.done);
  }
  const reply = await ask(control, admin, by, id.value).catch(async (err: unknown) => {
    if (isRefusal(err) || (err instanceof MeshError && err.code === 'not_found')) {
      await releaseId(control, admin, id); // a refusal stands under this id: the next try needs another
    }
    throw err;
  });
  return reply.state === 'held' ? { state: 'held' } : await accepted(control, admin, by, id.value);
}

async function accepted(control: Control, dead: Named, by: Token, call: string): Promise<Replayed> {
  await removeDead(control, dead);
  control.log.warn({ by, dead: nameOf(dead), call }, 'a dead call was replayed');
  return { state: 'replayed', call };
}

/** Refusals carry the id they are recorded under. */
function isRefusal(err: unknown): boolean {
  return typeof err === 'object' && err !== null && 'refused' in err;
}

/** Ask one gateway. Throws the refusal, or `unavailable` when it is not known what became of it. */
async function ask(control: Control, admin: Admin & Named, by: Token, call: string): Promise<ReplayReply> {
  const { seq, timeoutMs, dry } = admin;
  const wanted: Replay = {
    seq,
    of: nameOf(admin),
    call,
    by,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(dry === undefined ? {} : { dry }),
  };
  const headers = rawHeaders(encodeHeaders([[header.instance, control.id]]));
  const reply = await control.nc
    .request(subject.replay(), JSON.stringify(wanted), { timeout: ANSWER_MS, headers })
    .then(
      (msg) => msg.json<ReplayReply>(),
      (err: unknown) => {
        throw meshError('unavailable', { waitedMs: ANSWER_MS, why: 'no gateway answers' }, err);
      },
    );
  switch (reply.state) {
    case 'refused':
      throw Object.assign(fromBody(reply.error), { call, refused: true });
    case 'gone':
      throw meshError('not_found', { what: 'the dead call', name: nameOf(admin) });
    case 'failed':
      throw meshError('unavailable', { waitedMs: 0, why: 'the gateway could not tell what became of it' });
    default:
      return reply;
  }
}

/** An id to use, or the one under which it was replayed before; undefined when others change it all the time. */
async function usableId(control: Control, dead: Named): Promise<Claim | { done: string } | undefined> {
  for (let tries = 0; tries < 3; tries++) {
    const id = await claimId(control, dead);
    if (Date.now() - birthOf(id.value) < STALE_MS) {
      return id;
    }
    const decided = await decisionOf(control, dead, id.value);
    if (decided?.verdict === 'allow') {
      return { done: id.value };
    }
    await releaseId(control, dead, id);
  }
  return undefined;
}

/** The decision of a call, from the log itself. Throws replay_unsure when the log does not reach back so far. */
async function decisionOf(control: Control, dead: Named, call: string): Promise<DecisionRecord | undefined> {
  const since = birthOf(call) - SKEW_MS;
  const { firstSeq } = await streamState(control.nc, 'DECISIONS');
  let found: DecisionRecord | undefined;
  let oldest = Infinity;
  await scan(control.nc, 'DECISIONS', { startSeq: firstSeq, headersOnly: true, maxMessages: 1 }, (m) => {
    oldest = decisionIn(m)?.record.at ?? oldest;
    return undefined;
  });
  await scan(control.nc, 'DECISIONS', { startTimeMs: since, headersOnly: true }, (m) => {
    const ours = m.headers.get(header.record)?.includes(call) === true;
    const record = ours ? decisionIn(m)?.record : undefined;
    if (record?.call === call && record.from === dead.from) {
      found = record;
    }
    return found === undefined;
  });
  if (found === undefined && firstSeq > 1 && oldest > since) {
    throw meshError('replay_unsure', { name: nameOf(dead), call });
  }
  return found;
}
