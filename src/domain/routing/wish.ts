/**
 * What one call wishes of its route: the headers Mesh-Route (`fastest`, `cheapest, gpu=true`, `region=eu`) and
 * Mesh-Difficulty. A wish narrows and turns what the policy says; floors and attributes of the policy stay.
 */
import { meshError, type MeshError } from '../../wire/errors.js';
import { header } from '../../wire/headers.js';
import { limits } from '../../wire/limits.js';
import { nearNames } from '../near.js';
import {
  DIFFICULTIES,
  OBJECTIVES,
  selectorOf,
  type Askable,
  type Difficulty,
  type Objective,
  type Route,
  type Selector,
} from './route.js';

/** A wish that can be read. */
export interface Wish {
  readonly by: Objective | undefined;
  readonly where: readonly Selector[];
  readonly difficulty: Difficulty | undefined;
  /** The header Mesh-Route as it came. */
  readonly asked: string | undefined;
  /** The same for all calls with the same wish. */
  readonly key: string;
}

/** `name=value` of an attribute. */
export const SELECTOR = /^[A-Za-z0-9_.-]{1,64}=[\x21-\x2b\x2d-\x3c\x3e-\x7e]{1,128}$/;

/** Read the headers; undefined where the call has none. Throws header_invalid. */
export function readWish(asked: string | undefined, difficulty: string | undefined): Wish | undefined {
  if (asked === undefined && difficulty === undefined) {
    return undefined;
  }
  if (difficulty !== undefined && !isDifficulty(difficulty)) {
    throw wrong(header.difficulty, `it is none of ${DIFFICULTIES.join(', ')}`);
  }
  const items = asked === undefined ? [] : itemsOf(asked);
  const words = items.filter((item) => !item.includes('='));
  const where = items.filter((item) => item.includes('=')).map(selectorOf);
  const [by] = words;
  if (words.length > 1) {
    throw wrong(header.route, `it has ${words.length} words to choose by: say one`);
  }
  if (by !== undefined && !isObjective(by)) {
    const near = nearNames(by, OBJECTIVES)[0];
    const hint = near === undefined ? `known are ${OBJECTIVES.join(', ')}` : `did you mean ${near}?`;
    throw wrong(header.route, `nothing is chosen by ${JSON.stringify(by.slice(0, 64))}; ${hint}`);
  }
  if (new Set(where.map(([name]) => name)).size < where.length) {
    throw wrong(header.route, 'it names an attribute twice');
  }
  return { by, where, difficulty, asked, key: `${items.join(',')}|${difficulty ?? ''}` };
}

function itemsOf(asked: string): string[] {
  if (asked.length > limits.routeChars) {
    throw wrong(header.route, `it is longer than ${limits.routeChars} characters`);
  }
  const items = asked.split(',').map((item) => item.trim());
  if (items.length > limits.routeSelectors + 1) {
    throw wrong(header.route, `it names more than ${limits.routeSelectors} attributes`);
  }
  const bad = items.find((item) => !/^[a-z-]{1,32}$/.test(item) && !SELECTOR.test(item));
  if (bad !== undefined) {
    const why = 'is neither a word to choose by nor attribute=value';
    throw wrong(header.route, `${JSON.stringify(bad.slice(0, 64))} ${why}; commas stand between them`);
  }
  return items;
}

function wrong(name: string, why: string): MeshError {
  return meshError('header_invalid', { name, why });
}

function isObjective(text: string): text is Objective {
  return (OBJECTIVES as readonly string[]).includes(text);
}

function isDifficulty(text: string): text is Difficulty {
  return (DIFFICULTIES as readonly string[]).includes(text);
}

/** The route of a call with this wish. */
export function wishedRoute(route: Route, wish: Wish): Route {
  return { ...route, by: wish.by ?? route.by, where: [...route.where, ...wish.where] };
}

/** Throws route_denied for a wish that the policy does not let calls have. */
export function refuseWish(route: Route, wish: Wish, capability: string): void {
  const asks: readonly Askable[] = [
    ...(wish.by === undefined ? [] : [wish.by]),
    ...(wish.where.length === 0 ? [] : ['attributes' as const]),
    ...(wish.difficulty === undefined ? [] : ['difficulty' as const]),
  ];
  const { calls } = route;
  const denied = calls === undefined ? undefined : asks.find((one) => !calls.has(one));
  if (denied !== undefined) {
    const allowed = [...(calls ?? [])].join(', ');
    throw meshError('route_denied', {
      capability,
      asked: denied,
      allowed: allowed === '' ? 'nothing' : allowed,
    });
  }
  if (wish.by === 'preferred' && route.prefer.length === 0) {
    const allowed = 'what needs no list of agents';
    throw meshError('route_denied', { capability, asked: 'preferred', allowed });
  }
}
