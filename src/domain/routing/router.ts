/**
 * Routing: which free instance gets the call. Candidates are listed and ranked when registry or roster change and a
 * few times a second, so that a choice costs the same for ten and for a thousand agents. The same inputs and the same
 * seed give the same choices.
 */
import { limits } from '../../wire/limits.js';
import type { Token } from '../../wire/names.js';
import type { Entry, Registry } from '../registry.js';
import type { Instance, Roster } from '../roster.js';
import type { Stats } from '../stats.js';
import { candidatesOf } from './candidates.js';
import { routedOf, type Chosen } from './chosen.js';
import { inTurn, lessLoaded, takes, type Asked, type Turns } from './plain.js';
import { pickAgent, pickFrom, type Picking } from './pick.js';
import { rank } from './ranking.js';
import { isPlain, routeOf, type Objective, type Route } from './route.js';
import { wishedRoute, type Wish } from './wish.js';

/** What a call is, as far as its choice is concerned. */
export interface RouteFor {
  /** Taken only when nobody else is free. */
  readonly avoid?: Instance | undefined;
  /** Only those for whom it is true. */
  readonly suits?: Suits | undefined;
  /** Only this agent. */
  readonly agent?: Token | undefined;
  readonly wish?: Wish | undefined;
  /** The labels of the call: one may say where its caller is. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** What a router looks at beside registry and roster. */
export interface RouterOptions {
  /** What was learned of agents; without it all are equal. */
  readonly stats?: Stats;
  /** Where rounds begin: two gateways with different seeds do not all begin with the same agent. */
  readonly seed?: number;
}

/** Says who may get it. */
export type Suits = (instance: Instance) => boolean;

interface Listed {
  readonly turns: Turns;
  readonly registryVersion: number;
  readonly rosterVersion: number;
}

interface Variant extends Picking {
  /** What the policy says, and what came of it with the wish of the call. */
  readonly source: Route;
  readonly route: Route;
  readonly registryVersion: number;
  readonly rosterVersion: number;
  readonly rankedMs: number;
  next: number;
}

/** Chooses instances. */
export class Router {
  /** Does a breaker keep calls of the capability from the agent? Then it gets none. Undefined: there are no breakers. */
  isOpen: ((agent: string, capability: string) => boolean) | undefined;
  readonly #registry: Registry;
  readonly #roster: Roster;
  readonly #stats: Stats | undefined;
  readonly #seed: number;
  readonly #routeFor: (capability: string) => Route | Objective;
  readonly #plain = new Map<Objective, Route>();
  readonly #lists = new WeakMap<Entry, Listed>();
  readonly #variants = new WeakMap<Entry, Map<string, Variant>>();

  constructor(
    registry: Registry,
    roster: Roster,
    routeFor: (capability: string) => Route | Objective,
    { stats, seed = 0 }: RouterOptions = {},
  ) {
    this.#registry = registry;
    this.#roster = roster;
    this.#routeFor = routeFor;
    this.#stats = stats;
    this.#seed = seed;
  }

  /** A free instance, or undefined when all are busy or gone. As `route`, without the reasons. */
  choose(entry: Entry, nowMs: number, avoid?: Instance, suits?: Suits): Instance | undefined {
    return this.route(entry, nowMs, { avoid, suits })?.instance;
  }

  /** A free instance and why it is this one; undefined when all are busy or gone. */
  route(entry: Entry, nowMs: number, how: RouteFor = {}): Chosen | undefined {
    const { avoid, suits, agent, wish } = how;
    const route = this.#routeOf(entry.name);
    const asked: Asked = { capability: entry.name, nowMs, suits: this.#allowed(entry.name, suits), avoid };
    if (wish === undefined && isPlain(route)) {
      const { turns } = this.#listed(entry);
      return plainChoice(route, agent === undefined ? turns : this.#turnsOf(entry, agent, turns), asked);
    }
    return this.#ranked(entry, route, asked, how);
  }

  /** How many more tasks of the entry its instances would take now; counted up to `most`. */
  free(entry: Entry, nowMs: number, most: number): number {
    const asked: Asked = { capability: entry.name, nowMs, suits: undefined, avoid: undefined };
    let free = 0;
    for (const one of this.#listed(entry).turns.instances) {
      free += takes(one, asked) ? one.concurrency - one.inFlight : 0;
      if (free >= most) {
        return most;
      }
    }
    return free;
  }

  /** The live instances that offer the entry, free or not. */
  instances(entry: Entry): readonly Instance[] {
    return this.#listed(entry).turns.instances;
  }

  /** How many live instances offer the entry, free or not. */
  count(entry: Entry): number {
    return this.#listed(entry).turns.instances.length;
  }

  #routeOf(capability: string): Route {
    const route = this.#routeFor(capability);
    if (typeof route !== 'string') {
      return route;
    }
    const plain = this.#plain.get(route) ?? routeOf(route);
    this.#plain.set(route, plain);
    return plain;
  }

  #allowed(capability: string, suits: Suits | undefined): Suits | undefined {
    const { isOpen } = this;
    return isOpen === undefined
      ? suits
      : (one) => !isOpen(one.agent, capability) && (suits === undefined || suits(one));
  }

