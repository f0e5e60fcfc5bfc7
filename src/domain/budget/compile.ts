/**
 * Compiling the budgets of a policy when it is loaded. What is wrong is said with its place in the file.
 */
import { limits } from '../../wire/limits.js';
import { isPattern } from '../../wire/names.js';
import type { BudgetOn, budgetsShape } from '../config/budget-shape.js';
import type { ValueOf } from '../config/shape.js';
import type { Report } from '../rules/compile.js';
import { covers } from '../rules/covers.js';
import { UNITS, type Amounts, type Unit } from './amounts.js';
import { BudgetBook, type Budget, type Reserve } from './book.js';
import type { BudgetPlan, Thresholds } from './plan.js';
import { compilePrices, type PriceSource } from './prices.js';
import { checkTeams, coversName, Teams, type Members } from './teams.js';
import { thresholdTrouble } from './thresholds.js';
import { readAmount } from './written.js';

/** `budgets` as it is written. */
export type BudgetSource = ValueOf<ReturnType<typeof budgetsShape>>;

type LimitSource = NonNullable<BudgetSource['limits']>[number];
type AmountSource = Readonly<Partial<Record<Unit, string>>>;

const NAME = /^(?:[a-z0-9_-]{1,64}|[a-z0-9_-]{0,63}\*)$/;

/**
 * The plan; undefined when the policy names no budgets. Where something is reported there is no policy, so what comes
 * back then is not used.
 */
export function compileBudgets(
  source: BudgetSource | undefined,
  priceSource: PriceSource | undefined,
  members: Members,
  report: Report,
): BudgetPlan | undefined {
  const prices = compilePrices(priceSource ?? {}, report);
  if (source === undefined) {
    return undefined;
  }
  const { teams = {} } = source;
  if (Object.keys(teams).length > limits.budgetTeams) {
    report('budgets.teams', `there are more than ${limits.budgetTeams} teams`);
    return undefined;
  }
  checkTeams(teams, members, report);
  const budgets = compileLimits(source, members, report);
  const otherwise = compileDefault(source, members, report);
  const reserve = compileReserve(source.reserve ?? {}, report);
  checkReserved(reserve, [...budgets, otherwise], report);
  return new BudgetBook(budgets, otherwise, reserve, new Teams(teams, members.rolesOf), prices);
}

function compileLimits(source: BudgetSource, members: Members, report: Report): Budget[] {
  const { limits: list = [], teams = {} } = source;
  if (list.length > limits.budgets) {
    report('budgets.limits', `there are ${list.length} budgets, allowed are ${limits.budgets}`);
    return [];
  }
  const budgets: Budget[] = [];
  for (const [i, one] of list.entries()) {
    const at = `budgets.limits[${i}]`;
    const { on } = one;
    if (on === undefined) {
      continue; // its shape was reported
    }
    checkWho(one, on, at, new Set(Object.keys(teams)), report);
    const window = on === 'root' ? 'call' : one.window;
    if (window === undefined) {
      report(`${at}.window`, 'it is missing: say call, hour, day or month');
      continue;
    }
    if (on === 'root' && one.window !== undefined && one.window !== 'call') {
      report(`${at}.window`, 'the window of root is its tree: leave it out');
    }
    const budget: Budget = {
      on,
      who: one.who ?? ['*'],
      window,
      limit: amountsAt(one.limit, `${at}.limit`, report),
      thresholds: thresholdsAt(one, { on, window }, at, members, report),
    };
    const other = budgets.findIndex((earlier) => hides(earlier, budget));
    if (other >= 0) {
      report(`${at}.who`, `limits[${other}] fits all that it names, and the first that fits counts`);
    }
    budgets.push(budget);
  }
  return budgets;
}

function compileDefault({ default: source }: BudgetSource, members: Members, report: Report): Budget {
  const at = 'budgets.default';
  const window = source?.window ?? 'day';
  return {
    on: 'principal',
    who: ['*'],
    window,
    limit: amountsAt(source?.limit, `${at}.limit`, report),
    thresholds: thresholdsAt(source ?? {}, { on: 'principal', window }, at, members, report),
  };
}

