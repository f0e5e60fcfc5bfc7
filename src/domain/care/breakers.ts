/**
 * The breakers as one gateway sees them: what stands in the store that all share, what it counts itself, and whether it
 * holds the probe of one. Clock and store are arguments.
 */
import { limits } from '../../wire/limits.js';
import type { Behind } from './behind.js';
import { claim, giveBack, isDue, probed, relent, renew, shareOf, trip } from './breaker.js';
import type { BreakerIndex, Kept, Permit, ProbeEnd } from './breaker-index.js';
import { BreakerKeeper } from './breaker-keeper.js';
import { isOut, mayGrow, type BreakerWorld, type Candidate, type Taken } from './breaker-look.js';
import { breakerKey } from './breaker-name.js';
import type { BreakerRules } from './breaker-rules.js';
import { Ends } from './ends.js';
import { principalOf } from './principal.js';
import type { End, Opening } from './window.js';

/** The breakers of one gateway. */
export class Breakers {
  readonly #world: BreakerWorld;
  readonly #ends = new Ends();
  readonly #keeper: BreakerKeeper;
  readonly #index: BreakerIndex;

  constructor(gateway: string, world: BreakerWorld) {
    this.#world = world;
    this.#keeper = new BreakerKeeper(gateway, world, (kept) => this.#ends.clear(kept, kept.kind, kept.name));
    this.#index = this.#keeper.index;
  }

  /** How many are not simply closed. */
  get size(): number {
    return this.#index.size;
  }

  /** Changes this gateway made since it started, by the state they led to. */
  get changes(): BreakerKeeper['changes'] {
    return this.#keeper.changes;
  }

  /** Is any breaker of the capability not simply closed? */
  active(capability: string): boolean {
    return this.#index.has(capability);
  }

  /** All that are not simply closed. */
  all(): IterableIterator<Kept> {
    return this.#index.all();
  }

  /** Is it out for these callers: open, or probed by somebody else's call? */
  isOpen(agent: string, capability: string, behind: Behind): boolean {
    const now = this.#world.now();
    return this.#index.of(agent, capability, behind).some((kept) => isOut(kept, behind, now));
  }

