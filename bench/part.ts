/**
 * What a part of the bench is, once it runs.
 */
import type { Begin } from './load.js';

/** A part that runs in a process of its own. */
export interface Part {
  /** How this part begins a call, if it is one that calls. */
  readonly begin?: Begin;
  /** Where it listens, if others must know. */
  readonly url?: string;
  stop(): Promise<void>;
}
