/**
 * Routing: which free instance gets the call. Candidates of an entry are listed once per change of registry or
 * roster, so that a choice costs the same for ten and for a thousand agents.
 */
import type { Entry, Registry } from './registry.js';
import { isFree, type Instance, type Roster } from './roster.js';

/** How to choose. */
export type RoutingPolicy = 'round-robin' | 'least-loaded';

interface Candidates {
  readonly capability: string;
  registryVersion: number;
  rosterVersion: number;
  instances: Instance[];
  next: number;
}

/** Says who may get it. */
type Suits = (instance: Instance) => boolean;
const anybody: Suits = () => true;

/** How many are looked at before the whole list is walked. */
const SAMPLE = 2;

/** Chooses instances. */
export class Router {
  readonly #registry: Registry;
  readonly #roster: Roster;
  readonly #policyFor: (capability: string) => RoutingPolicy;
  readonly #lists = new WeakMap<Entry, Candidates>();

  constructor(registry: Registry, roster: Roster, policyFor: (capability: string) => RoutingPolicy) {
    this.#registry = registry;
    this.#roster = roster;
    this.#policyFor = policyFor;
  }

  /**
   * A free instance, or undefined when all are busy or gone. `avoid` is taken only when nobody else is free; with
   * `suits` only those for whom it is true.
   */
  choose(entry: Entry, nowMs: number, avoid?: Instance, suits?: Suits): Instance | undefined {
    const list = this.#candidates(entry);
    const n = list.instances.length;
    if (n === 0) {
      return undefined;
    }
    const chosen =
      this.#policyFor(entry.name) === 'least-loaded' ? leastLoaded(list, nowMs, avoid, suits) : undefined;
    return chosen ?? roundRobin(list, nowMs, avoid, suits);
  }

  /** How many more tasks of the entry its instances would take now; counted up to `most`. */
  free(entry: Entry, nowMs: number, most: number): number {
    let free = 0;
    for (const one of this.#candidates(entry).instances) {
      free += isFree(one, entry.name, nowMs) ? one.concurrency - one.inFlight : 0;
      if (free >= most) {
        return most;
      }
    }
    return free;
  }

  /** Live instances that offer the entry, free or not. */
  count(entry: Entry): number {
    return this.#candidates(entry).instances.length;
  }

  #candidates(entry: Entry): Candidates {
    const known = this.#lists.get(entry);
    const fresh =
      known?.registryVersion === this.#registry.version && known.rosterVersion === this.#roster.version;
    if (known !== undefined && fresh) {
      return known;
    }
    const list: Candidates = {
      capability: entry.name,
      registryVersion: this.#registry.version,
      rosterVersion: this.#roster.version,
      instances: [...entry.offers.keys()].flatMap((agent) => this.#roster.of(agent)),
      next: known?.next ?? 0,
    };
    this.#lists.set(entry, list);
    return list;
  }
}

function roundRobin(
  list: Candidates,
  nowMs: number,
  avoid?: Instance,
  suits: Suits = anybody,
): Instance | undefined {
  const n = list.instances.length;
  for (let i = 0; i < n; i++) {
    const at = (list.next + i) % n;
    const instance = list.instances[at];
    const wanted = instance !== undefined && instance !== avoid && suits(instance);
    if (wanted && isFree(instance, list.capability, nowMs)) {
      list.next = at + 1;
      return instance;
    }
  }
  const again = avoid !== undefined && list.instances.includes(avoid) && suits(avoid);
  return again && isFree(avoid, list.capability, nowMs) ? avoid : undefined;
}

/** The less loaded of two chosen in turn: nearly as even as looking at all, at a constant cost. */
function leastLoaded(list: Candidates, nowMs: number, avoid?: Instance, suits?: Suits): Instance | undefined {
  let best: Instance | undefined;
  for (let i = 0; i < SAMPLE; i++) {
    const instance = roundRobin(list, nowMs, avoid, suits);
    if (instance !== undefined && (best === undefined || load(instance) < load(best))) {
      best = instance;
    }
  }
  return best;
}

function load(i: Instance): number {
  return i.inFlight / i.concurrency;
}