  #listed(entry: Entry): Listed {
    const known = this.#lists.get(entry);
    const { version: registryVersion } = this.#registry;
    const { version: rosterVersion } = this.#roster;
    if (known?.registryVersion === registryVersion && known.rosterVersion === rosterVersion) {
      return known;
    }
    const instances = [...entry.offers.keys()].flatMap((agent) => this.#roster.of(agent));
    const next = known?.turns.next ?? this.#seed;
    const listed = { turns: { instances, next }, registryVersion, rosterVersion };
    this.#lists.set(entry, listed);
    return listed;
  }

  /** The instances of one agent, if it offers the entry. */
  #turnsOf(entry: Entry, agent: Token, all: Turns): Turns {
    all.next++;
    return { instances: entry.offers.has(agent) ? this.#roster.of(agent) : [], next: all.next };
  }

  #ranked(entry: Entry, route: Route, asked: Asked, { wish, labels, agent }: RouteFor): Chosen | undefined {
    const place = (wish?.by ?? route.by) === 'nearest' ? labels?.[route.near] : undefined;
    const variant = this.#variant(entry, route, asked.nowMs, wish, place);
    const picked =
      agent === undefined ? pickFrom(variant, asked) : pickAgent(variant, agent, variant.next, asked);
    const at = picked === undefined ? undefined : variant.ranking.ranked.get(picked.instance.agent);
    if (picked === undefined || at === undefined) {
      return undefined;
    }
    variant.next++;
    const { instance, why } = picked;
    return { instance, routed: routedOf(variant, at, why, asked, wish, place) };
  }

  #variant(
    entry: Entry,
    route: Route,
    nowMs: number,
    wish: Wish | undefined,
    place: string | undefined,
  ): Variant {
    let variants = this.#variants.get(entry);
    if (variants === undefined) {
      variants = new Map();
      this.#variants.set(entry, variants);
    }
    const key = wish === undefined && place === undefined ? '' : `${wish?.key ?? ''}|${place ?? ''}`;
    let variant = variants.get(key);
    const { version: registryVersion } = this.#registry;
    const { version: rosterVersion } = this.#roster;
    const age = nowMs - (variant?.rankedMs ?? 0);
    if (
      variant?.source === route &&
      variant.registryVersion === registryVersion &&
      variant.rosterVersion === rosterVersion &&
      age >= 0 &&
      age < limits.routeRankMs
    ) {
      return variant;
    }
    const wished = wish === undefined ? route : wishedRoute(route, wish);
    const list = candidatesOf(entry, this.#roster, this.#stats, wished.where);
    const next = variant?.next ?? this.#seed;
    const ranking = rank(list, { route: wished, difficulty: wish?.difficulty, place }, nowMs, next);
    const credit = variant?.credit ?? 1;
    variant = {
      by: wished.by,
      source: route,
      route: wished,
      ranking,
      registryVersion,
      rosterVersion,
      rankedMs: nowMs,
      credit,
      next,
    };
    keep(variants, key, variant);
    return variant;
  }
}

/** The one that was made first makes room. */
function keep(variants: Map<string, Variant>, key: string, variant: Variant): void {
  if (variants.size >= limits.routeVariants && !variants.has(key)) {
    for (const [oldest] of variants) {
      variants.delete(oldest);
      break;
    }
  }
  variants.set(key, variant);
}

function plainChoice({ by }: Route, turns: Turns, asked: Asked): Chosen | undefined {
  const { avoid } = asked;
  const instance =
    (by === 'least-loaded' ? lessLoaded(turns, asked) : inTurn(turns, asked)) ??
    (avoid !== undefined && turns.instances.includes(avoid) && takes(avoid, asked) ? avoid : undefined);
  return instance && { instance, routed: undefined };
}
