/**
 * The budgets of a policy as a plan. What it says of a name is worked out once and remembered, so that a call costs
 * a look-up.
 */
import { matches } from '../../wire/names.js';
import { memo } from './memo.js';
import { counted, excess, narrower, portion, within, type Amounts, type Unit, UNITS } from './amounts.js';
import { chargeOf } from './charge.js';
import type {
  BudgetFacts,
  BudgetNode,
  BudgetPlan,
  ChargeFacts,
  Charged,
  Envelope,
  KnownBy,
  SetLimits,
  StandingBudget,
  Thresholds,
} from './plan.js';
import type { UnitPrices } from './price.js';
import type { Prices } from './prices.js';
import { fitsName, type Teams } from './teams.js';
import { Calendar, type Window } from './windows.js';
import type { BudgetOn } from '../config/budget-shape.js';

/** A budget, compiled. */
export interface Budget {
  readonly on: BudgetOn;
  readonly who: readonly string[];
  readonly window: Window | 'call';
  readonly limit: Amounts;
  readonly thresholds: Thresholds;
}

/** What calls of a pattern reserve. */
export interface Reserve {
  readonly pattern: string;
  readonly amounts: Amounts;
}

/** Nodes without their windows, and until when those that were made of them count. */
interface Nodes {
  readonly standing: readonly Standing[];
  nodes: readonly BudgetNode[];
  fromMs: number;
  untilMs: number;
  version: number;
}

interface Standing {
  readonly standing: string;
  readonly budget: Budget;
}

const NO_LIMITS: SetLimits = { version: 0, get: () => undefined };
const WINDOWS: readonly (Window | 'call')[] = ['call', 'hour', 'day', 'month'];
const TREE: Thresholds = { halt: 100 };

/** See `BudgetPlan`. */
export class BudgetBook implements BudgetPlan {
  readonly holds: boolean;
  readonly #budgets: readonly Budget[];
  readonly #otherwise: Budget;
  readonly #reserve: readonly Reserve[];
  readonly #teams: Teams;
  readonly prices: Prices;
  readonly #calendar = new Calendar();
  readonly #nodes = new Map<string, Nodes>();
  readonly #priced = new Map<string, UnitPrices | undefined>();
  readonly #reserves = new Map<string, Amounts>();
  readonly #standing = new Map<string, Budget | undefined>();

  constructor(
    budgets: readonly Budget[],
    otherwise: Budget,
    reserve: readonly Reserve[],
    teams: Teams,
    prices: Prices,
  ) {
    this.holds = [...budgets, otherwise].some(({ thresholds }) => thresholds.hold !== undefined);
    this.#budgets = budgets;
    this.#otherwise = otherwise;
    this.#reserve = reserve;
    this.#teams = teams;
    this.prices = prices;
  }

  reserveOf(facts: BudgetFacts, set: SetLimits = NO_LIMITS): Amounts {
    const { capability, costMicros, root, principal } = facts;
    let amounts = memo(this.#reserves, `${costMicros} ${capability}`, () =>
      this.#reserveFor(capability, costMicros),
    );
    for (const { standing, budget } of this.#standingOf(facts).standing) {
      if (budget.window === 'call') {
        amounts = within(amounts, set.get(standing) ?? budget.limit);
      }
    }
    const tree = root ? this.#rootLimit(principal, set) : undefined;
    return tree === undefined ? amounts : within(amounts, tree);
  }

  nodesOf(facts: BudgetFacts, nowMs: number, set: SetLimits = NO_LIMITS): readonly BudgetNode[] {
    const of = this.#standingOf(facts);
    if (nowMs >= of.untilMs || nowMs < of.fromMs || of.version !== set.version) {
      this.#renew(of, nowMs, set);
    }
    const { envelopes } = facts;
    return envelopes === undefined || envelopes.length === 0
      ? of.nodes
      : [...of.nodes, ...envelopes.map((one) => this.#treeNode(one, facts.principal))];
  }

  envelopeOf(facts: BudgetFacts, reserve: Amounts, set: SetLimits = NO_LIMITS): Envelope | undefined {
    const { from, call, allowed, root, principal, expiresMs } = facts;
    const tree = root ? this.#rootLimit(principal, set) : undefined;
    const limit = tree === undefined ? allowed : narrower(tree, allowed);
    return limit === undefined
      ? undefined
      : {
          key: `tree.${from}.${call}`,
          limit: excess(limit, counted(reserve, limit)),
          endsMs: expiresMs,
        };
  }

  chargeOf(
    facts: ChargeFacts,
    usage: Readonly<Record<string, number>> | undefined,
    workMs: number | undefined,
    known: KnownBy,
  ): Charged {
    return chargeOf(facts, usage, workMs, known, this.#pricesOf(facts.model));
  }

  budgetOf(standing: string): StandingBudget | undefined {
    const [on = '', ...rest] = standing.split('.');
    const window = rest.pop();
    return this.#find(on as BudgetOn, rest.join('.'), window as Window | 'call');
  }

  standing(): string[] {
    return this.#budgets.flatMap(({ on, who, window }) =>
      who.filter((name) => !/[*>]/.test(name)).map((name) => `${on}.${name}.${window}`),
    );
  }

  /** The first row that fits the model. */
  #pricesOf(model: string | undefined): UnitPrices | undefined {
    return model === undefined
      ? undefined
      : memo(this.#priced, model, () => this.prices.find(([pattern]) => fitsName(pattern, model))?.[1]);
  }

  #rootLimit(principal: string, set: SetLimits): Amounts | undefined {
    const budget = this.#find('root', principal, 'call');
    return budget && (set.get(`root.${principal}.call`) ?? budget.limit);
  }

  #treeNode({ key, limit, endsMs }: Envelope, principal: string): BudgetNode {
    const thresholds = this.#find('root', principal, 'call')?.thresholds ?? TREE;
    return { key, standing: key, limit: portion(limit, thresholds.halt), full: limit, endsMs, thresholds };
  }

