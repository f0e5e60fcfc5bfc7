/**
 * The shape of `rules:` in a policy file: what a rule may hold, before it is compiled.
 */
import type { RuleMatch, RuleSource } from './types.js';

/** Refuses a place in the file. */
export type RefuseAt = (where: string, why: string) => never;

const KEYS = ['name', 'effect', 'match', 'when', 'reason', 'obligations', 'approvers', 'count', 'expires'];
const LISTS = ['capability', 'from', 'role', 'agent', 'root', 'intent'];
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Check the shape of the rules. Refuses the first thing that does not fit. */
export function readRules(value: unknown, refuse: RefuseAt): RuleSource[] {
  if (!Array.isArray(value)) {
    return refuse('rules', 'it must be a list');
  }
  return value.map((one, i) => readRule(one, `rules[${i}]`, refuse));
}

function readRule(value: unknown, at: string, refuse: RefuseAt): RuleSource {
  const rule = keysOf(value, at, KEYS, refuse);
  const text = (key: string): string | undefined => {
    const one = rule[key];
    return one === undefined || typeof one === 'string' ? one : refuse(`${at}.${key}`, 'it must be a text');
  };
  const name = text('name') ?? refuse(at, 'it has no name');
  const effect = text('effect');
  if (effect !== 'allow' && effect !== 'deny' && effect !== 'hold') {
    return refuse(`${at}.effect`, 'it must be allow, deny or hold');
  }
  const { count } = rule;
  if (count !== undefined && typeof count !== 'number') {
    refuse(`${at}.count`, 'it must be a whole number');
  }
  const parts = {
    match: rule['match'] === undefined ? undefined : readMatch(rule['match'], `${at}.match`, refuse),
    when: text('when'),
    reason: text('reason'),
    obligations:
      rule['obligations'] === undefined ? undefined : texts(rule['obligations'], `${at}.obligations`, refuse),
    approvers:
      rule['approvers'] === undefined ? undefined : strings(rule['approvers'], `${at}.approvers`, refuse),
    count: count as number | undefined,
    expires: rule['expires'] === undefined ? undefined : duration(rule['expires'], `${at}.expires`, refuse),
  };
  return { name, effect, ...present(parts) };
}

function readMatch(value: unknown, at: string, refuse: RefuseAt): RuleMatch {
  const match = keysOf(value, at, [...LISTS, 'labels'], refuse);
  const lists = LISTS.filter((key) => match[key] !== undefined).map((key) => [
    key,
    strings(match[key], `${at}.${key}`, refuse),
  ]);
  const labels =
    match['labels'] === undefined ? {} : { labels: texts(match['labels'], `${at}.labels`, refuse) };
  return { ...(Object.fromEntries(lists) as RuleMatch), ...labels };
}

function keysOf(
  value: unknown,
  at: string,
  known: readonly string[],
  refuse: RefuseAt,
): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuse(at, 'it must be a map');
  }
  const unknown = Object.keys(value).find((key) => !known.includes(key));
  return unknown === undefined
    ? (value as Record<string, unknown>)
    : refuse(`${at}.${unknown}`, `there is no such key (known: ${known.join(', ')})`);
}

function strings(value: unknown, at: string, refuse: RefuseAt): string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
    ? value
    : refuse(at, 'it must be a list of texts');
}

function texts(value: unknown, at: string, refuse: RefuseAt): Record<string, string> {
  const map = typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  return map !== undefined && Object.values(map).every((one) => typeof one === 'string')
    ? (map as Record<string, string>)
    : refuse(at, 'it must be a map of texts');
}

function duration(value: unknown, at: string, refuse: RefuseAt): number {
  const parts = typeof value === 'string' ? /^(\d{1,9})(ms|s|m|h)$/.exec(value) : null;
  const unit = UNITS[parts?.[2] ?? ''];
  return typeof value === 'number'
    ? value
    : unit === undefined
      ? refuse(at, 'it must be a whole number of ms, or a duration such as 30s')
      : Number(parts?.[1]) * unit;
}

/** Without what is not there: a key that is undefined would be one that is said. */
function present<T extends object>(parts: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)) as never;
}
