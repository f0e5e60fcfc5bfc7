/**
 * A route: how the calls of a capability choose among its agents. Read from the policy, and narrowed or turned by what
 * a call wishes, as far as the policy lets it.
 */

/** What a choice is made by. */
export const OBJECTIVES = [
  'least-loaded',
  'round-robin',
  'fastest',
  'cheapest',
  'best',
  'nearest',
  'preferred',
  'weighted',
] as const;

/** What a choice is made by. */
export type Objective = (typeof OBJECTIVES)[number];

/** How hard a call is, as its caller says. */
export const DIFFICULTIES = ['easy', 'normal', 'hard'] as const;

/** How hard a call is. */
export type Difficulty = (typeof DIFFICULTIES)[number];

/** What a call may ask for with its own headers: an objective, attributes, or a difficulty. */
export const ASKABLE = [...OBJECTIVES, 'attributes', 'difficulty'] as const;

/** What a call may ask for. */
export type Askable = (typeof ASKABLE)[number];

/** How much each counts, against each other. */
export interface Weights {
  readonly latency?: number;
  readonly cost?: number;
  readonly success?: number;
}

/** A route as the policy says it. Everything may be left out. */
export interface RouteSource {
  readonly by?: Objective;
  readonly weights?: Weights;
  /** Floors of measured success, the best tier first. */
  readonly success?: readonly number[];
  /** Whoever is below it gets nothing but a try now and then. */
  readonly never?: number;
  readonly prefer?: readonly string[];
  /** The attribute of cards, and label of calls, that says where somebody is. */
  readonly near?: string;
  /** Attributes that an agent must have, as `name=value`. */
  readonly where?: readonly string[];
  /** What calls may ask for; missing: everything. */
  readonly calls?: readonly Askable[];
}

/** What a policy says of one pattern: only what it chooses by, or all of it. */
export type RouteData = Objective | RouteSource;

/** An attribute that an agent must have. */
export type Selector = readonly [name: string, value: string];

/** A route that choices are made by; immutable. */
export interface Route {
  readonly by: Objective;
  readonly weights: Required<Weights>;
  readonly tiers: readonly number[];
  readonly never: number;
  readonly prefer: readonly string[];
  readonly near: string;
  readonly where: readonly Selector[];
  readonly calls: ReadonlySet<Askable> | undefined;
}

/** What counts in a weighted choice that does not say. */
const EVEN: Required<Weights> = { latency: 1, cost: 1, success: 1 };

/** Compile what the policy says. */
export function routeOf(data: RouteData): Route {
  const source: RouteSource = typeof data === 'string' ? { by: data } : data;
  const { weights, success = [], never = 0, prefer = [], near = 'region', where = [], calls } = source;
  return {
    by: source.by ?? 'least-loaded',
    weights:
      weights === undefined || Object.keys(weights).length === 0
        ? EVEN
        : { latency: 0, cost: 0, success: 0, ...weights },
    tiers: success,
    never,
    prefer,
    near,
    where: where.map(selectorOf),
    calls: calls === undefined ? undefined : new Set(calls),
  };
}

/** Is it one of those that look at nothing but who is free? */
export function isPlain({ by, tiers, never, where }: Route): boolean {
  return (
    (by === 'least-loaded' || by === 'round-robin') && tiers.length === 0 && never === 0 && where.length === 0
  );
}

/** `name=value`, checked before. */
export function selectorOf(text: string): Selector {
  const cut = text.indexOf('=');
  return [text.slice(0, cut).trim(), text.slice(cut + 1).trim()];
}

/** Floors, weights and lists that cannot be meant: each with the key it stands under. */
export function contradictions(data: RouteData): readonly { readonly key: string; readonly why: string }[] {
  if (typeof data === 'string') {
    return data === 'preferred'
      ? [{ key: '', why: 'preferred needs to know whom: { by: preferred, prefer: [agent, …] }' }]
      : [];
  }
  const { by, success = [], never = 0, prefer = [], where = [] } = data;
  const lowest = success.at(-1);
  const found = [...wrongWeights(data)];
  const say = (key: string, why: string): void => void found.push({ key, why });
  success.forEach((floor, i) => {
    const above = success[i - 1];
    if (above !== undefined && floor >= above) {
      say(`success[${i}]`, `${floor} is not below ${above}: the tier above it leaves nobody for this one`);
    }
  });
  if (lowest !== undefined && never > lowest) {
    say('never', `${never} is above the lowest tier, ${lowest}: nobody in that tier would ever count`);
  }
  if (by === 'preferred' && prefer.length === 0) {
    say('by', 'preferred needs prefer: the agents, in their order');
  }
  if (new Set(prefer).size < prefer.length) {
    say('prefer', 'an agent stands twice');
  }
  const names = where.map((one) => selectorOf(one)[0]);
  if (new Set(names).size < names.length) {
    say('where', 'an attribute stands twice: no agent has two values of one');
  }
  return found;
}

function wrongWeights({ by, weights, calls }: RouteSource): { key: string; why: string }[] {
  if (weights === undefined || Object.keys(weights).length === 0) {
    return [];
  }
  const counts = by === 'weighted' || calls === undefined || calls.includes('weighted');
  const { latency = 0, cost = 0, success = 0 } = weights;
  return [
    ...(latency + cost + success > 0 ? [] : [{ key: 'weights', why: 'at least one must be above 0' }]),
    ...(counts
      ? []
      : [{ key: 'weights', why: 'they count with by: weighted only, and calls may not ask for it' }]),
  ];
}
