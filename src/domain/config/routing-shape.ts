/**
 * What `mesh.policy.yaml` can say under `routing`: how the calls of a capability choose among its agents.
 */
import { limits } from '../../wire/limits.js';
import {
  ASKABLE,
  contradictions,
  OBJECTIVES,
  type Askable,
  type Objective,
  type RouteData,
} from '../routing/route.js';
import { SELECTOR } from '../routing/wish.js';
import type { Choice, Either, Field, Keys, List, Part, Text, Whole } from './shape.js';

const objective: Choice<Objective> = { is: 'choice', of: OBJECTIVES };
const askable: Choice<Askable> = { is: 'choice', of: ASKABLE };
const share: Part = { is: 'part', min: 0, max: 1 };
const weight: Whole = { is: 'whole', min: 0, max: 100 };

const selector: Text = {
  is: 'text',
  expected: 'an attribute and its value, as name=value',
  pattern: SELECTOR,
};

const attribute: Text = {
  is: 'text',
  expected: 'the name of an attribute',
  pattern: /^[a-z0-9_-]{1,64}$/,
};

const weights = {
  is: 'keys',
  fields: {
    latency: field<Whole>(weight, 'Of the time of work.'),
    cost: field<Whole>(weight, 'Of the price of a call.'),
    success: field<Whole>(weight, 'Of measured success.'),
  },
} as const satisfies Keys;

/** A word, or a map. `agent` is the name of an agent. */
export function routeShape(agent: Text) {
  return {
    is: 'either',
    word: objective,
    map: {
      is: 'keys',
      fields: {
        by: field<Choice<Objective>>(objective, 'What is chosen by. Default: least-loaded.'),
        weights: field(weights, 'How much each counts with weighted, 0 to 100. Default: all the same.'),
        success: field<List<Part>>(
          { is: 'list', of: share },
          `Floors of measured success in tiers, the best first, at most ${limits.routeTiers}: whoever is above the first goes first.`,
        ),
        never: field<Part>(
          share,
          'Whoever measures below this gets no calls, but for a try now and then. Default: 0, nobody is below.',
        ),
        prefer: field<List<Text>>(
          { is: 'list', of: agent },
          'Agents in the order in which they are preferred.',
        ),
        near: field<Text>(
          attribute,
          'With nearest: the attribute of cards and the label of calls that say where they are. Default: region.',
        ),
        where: field<List<Text>>(
          { is: 'list', of: selector },
          'Attributes that an agent must have, as name=value.',
        ),
        calls: field<List<Choice<Askable>>>(
          { is: 'list', of: askable },
          'What calls may ask for with Mesh-Route and Mesh-Difficulty. Default: everything.',
        ),
      },
    },
  } as const satisfies Either;
}

/** Routes that cannot be meant: each with its place and why. */
export function routingTroubles(
  routing: Readonly<Record<string, RouteData>>,
): (readonly [where: string, why: string])[] {
  return Object.entries(routing).flatMap(([pattern, route]) => [
    ...contradictions(route).map(({ key, why }): readonly [string, string] => [
      key === '' ? `routing.${pattern}` : `routing.${pattern}.${key}`,
      why,
    ]),
    ...tooMany(route).map(([key, why]): readonly [string, string] => [`routing.${pattern}.${key}`, why]),
  ]);
}

function tooMany(route: RouteData): [string, string][] {
  const { success = [], prefer = [], where = [] } = typeof route === 'string' ? {} : route;
  const lists = [
    ['success', success.length, limits.routeTiers],
    ['prefer', prefer.length, limits.routePreferred],
    ['where', where.length, limits.routeSelectors],
  ] as const;
  return lists.flatMap(([key, there, most]): [string, string][] =>
    there > most ? [[key, `there are ${there}, allowed are ${most}`]] : [],
  );
}

function field<S extends Field['shape']>(shape: S, what: string): Field<S> {
  return { shape, what };
}
