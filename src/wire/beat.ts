import type { Beat } from './generated/messages.js';

/** A beat by hand-written check: it comes a thousand times a second. Undefined when it does not fit the schema. */
export function readBeat(data: Uint8Array): Beat | undefined {
  try {
    const b = JSON.parse(Buffer.from(data).toString()) as Partial<Beat> | null;
    const fits =
      typeof b === 'object' &&
      b !== null &&
      (b.state === 'ready' || b.state === 'draining') &&
      Number.isInteger(b.inFlight) &&
      Number.isInteger(b.concurrency) &&
      (b.concurrency ?? 0) >= 1 &&
      (b.concurrency ?? 0) <= 65_535;
    return fits ? (b as Beat) : undefined;
  } catch {
    return undefined;
  }
}