  /** May this candidate have a call of these? While traffic grows, only as many as its share allows. */
  suits(candidate: Candidate, capability: string, behind: Behind): boolean {
    const now = this.#world.now();
    return this.#index.of(candidate.agent, capability, behind).every((kept) => {
      if (isOut(kept, behind, now)) {
        kept.wantedMs = now;
        return false;
      }
      return mayGrow(kept, candidate, now);
    });
  }

  /** When one of them may be tried again, in ms. */
  retryAfterMs(agents: Iterable<string>, capability: string, behind: Behind): number {
    let least = limits.breakerKeepMs;
    for (const agent of agents) {
      for (const kept of this.#index.of(agent, capability, behind)) {
        if (kept.record.state !== 'closed') {
          least = Math.min(least, kept.record.forMs - this.#keeper.age(kept));
        }
      }
    }
    return Math.round(Math.max(limits.breakerAgainMs, least));
  }

  /** Could one of them be probed by a call that waits a moment? */
  isDue(agents: Iterable<string>, capability: string, behind: Behind): boolean {
    return [...agents].some((agent) =>
      this.#index.of(agent, capability, behind).some((kept) => isDue(kept.record, this.#keeper.age(kept))),
    );
  }

  /** A call is decided for this agent: if it needed the probe, it is the probe now. */
  took(call: Taken): void {
    if (this.#keeper.permits === 0) {
      return;
    }
    for (const { permit } of this.#index.of(call.agent, call.capability, behindOf(call))) {
      if (permit !== undefined && permit.nonce === undefined) {
        permit.nonce = call.nonce;
        permit.takenMs = this.#world.now();
      }
    }
  }

  /** The decision says nothing of the agent: its probe goes to another call. */
  untook(call: Taken): void {
    this.#probe(call, 'nothing');
  }

  /** An attempt has ended. */
  ended(call: Taken, end: Pick<End, 'bad' | 'slow'>): void {
    const well = !end.bad && !end.slow;
    const rules = this.#world.rulesOf(call.capability);
    if (this.#probe(call, { well, prober: principalOf(call.root) }) || rules === undefined) {
      return;
    }
    // While traffic grows again, little is enough to see that it is still broken.
    const minimum = this.#grows(call) ? Math.max(2, Math.ceil(rules.minimum / 4)) : rules.minimum;
    const seen = { ...behindOf(call), ...end };
    const out = () => this.#index.outFor(call);
    const opening = this.#ends.add(this.#world.now(), call, seen, rules, minimum, out);
    if (opening !== undefined) {
      this.#open(call, opening, rules);
    }
  }

  /** What stands in the store under a key; undefined: nothing any more. */
  heard: BreakerKeeper['heard'] = (...told) => this.#keeper.heard(...told);

  /** Look after what takes time: claim, renew and give back probes, forget what is over. */
  tick(): void {
    const now = this.#world.now();
    for (const kept of this.#index.all()) {
      const age = this.#keeper.age(kept);
      const wanted = now >= kept.restMs && now - kept.wantedMs < limits.breakerWantedMs;
      if (kept.permit !== undefined) {
        this.#keepProbe(kept, kept.permit, now);
      } else if (wanted && isDue(kept.record, age) && this.#isTurn(kept)) {
        this.#keeper.change(kept, (record) => claim(record, age, this.#keeper.by()));
      } else if (age > (kept.record.state === 'closed' ? 2 * kept.record.forMs : limits.breakerKeepMs)) {
        this.#keeper.drop(kept);
      }
    }
  }

  /** Not while another breaker of the same agent is probed; one whose prober let its time pass has its turn. */
  #isTurn(kept: Kept): boolean {
    return kept.record.state === 'half-open' || !this.#index.isProbed(kept);
  }

  #keepProbe(kept: Kept, permit: Permit, now: number): void {
    const over =
      permit.nonce === undefined ? now >= permit.untilMs : now - permit.takenMs > limits.breakerProbeMs;
    if (permit.end !== undefined) {
      this.#finish(kept, permit.end);
    } else if (over) {
      kept.restMs = now + limits.breakerPermitMs; // another gateway may have callers
      this.#finish(kept, 'nothing');
    } else if (now - permit.renewedMs > limits.breakerLeaseMs / 3) {
      this.#keeper.change(kept, (record) => renew(record, this.#keeper.by()));
    }
  }

  /** Was the call a probe? Then this is what it found. */
  #probe(call: Taken, end: ProbeEnd): boolean {
    if (this.#keeper.permits === 0) {
      return false;
    }
    let was = false;
    for (const kept of this.#index.of(call.agent, call.capability, behindOf(call))) {
      if (kept.permit?.nonce === call.nonce) {
        was = true;
        kept.permit.end = end; // told when no other change is on its way
        this.#finish(kept, end);
      }
    }
    return was;
  }

  #finish(kept: Kept, end: ProbeEnd): void {
    const rules = this.#world.rulesOf(kept.capability) ?? NO_RULES;
    const by = this.#keeper.by();
    const done = this.#keeper.change(kept, (record) =>
      end === 'nothing' ? giveBack(record, by) : probed(record, end.well, end.prober, rules, by),
    );
    if (done && kept.kind === 'any' && end !== 'nothing' && end.well) {
      for (const other of this.#index.beside(kept)) {
        this.#keeper.change(other, (record) => relent(record, rules, by));
      }
    }
  }

  #open(call: Taken, { kind, why }: Opening, rules: BreakerRules): void {
    const { agent, capability } = call;
    const about = { agent, capability, kind, name: kind === 'any' ? '' : behindOf(call)[kind] };
    const key = breakerKey(about);
    const known = this.#index.get(key);
    const age = known === undefined ? 0 : this.#keeper.age(known);
    const record = trip(known?.record, age, rules, why, this.#keeper.by());
    if (record === undefined || this.#index.size >= limits.breakers) {
      return;
    }
    this.#ends.clear(call, kind, about.name);
    if (known === undefined) {
      this.#keeper.open(about, key, record);
    } else {
      this.#keeper.change(known, () => record);
    }
  }

  #grows(call: Taken): boolean {
    return this.#index
      .of(call.agent, call.capability, behindOf(call))
      .some((kept) => kept.record.state === 'closed' && shareOf(kept.record, this.#keeper.age(kept)) < 1);
  }
}

/** The policy wants no breakers there any more: what is open closes with the next call that is well. */
const NO_RULES = { open: limits.breakerAgainMs, openMax: limits.breakerAgainMs, ramp: 0 };

function behindOf({ from, root }: Taken): Behind {
  return { from, principal: principalOf(root) };
}
