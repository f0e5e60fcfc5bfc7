/**
 * What a gateway tells an interceptor of a call: what it has read of it, and what the stages before have proven. The
 * interceptor makes a draft of that and runs the guards of its stage over it.
 */
import type { BodyRef } from '../domain/body-ref.js';
import type { ReviewOf } from '../domain/reviews.js';
import type { Instance } from '../domain/roster.js';
import { decodeValue, type BodyType } from '../wire/content.js';
import type { Check } from '../wire/generated/messages.js';
import { header } from '../wire/headers.js';
import { asCapability, asToken, type Token } from '../wire/names.js';
import { draftOf, type Answers, type Approved, type Draft, type Replay, type World } from './draft.js';
import { namedGrants } from './named.js';

interface Known {
  readonly id: string;
  readonly bornMs: number;
  readonly type: BodyType;
  readonly major?: number | undefined;
  readonly context?: string | undefined;
  readonly intent?: string | undefined;
  readonly labels?: Record<string, string> | undefined;
  readonly ref?: BodyRef | undefined;
  readonly replay?: Replay | undefined;
  readonly approved?: Approved | undefined;
  readonly answers?: Answers | undefined;
  readonly review?: ReviewOf | undefined;
  /** Grants that the call names by digest, and the gateway has heard of. */
  readonly introduced?: readonly string[] | undefined;
  // proven by authority
  readonly root: string;
  readonly chain: readonly string[];
  readonly deadlineMs: number;
  readonly byGrant?: readonly (readonly [string, boolean])[] | undefined;
  // proven by route
  readonly agent?: string | undefined;
}

/** What the message says of the draft. `headers` are those of the call. */
export function checkOf(
  draft: Draft,
  world: Pick<World, 'policy' | 'registry' | 'grants'>,
  nonce: string,
  headers: Record<string, string>,
): Check {
  const { id, bornMs, type, major, context, intent, labels, ref } = draft;
  const { replay, approved, answers, review, root, chain, deadlineMs, byGrant, instance } = draft;
  const named = namedGrants(draft.headers);
  const { introduced } = world.grants;
  const known: Known = {
    ...{ id, bornMs, type, major, context, intent, labels, ref, replay, approved, answers, review },
    ...{ root, chain, deadlineMs },
    introduced: named.length === 0 ? undefined : named.filter((one) => introduced.get(one) !== undefined),
    byGrant: byGrant === undefined ? undefined : [...byGrant],
    agent: instance?.agent,
  };
  const contract = world.registry.find(draft.what, major)?.contract;
  const card = instance === undefined ? undefined : world.registry.agent(instance.agent)?.digest;
  return {
    v: 1,
    nonce,
    policy: world.policy.digest,
    at: draft.nowMs,
    from: draft.from,
    capability: draft.capability,
    headers,
    known: known as unknown as Check['known'],
    ...(contract === undefined ? {} : { contract }),
    ...(card === undefined ? {} : { card }),
    ...(draft.guardUs === undefined ? {} : { timed: true }),
  };
}

/**
 * Does this process know the same policy, contract, card and grants as the gateway that asks? Otherwise it cannot judge, and
 * says so.
 */
export function knowsTheSame({ policy, contract, card, capability, known }: Check, world: World): boolean {
  const { major, agent, introduced = [] } = known as unknown as Known;
  return (
    policy === world.policy.digest &&
    contract === world.registry.find(capability, major)?.contract &&
    introduced.every((one) => world.grants.introduced.get(one) !== undefined) &&
    (agent === undefined || card === world.registry.agent(agent as Token)?.digest)
  );
}

/** The draft to judge. Throws name_invalid, body_*. */
export function draftOfCheck(check: Check, body: Uint8Array, world: World): Draft {
  const known = check.known as unknown as Known;
  const { replay, approved, answers, review, byGrant, agent, chain, root, deadlineMs } = known;
  const draft = draftOf(
    {
      from: check.from,
      capability: check.capability,
      headers: new Map(Object.entries(check.headers)),
      body,
      ...(replay === undefined ? {} : { replay }),
      ...(approved === undefined ? {} : { approved }),
      ...(answers === undefined ? {} : { answers }),
      ...(review === undefined ? {} : { review }),
    },
    check.at,
  );
  draft.who = asToken(check.from, 'from');
  draft.what = asCapability(check.capability);
  const { id, bornMs, type, major, context, intent, labels, ref } = known;
  Object.assign(draft, { id, bornMs, type, major, context, intent, labels, ref, root, chain, deadlineMs });
  draft.bodyRef = draft.headers.get(header.bodyRef);
  if (ref === undefined && type !== 'bytes') {
    draft.value = decodeValue(type, body);
  }
  draft.byGrant = byGrant === undefined ? undefined : new Map(byGrant);
  draft.entry = world.registry.find(draft.what, major);
  // Of who was chosen a guard reads the name only; where its instances are, gateways know.
  draft.instance = agent === undefined ? undefined : ({ agent } as Instance);
  draft.guardUs = check.timed === true ? [] : undefined;
  return draft;
}