  /** Unit by unit: the first pattern, then the price on the card, then what > says. */
  #reserveFor(capability: string, costMicros: number): Amounts {
    const named = (unit: Unit, all: boolean): number | undefined =>
      this.#reserve.find(
        ({ pattern, amounts }) =>
          (pattern === '>') === all && amounts[unit] !== undefined && matches(pattern, capability),
      )?.amounts[unit];
    const card = (unit: Unit): number | undefined =>
      unit === 'micros' && costMicros > 0 ? costMicros : undefined;
    const entries = UNITS.flatMap((unit) => {
      const amount = named(unit, false) ?? card(unit) ?? named(unit, true);
      return amount === undefined ? [] : [[unit, amount] as const];
    });
    return Object.fromEntries(entries);
  }

  #standingOf({ agent, principal, capability }: BudgetFacts): Nodes {
    return memo(this.#nodes, `${agent} ${principal} ${capability}`, () => ({
      standing: [
        ...this.#all('agent', agent),
        ...this.#ofPrincipal(principal),
        ...this.#teams.of(principal).flatMap((team) => this.#all('team', team)),
        ...this.#all('capability', capability),
      ],
      nodes: [],
      fromMs: 0,
      untilMs: 0,
      version: 0,
    }));
  }

  /** A principal without a budget of its own has the default one: there is none without. */
  #ofPrincipal(principal: string): Standing[] {
    const own = this.#all('principal', principal);
    const ledger = own.some(({ budget }) => budget.window !== 'call');
    return ledger ? own : [...own, standingOf('principal', principal, this.#otherwise)];
  }

  #all(on: BudgetOn, name: string): Standing[] {
    return WINDOWS.flatMap((window) => {
      const budget = this.#first(on, name, window);
      return budget === undefined ? [] : [standingOf(on, name, budget)];
    });
  }

  #first(on: BudgetOn, name: string, window: Window | 'call'): Budget | undefined {
    return this.#budgets.find((one) => one.on === on && one.window === window && fitsWho(one, name));
  }

  #find(on: BudgetOn, name: string, window: Window | 'call'): Budget | undefined {
    return memo(this.#standing, `${on} ${name} ${window}`, () => {
      const otherwise = on === 'principal' && window === this.#otherwise.window ? this.#otherwise : undefined;
      const own = this.#first(on, name, window);
      return own ?? (otherwise && this.#ofPrincipal(name).find(({ budget }) => budget === otherwise)?.budget);
    });
  }

  #renew(of: Nodes, nowMs: number, set: SetLimits): void {
    let [fromMs, untilMs] = [-Infinity, Infinity];
    of.nodes = of.standing.flatMap(({ standing, budget }): BudgetNode[] => {
      if (budget.window === 'call') {
        return [];
      }
      const span = this.#calendar.spanAt(budget.window, nowMs);
      fromMs = Math.max(fromMs, Math.min(nowMs, span.fromMs));
      untilMs = Math.min(untilMs, span.endsMs);
      const full = set.get(standing) ?? budget.limit;
      const limit = portion(full, budget.thresholds.halt);
      const key = `${standing}.${span.start}`;
      return [{ key, standing, limit, full, endsMs: span.endsMs, thresholds: budget.thresholds }];
    });
    of.fromMs = fromMs;
    of.untilMs = untilMs;
    of.version = set.version;
  }
}

function standingOf(on: BudgetOn, name: string, budget: Budget): Standing {
  return { standing: `${on}.${name}.${budget.window}`, budget };
}

function fitsWho({ on, who }: Budget, name: string): boolean {
  return who.some((pattern) =>
    pattern === '*' ? true : on === 'capability' ? matches(pattern, name) : fitsName(pattern, name),
  );
}
