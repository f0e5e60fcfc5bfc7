/**
 * Held calls as those see them who are asked to approve: from the record and the bytes that lie in PARKED, never from
 * what an agent says of them.
 */
import { isAsked, notEntitled, tally, type Missing } from '../../domain/approvals.js';
import { parseBodyRef } from '../../domain/body-ref.js';
import { openVotes, type Vote } from '../../domain/vote.js';
import { callDigest } from '../../wire/digest.js';
import { meshError } from '../../wire/errors.js';
import { header } from '../../wire/headers.js';
import { limits } from '../../wire/limits.js';
import type { Token } from '../../wire/names.js';
import type { Control } from '../core.js';
import { Budget, fit } from '../views/bounds.js';
import { findHeld, heldIn, votersOf, type Held } from './held.js';
import type { Alternative, ApprovalPage, ApprovalRow, ApprovalsPage } from './pages.js';
import { readVotes } from './votes.js';

/** What is told of arguments at most: base64 of it must fit into a reply. */
const BODY_BYTES = 512 * 1024;
const ALTERNATIVES_MAX = 100;

/** Held calls that the asker made or has a role to approve, the oldest first. */
export async function listHeld(
  control: Control,
  who: Token,
  { limit = limits.viewRows, after = 0 }: { readonly limit?: number; readonly after?: number },
): Promise<ApprovalsPage> {
  const budget = new Budget();
  const found: Held[] = [];
  const voters = votersOf(control);
  let seen = after;
  let cut = false;
  const filter = { headersOnly: true, filter: 'mesh.v1.parked.approval.>' };
  await budget.scan(control, 'PARKED', after === 0 ? filter : { ...filter, startSeq: after + 1 }, (m) => {
    const one = heldIn(m);
    if (one !== undefined && (one.held.from === who || isAsked(who, one.held, voters))) {
      cut = found.length >= limit;
      if (!cut) {
        found.push(one);
      }
    }
    seen = cut ? seen : m.seq;
    return cut ? false : undefined;
  });
  const votes = found.length === 0 ? new Map<string, string[]>() : await readVotes(control);
  const all = found.map((one) => {
    const sealed = votes.get(`${one.held.from}.${one.held.call}`) ?? [];
    return rowOf(control, who, one, openVotes(control.ring, sealed));
  });
  const { rows, cut: long } = fit(all);
  const next = long ? rows.at(-1)?.seq : seen;
  return {
    approvals: rows,
    ...(long || cut || budget.truncated ? { truncated: true, ...(next === undefined ? {} : { next }) } : {}),
  };
}

/** One held call in full. Throws not_found (also for those who have no part in it), name_invalid. */
export async function showHeld(
  control: Control,
  who: Token,
  from: string,
  call: string,
): Promise<ApprovalPage> {
  const one = await findHeld(control, from, call);
  if (one.held.from !== who && !isAsked(who, one.held, votersOf(control))) {
    throw meshError('not_found', { what: 'the held call', name: `${from}.${call}` });
  }
  const { approval } = one.held;
  const sealed = await readVotes(control, { from, call, digest: one.digest });
  const votes = openVotes(control.ring, [...sealed.values()].flat());
  const stale = staleness(control, one);
  return {
    ...rowOf(control, who, one, votes),
    chain: approval.chain,
    root: approval.root,
    policy: approval.policy,
    rules: approval.rules,
    arguments: approval.digest,
    card: approval.card,
    ...saidOf(one),
    ...argumentsOf(one),
    alternatives: alternatives(control, one),
    votes: votes.map(({ by, vote, reason, at }) => ({
      by,
      vote,
      at,
      ...(reason === undefined ? {} : { reason }),
    })),
    ...(stale === undefined ? {} : { stale }),
  };
}

function rowOf(
  control: Control,
  who: Token,
  { seq, record, held, digest }: Held,
  votes: Vote[],
): ApprovalRow {
  const voters = votersOf(control);
  const verdict = tally(held, votes, voters);
  const missing: readonly Missing[] = verdict.state === 'waits' ? verdict.missing : [];
  const voted = votes.find(({ by, digest: of }) => by === who && of === digest)?.vote;
  const why = notEntitled(who, held, voters);
  return {
    seq,
    from: held.from,
    call: held.call,
    capability: held.capability,
    agent: held.approval.agent,
    since: record.parkedAt,
    expires: Math.min(held.approval.expires, record.deadline),
    digest,
    missing,
    ...(voted === undefined ? {} : { voted }),
    ...(why === undefined ? {} : { notEntitled: why }),
  };
}

/** What the caller said beside the arguments. */
function saidOf({ held }: Held): Partial<ApprovalPage> {
  const said = {
    major: held.header(header.major),
    labels: held.header(header.labels),
    intent: held.header(header.intent),
    context: held.header(header.context),
    contentType: held.header(header.contentType),
  };
  const given = Object.entries(said).filter(([, value]) => value !== undefined);
  return {
    ...Object.fromEntries(given),
    ...(held.header(header.grant) === undefined ? {} : { grant: true }),
  };
}

/** The arguments, only if they are what was hashed. Throws internal. */
function argumentsOf({ held, body }: Held): Pick<ApprovalPage, 'bytes' | 'body'> {
  const ref = parseBodyRef(held.header(header.bodyRef));
  if (callDigest(held.capability, body, ref?.digest) !== held.approval.digest) {
    throw meshError('internal', { where: 'the arguments of a held call' });
  }
  return ref === undefined
    ? { bytes: body.length, body: Buffer.from(body.subarray(0, BODY_BYTES)).toString('base64') }
    : { bytes: ref.bytes };
}

function alternatives({ registry, roster }: Control, { held }: Held): Alternative[] {
  const major = Number(held.header(header.major) ?? Number.NaN);
  const entry = registry.find(held.capability, Number.isInteger(major) ? major : undefined);
  return [...(entry?.offers ?? [])]
    .filter(([agent]) => agent !== held.approval.agent)
    .slice(0, ALTERNATIVES_MAX)
    .map(([agent, offer]) => ({
      agent,
      version: `${offer.major}.${offer.minor}`,
      proficiency: offer.proficiency,
      costMicros: offer.costMicros,
      instances: roster.of(agent).length,
    }));
}

function staleness({ policy, registry }: Control, { held }: Held): 'policy' | 'card' | undefined {
  const { approval } = held;
  if (policy.digest !== approval.policy) {
    return 'policy';
  }
  return registry.agent(approval.agent as Token)?.digest === approval.card ? undefined : 'card';
}
