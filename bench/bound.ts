/**
 * How much memory and disk a run may use, computed before it from the limits of the streams, the rate of calls, their
 * life, and what the server needs for each thing it holds.
 */
import { limits } from '../src/wire/limits.js';
import { streams } from '../src/wire/generated/streams.js';

const MB = 1_000_000;

/** What the server and the processes need, measured apart and rounded up. */
export const plan = {
  /** Server memory for one unique subject that it holds: one per outcome. */
  subjectBytes: 1_000,
  /** Server memory for one id in a duplicate window: one per decision. */
  dedupBytes: 900,
  /** The server without load, and blocks of streams that it has in its cache. */
  serverBaseBytes: 300 * MB,
  /** The collector of the server lets garbage grow to a share of what is alive. */
  serverGarbage: 1.5,
  /** One of our processes: node itself, its code, and a heap that was not collected for a while. */
  processBaseBytes: 250 * MB,
  /** A decision open with a gateway, or a result kept by an agent. */
  openCallBytes: 4_000,
  /** Disk of one message beside subject, headers and body. */
  recordBytes: 64,
  /** Blocks of a stream are freed as a whole; the last ones are half empty. */
  blockBytes: 8 * MB,
  /** Time-to-live is counted in seconds, and the server looks now and then. */
  expirySlackMs: 15_000,
} as const;

/** What is known before the run. */
export interface Known {
  readonly callsPerSecond: number;
  readonly lifeMs: number;
  readonly seconds: number;
  /** Calls that may be in flight at once. */
  readonly inFlight: number;
  /** Mean size of a stored message of each stream, headers included. */
  readonly callBytes: number;
  readonly decisionBytes: number;
  readonly outcomeBytes: number;
}

/** No sample may be above these. */
export interface Bound {
  readonly serverBytes: number;
  readonly processBytes: number;
  readonly diskBytes: number;
}

/** The formulas, for the output and the documentation. */
export const formulas = [
  'outcomes held = rate × (life + grace + slack), never more than OUTCOMES.max_bytes holds',
  'ids held      = rate × (duplicate window of DECISIONS + slack)',
  'server memory = base + garbage × (outcomes held × subject + ids held × id)',
  'other memory  = base + calls in flight × open call',
  'disk          = decisions kept (a share of DECISIONS.max_bytes, and what comes until the next purge)',
  '                + outcomes held × their size + calls in flight × their size + buckets + open blocks',
] as const;

/** Compute it. */
export function boundOf(known: Known): Bound {
  const { callsPerSecond: rate } = known;
  const stored = (bytes: number) => bytes + plan.recordBytes;
  const heldMs = Math.min(known.seconds * 1000, known.lifeMs + limits.graceMs + plan.expirySlackMs);
  const outcomes = Math.min((rate * heldMs) / 1000, streams.OUTCOMES.maxBytes / stored(known.outcomeBytes));
  const windowMs = streams.DECISIONS.duplicateWindowMs + plan.expirySlackMs;
  const ids = (rate * Math.min(known.seconds * 1000, windowMs)) / 1000;
  const alive = outcomes * plan.subjectBytes + ids * plan.dedupBytes;
  return {
    serverBytes: plan.serverBaseBytes + plan.serverGarbage * alive,
    processBytes: plan.processBaseBytes + known.inFlight * plan.openCallBytes,
    diskBytes:
      decisionsKept(known, stored(known.decisionBytes)) +
      outcomes * stored(known.outcomeBytes) +
      known.inFlight * stored(known.callBytes) +
      BUCKETS_BYTES +
      BLOCKS * plan.blockBytes,
  };
}

/** The supervisor looks every second and purges a whole share; two looks may pass. */
const PURGE_SECONDS = 2;
/** Leases, cards and marks: small, and rewritten in place of themselves. */
const BUCKETS_BYTES = 32 * MB;
/** Two for each of the five streams and three buckets. */
const BLOCKS = 16;

function decisionsKept({ callsPerSecond: rate, seconds }: Known, bytes: number): number {
  const kept = (streams.DECISIONS.maxBytes * limits.decisionKeepPercent) / 100;
  return Math.min(rate * seconds * bytes, kept + rate * PURGE_SECONDS * bytes);
}
