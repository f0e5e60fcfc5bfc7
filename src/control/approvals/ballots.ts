/**
 * Votes as the supervisor counts them. It follows all that are kept, from the first: a supervisor that begins finds
 * every vote that another one had taken and not acted on.
 */
import { heldCall, tally } from '../../domain/approvals.js';
import { openVote, type Vote } from '../../domain/vote.js';
import type { ParkedRecord } from '../../wire/generated/messages.js';
import type { Control } from '../core.js';
import { votersOf } from './held.js';
import { followVotes } from './votes.js';

interface Ballot {
  readonly votes: Map<string, Vote>;
  /** When the last vote came here (ms). */
  at: number;
}

const SWEEP_MS = 10_000;
/** A vote may come before its call is read from PARKED. */
const KEEP_MS = 60_000;

/** Counts votes while it runs. */
export class Ballots {
  readonly #control: Control;
  readonly #ballots = new Map<string, Ballot>();
  #stops: (() => void)[] = [];

  constructor(control: Control) {
    this.#control = control;
  }

  /** Follow the votes; `onVote` is told whose call got one, `isHeld` says which are still of use. */
  async start(onVote: (key: string) => void, isHeld: (key: string) => boolean): Promise<void> {
    const timer = setInterval(() => this.#sweep(isHeld), SWEEP_MS);
    this.#stops = [() => clearInterval(timer)];
    const stop = await followVotes(this.#control, (key, sealed) => {
      const vote = openVote(this.#control.ring, sealed);
      if (vote !== undefined && key === `${vote.from}.${vote.call}`) {
        this.#add(key, sealed, vote);
        onVote(key);
      }
    });
    this.#stops.push(stop);
  }

  /** Stop, and forget all. */
  stop(): void {
    this.#stops.forEach((stop) => stop());
    this.#ballots.clear();
  }

  /** The sealed votes on a held call, once they are enough to let it go or to end it. */
  enough(record: ParkedRecord): string[] | undefined {
    const ballot = this.#ballots.get(`${record.from}.${record.call}`);
    const held = heldCall(record);
    if (ballot === undefined || held === undefined) {
      return undefined;
    }
    const verdict = tally(held, [...ballot.votes.values()], votersOf(this.#control));
    if (verdict.state === 'waits') {
      return undefined;
    }
    const counted = verdict.state === 'denied' ? [verdict.by] : verdict.by;
    return [...ballot.votes].flatMap(([sealed, { by }]) => (counted.includes(by) ? [sealed] : []));
  }

  #add(key: string, sealed: string, vote: Vote): void {
    const ballot = this.#ballots.get(key) ?? { votes: new Map<string, Vote>(), at: 0 };
    ballot.votes.set(sealed, vote);
    ballot.at = performance.now();
    this.#ballots.set(key, ballot);
  }

  #sweep(isHeld: (key: string) => boolean): void {
    const before = performance.now() - KEEP_MS;
    for (const [key, { at }] of this.#ballots) {
      if (at < before && !isHeld(key)) {
        this.#ballots.delete(key);
      }
    }
  }
}