/** Names or patterns, as `on` says. */
function checkWho(
  { who }: LimitSource,
  on: BudgetOn,
  at: string,
  teams: ReadonlySet<string>,
  report: Report,
): void {
  if (who?.length === 0) {
    report(`${at}.who`, 'name somebody, or leave it out for all');
  }
  who?.forEach((name, i) => {
    const place = `${at}.who[${i}]`;
    if (on === 'capability') {
      if (!isPattern(name)) {
        report(place, `${name} is no capability pattern`);
      }
    } else if (!NAME.test(name)) {
      report(place, `${name} is no name, and no beginning of one with a * behind it`);
    } else if (on === 'team' && ![...teams].some((team) => coversName(name, team))) {
      report(place, `there is no team ${name}`);
    }
  });
}

/** Does the earlier one take all that the later one names? */
function hides(earlier: Budget, later: Budget): boolean {
  const covering = (outer: string, inner: string): boolean =>
    outer === '*' || (later.on === 'capability' ? covers(outer, inner) : coversName(outer, inner));
  return (
    earlier.on === later.on &&
    earlier.window === later.window &&
    later.who.every((inner) => earlier.who.some((outer) => covering(outer, inner)))
  );
}

function thresholdsAt(
  { warn, hold, halt = 100, approvers, ...more }: Omit<LimitSource, 'on' | 'window'>,
  of: Pick<Budget, 'on' | 'window'>,
  at: string,
  { known }: Members,
  report: Report,
): Thresholds {
  const { quarantine } = more;
  const thresholds: Thresholds = {
    halt,
    ...(warn === undefined ? {} : { warn }),
    ...(hold === undefined ? {} : { hold }),
    ...(quarantine === undefined ? {} : { quarantine }),
    ...(approvers === undefined ? {} : { approvers }),
  };
  const trouble = thresholdTrouble(thresholds, of, known);
  if (trouble !== undefined) {
    report(`${at}.${trouble.where}`, trouble.why);
  }
  return thresholds;
}

function compileReserve(source: Readonly<Record<string, AmountSource>>, report: Report): Reserve[] {
  return Object.entries(source).map(([pattern, amounts], i) => {
    const at = `budgets.reserve.${pattern}`;
    const earlier = Object.entries(source).slice(0, i);
    const hidden = Object.keys(amounts).every((unit) =>
      earlier.some(([other, one]) => Object.hasOwn(one, unit) && covers(other, pattern)),
    );
    if (hidden && i > 0 && Object.keys(amounts).length > 0) {
      report(at, 'patterns above it fit all that it names, and the first that fits counts');
    }
    return { pattern, amounts: amountsAt(amounts, at, report) };
  });
}

/** A limit in a unit of which calls reserve nothing lets everything pass, until it has been spent. */
function checkReserved(reserve: readonly Reserve[], budgets: readonly Budget[], report: Report): void {
  const all = reserve.find(({ pattern }) => pattern === '>')?.amounts ?? {};
  const missing = UNITS.filter((unit) => all[unit] === undefined && budgets.some((b) => unit in b.limit));
  if (missing.length > 0) {
    const units = missing.join(', ');
    report(
      'budgets.reserve',
      `limits count ${units}: say under > how much of it a call reserves (0 is allowed)`,
    );
  }
}

function amountsAt(source: AmountSource | undefined, at: string, report: Report): Amounts {
  const amounts: { -readonly [U in Unit]?: number } = {};
  for (const unit of UNITS) {
    const text = source?.[unit];
    const amount = text === undefined ? undefined : readAmount(unit, text);
    if (text !== undefined && amount === undefined) {
      report(`${at}.${unit}`, 'it must be at most 2^53−1');
    }
    if (amount !== undefined) {
      amounts[unit] = amount;
    }
  }
  if (source !== undefined && Object.keys(source).length === 0) {
    report(at, `name at least one of ${UNITS.join(', ')}`);
  }
  return amounts;
}
