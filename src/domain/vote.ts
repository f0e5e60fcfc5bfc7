/**
 * Votes: what one approver said of one digest. Control seals each before it is stored, and whoever counts opens it
 * again: what is not sealed right is nobody's vote.
 */
import { createHmac } from 'node:crypto';
import type { KeyRing } from '../wire/keyring.js';
import { isToken, type Token } from '../wire/names.js';
import { sameMac } from './ticket.js';

/** One vote. */
export interface Vote {
  readonly from: string;
  readonly call: string;
  /** What was shown to the approver. */
  readonly digest: string;
  readonly by: Token;
  readonly vote: 'approve' | 'deny';
  readonly reason?: string;
  /** When control took it, in epoch ms. */
  readonly at: number;
}

const MAC_CHARS = 32;

/** Seal a vote. */
export function sealVote(ring: KeyRing, { from, call, digest, by, vote, reason, at }: Vote): string {
  const text = JSON.stringify({ kid: ring.current, from, call, digest, by, vote, reason, at });
  return `${text}.${macOf(ring, ring.current, text)}`;
}

/** Open a vote; undefined when control of this mesh did not seal it. */
export function openVote(ring: KeyRing, sealed: string): Vote | undefined {
  const cut = sealed.length - MAC_CHARS - 1;
  const text = sealed.slice(0, Math.max(0, cut));
  const read = sealed[cut] === '.' ? parse(text) : undefined;
  if (read === undefined || !ring.keys.has(read.kid)) {
    return undefined;
  }
  if (!sameMac(macOf(ring, read.kid, text), sealed.slice(cut + 1))) {
    return undefined;
  }
  const { kid: _kid, ...vote } = read;
  return vote;
}

/** Those of the votes that control sealed. */
export function openVotes(ring: KeyRing, sealed: readonly string[]): Vote[] {
  return sealed.map((one) => openVote(ring, one)).filter((vote) => vote !== undefined);
}

function macOf(ring: KeyRing, kid: string, text: string): string {
  return createHmac('sha256', ring.keys.get(kid) ?? Buffer.alloc(0))
    .update(`vote\n${ring.epoch}\n${text}`)
    .digest('hex')
    .slice(0, MAC_CHARS);
}

/** The shape is checked for what is read here; the mac vouches for the rest. */
function parse(text: string): (Vote & { readonly kid: string }) | undefined {
  try {
    const value = JSON.parse(text) as (Vote & { readonly kid: string }) | null;
    const whole = typeof value === 'object' && value !== null && typeof value.kid === 'string';
    return whole && isToken(value.by) && (value.vote === 'approve' || value.vote === 'deny')
      ? value
      : undefined;
  } catch {
    return undefined;
  }
}
