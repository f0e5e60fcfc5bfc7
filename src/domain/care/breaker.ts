/**
 * A breaker: closed passes, open refuses, half-open lets one probe through. These are its changes, as data: who makes one
 * stores it only if what it was made from still stands there, so that of several gateways one succeeds.
 *
 * A record says for how long it counts, never until when: whoever hears of it counts from then, on its own clock.
 */
import { limits } from '../../wire/limits.js';
import type { BreakerRules } from './breaker-rules.js';

/** What it was opened for. */
export interface BreakerWhy {
  /** Ends that were counted, and how many of them were bad, or slow. */
  readonly ends: number;
  readonly bad: number;
  readonly slow: number;
  /** The one agent that made all of them, where it opened for a principal. */
  readonly via?: string | undefined;
}

/** A breaker as it is stored. Where there is none it is closed. */
export interface BreakerRecord {
  readonly v: 1;
  readonly state: 'closed' | 'open' | 'half-open';
  /** How often it opened in a row. */
  readonly opens: number;
  /** Open: until it may be probed. Half-open: how long its holder has it. Closed: how long traffic takes to grow. */
  readonly forMs: number;
  /** Who changed it, and when (epoch ms, for people). */
  readonly by: string;
  readonly at: number;
  readonly why?: BreakerWhy | undefined;
  /** Whose call was the last probe that failed: others go first. */
  readonly prober?: string | undefined;
  /** An operator wants it so. */
  readonly forced?: { readonly by: string; readonly why?: string | undefined } | undefined;
}

/** Who makes a change, and when (epoch ms). */
export interface Changer {
  readonly by: string;
  readonly at: number;
}

type Rules = Pick<BreakerRules, 'open' | 'openMax' | 'ramp'>;

/** Too much was bad: from closed to open. `ageMs`: since the record was heard. Undefined: no such change. */
export function trip(
  now: BreakerRecord | undefined,
  ageMs: number,
  rules: Rules,
  why: BreakerWhy,
  { by, at }: Changer,
): BreakerRecord | undefined {
  if (now !== undefined && (now.state !== 'closed' || now.forced !== undefined)) {
    return undefined;
  }
  const opens = now === undefined || ageMs > 2 * now.forMs ? 1 : now.opens + 1;
  return { v: 1, state: 'open', opens, forMs: openMs(opens, rules), by, at, why };
}

/** May it be probed? Open for long enough, or its prober has let its time pass. */
export function isDue(now: BreakerRecord, ageMs: number): boolean {
  return now.state !== 'closed' && now.forced === undefined && ageMs >= now.forMs;
}

/** To half-open, for whoever stores this first. */
export function claim(now: BreakerRecord, ageMs: number, { by, at }: Changer): BreakerRecord | undefined {
  return isDue(now, ageMs) ? { ...now, state: 'half-open', forMs: limits.breakerLeaseMs, by, at } : undefined;
}

/** Its holder has it for longer: the probe is still under way. */
export function renew(now: BreakerRecord, { by, at }: Changer): BreakerRecord | undefined {
  return holds(now, by) ? { ...now, at } : undefined;
}

/** Its holder found nobody to probe with, or learned nothing: the next one may, after a moment. */
export function giveBack(now: BreakerRecord, { by, at }: Changer): BreakerRecord | undefined {
  return holds(now, by) ? { ...now, state: 'open', forMs: limits.breakerAgainMs, at } : undefined;
}

/** The probe has ended. Well: closed, and traffic grows. Badly: open again, for longer. */
export function probed(
  now: BreakerRecord,
  well: boolean,
  prober: string,
  rules: Rules,
  { by, at }: Changer,
): BreakerRecord | undefined {
  if (!holds(now, by)) {
    return undefined;
  }
  if (well) {
    return { v: 1, state: 'closed', opens: now.opens, forMs: rules.ramp, by, at };
  }
  const opens = now.opens + 1;
  return { ...now, state: 'open', opens, forMs: openMs(opens, rules), at, prober };
}

/** The agent was found well for all: what was open for one caller closes too, and opens again if it fails them. */
export function relent(now: BreakerRecord, rules: Rules, { by, at }: Changer): BreakerRecord | undefined {
  return now.state === 'closed' || now.forced !== undefined
    ? undefined
    : { v: 1, state: 'closed', opens: now.opens, forMs: rules.ramp, by, at };
}

/** An operator opens it until it is closed, or closes it. */
export function force(
  to: 'open' | 'closed',
  rampMs: number,
  { by, at }: Changer,
  why?: string,
): BreakerRecord {
  const forced = { by, ...(why === undefined ? {} : { why }) };
  return to === 'open'
    ? { v: 1, state: 'open', opens: 1, forMs: limits.breakerKeepMs, by, at, forced }
    : { v: 1, state: 'closed', opens: 0, forMs: rampMs, by, at };
}

/** Has this gateway the one probe? */
export function holds(now: BreakerRecord, gateway: string): boolean {
  return now.state === 'half-open' && now.by === gateway;
}

/** Share of its full traffic that an agent gets, 0 to 1, while its breaker is closed. */
export function shareOf({ forMs }: BreakerRecord, ageMs: number): number {
  return ageMs >= forMs ? 1 : ageMs / forMs;
}

function openMs(opens: number, { open, openMax }: Rules): number {
  return Math.min(openMax, open * 2 ** Math.min(20, opens - 1));
}
