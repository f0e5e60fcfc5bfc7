/**
 * Reviews: what a reviewing agent is asked about a call, under which id, and what of its answers counts.
 *
 * A review is a call of its own, made by the gateways. One digest stands for everything it is about, and its id is made
 * from that digest with the keys of the mesh: whoever asks the same again, in whichever gateway, comes upon the same
 * call, and an answer never serves another call, other arguments or another policy.
 */
import { createHmac, hash } from 'node:crypto';
import { decodeValue, type BodyType } from '../wire/content.js';
import type { DecisionRecord } from '../wire/generated/messages.js';
import type { KeyRing } from '../wire/keyring.js';
import { limits } from '../wire/limits.js';
import type { Token } from '../wire/names.js';
import { callIdOf } from '../wire/ulid.js';
import { compileOurs } from './validator.js';

/** The principal of reviews: the user of the gateways, which no caller and no agent can be. */
export const REVIEWER = 'gateway' as Token;

/** What a rule asks for. */
export type Ask = NonNullable<DecisionRecord['asks']>[number];
/** What came of it. */
export type Review = NonNullable<DecisionRecord['reviews']>[number];
/** What a call is that is a review. */
export type ReviewOf = NonNullable<DecisionRecord['review']>;

/** The call that is reviewed. */
export interface Reviewed {
  readonly from: string;
  readonly call: string;
  readonly capability: string;
  /** Who would do it, or has done it. */
  readonly agent: string;
  readonly root: string;
  readonly chain: readonly string[];
  /** Digest of the policy that asks. */
  readonly policy: string;
  /** Digest of capability and body. */
  readonly digest: string;
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly intent: string | undefined;
  /** Undefined when it is not in hand: raw bytes, or by reference. */
  readonly args: unknown;
  /** Before an outcome: its answer. `value` is undefined when it is not in hand. */
  readonly output?: { readonly digest: string; readonly value: unknown };
}

/**
 * The digest of everything that the reviews of a call are about. `judged`: what else its rules may have read, as the
 * headers of the call and the card of the agent.
 */
export function reviewDigest(
  call: Reviewed,
  asks: readonly Ask[],
  judged: readonly (string | null)[],
): string {
  const { from, call: id, capability, agent, root, chain, policy, digest, labels, output } = call;
  const facts = [from, id, capability, agent, root, chain, policy, digest, labels ?? null, judged];
  return hash('sha256', JSON.stringify(['capmesh review 1', ...facts, output?.digest ?? null, asks]), 'hex');
}

/** What a reviewing agent is told. The same digest gives the same bytes. */
export function questionOf(call: Reviewed, { rule, reason, send }: Ask): Buffer {
  const { from, call: id, capability, agent, policy, digest, root, output } = call;
  const may = (what: Ask['send'][number], value: unknown): object =>
    value === undefined || !send.includes(what) ? {} : { [what]: value };
  return Buffer.from(
    JSON.stringify({
      rule,
      ...(reason === undefined ? {} : { reason }),
      before: output === undefined ? 'dispatch' : 'outcome',
      ...{ from, call: id, capability, agent, root, policy, digest },
      ...may('args', call.args),
      ...may('labels', call.labels),
      ...may('intent', call.intent),
      ...may('chain', call.chain),
      ...(output === undefined ? {} : { outputDigest: output.digest }),
      ...may('output', output?.value),
    }),
  );
}

/**
 * The id of a review. Its birth is that of the call, so that asking again gives the same id, or some whole windows
 * later, when a call waited long.
 */
export function reviewId(ring: KeyRing, digest: string, rule: string, bornMs: number, nowMs: number): string {
  const window = limits.askWindowMs;
  const born = bornMs + Math.floor((nowMs - bornMs) / window) * window;
  const key = ring.keys.get(ring.current) ?? Buffer.alloc(0);
  const mac = createHmac('sha256', key).update(`review\n${digest}\n${rule}\n${born}`).digest();
  return callIdOf(Math.max(0, born), mac);
}

/** Who has a part in a call and may not review it: whoever asked for it, stands in its chain, or does it. */
export function parties({ from, agent, chain }: Pick<Reviewed, 'from' | 'agent' | 'chain'>): string[] {
  const names = chain.map((entry) => entry.split('/', 1)[0] ?? '');
  return [...new Set([from, agent, ...names])];
}

/** Is this work on a review? It is asked for nobody but the gateways. */
export function isReviewWork(chain: readonly string[]): boolean {
  return chain[0] === REVIEWER;
}

const answerSchema = {
  type: 'object',
  required: ['allow'],
  additionalProperties: false,
  properties: {
    allow: { type: 'boolean' },
    reason: { type: 'string', maxLength: limits.ruleText },
  },
} as const;
const fits = compileOurs(answerSchema);

/** What a reviewing agent said. Throws an Error that says why it counts for nothing. */
export function readAnswer(type: BodyType, body: Uint8Array): { allow: boolean; reason?: string } {
  if (type === 'bytes') {
    throw new Error('its answer is raw bytes');
  }
  const value = decodeValue(type, body);
  const wrong = fits(value);
  if (wrong !== undefined) {
    throw new Error(`its answer is not { allow, reason }: ${wrong.join('; ')}`);
  }
  return value as { allow: boolean; reason?: string };
}
