/**
 * Schemas of MCP tools, as the mesh takes them: JSON Schema 2020-12, with checks that cost linear time.
 *
 * Tools write draft-07 (and older habits) for the most part; what has another name in 2020-12 is renamed. A check that
 * the mesh refuses to run for a stranger (a pattern that needs backtracking, `uniqueItems` without a bound) is left
 * out: the tool still makes it itself. Leaving out must never make a schema stricter, so where a keyword turns its
 * inner schema around (`not`, `if`, `oneOf`, …) the keyword goes too.
 */
import { RE2JS } from 're2js';

type Node = Readonly<Record<string, unknown>>;

/** A schema for the card, and the places (JSON pointers) where a check was left to the tool. */
export interface Converted {
  readonly schema: object;
  readonly loosened: readonly string[];
}

const MAX_PATTERN_CHARS = 512;
const MAX_UNIQUE_ITEMS = 256;

const DROPPED = new Set(['$schema', '$id', 'id', '$comment']);
const MAPS = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']);
const LISTS = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems']);
const SINGLE = new Set([
  'items',
  'additionalProperties',
  'propertyNames',
  'contains',
  'not',
  'if',
  'then',
  'else',
  'unevaluatedItems',
  'unevaluatedProperties',
]);
/** Looser inside means stricter outside. */
const TURNING = new Set(['not', 'if', 'oneOf', 'contains']);

/** Convert the schema of a tool. */
export function convertSchema(schema: object): Converted {
  const loosened: string[] = [];
  return { schema: convert(schema, '', loosened) as object, loosened };
}

function convert(value: unknown, at: string, loosened: string[]): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return value;
  }
  const made: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(renamed(value as Node))) {
    const before = loosened.length;
    const schema = DROPPED.has(key) ? undefined : convertKeyword(key, inner, `${at}/${key}`, loosened);
    const looser = loosened.length > before;
    if (schema !== undefined && !(looser && TURNING.has(key))) {
      made[key] = schema;
    }
  }
  return loosenNode(made, at, loosened);
}

function convertKeyword(key: string, value: unknown, at: string, loosened: string[]): unknown {
  if (SINGLE.has(key)) {
    return convert(value, at, loosened);
  }
  if (LISTS.has(key) && Array.isArray(value)) {
    return value.map((inner, i) => convert(inner, `${at}/${i}`, loosened));
  }
  if (MAPS.has(key) && typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [name, convert(inner, `${at}/${name}`, loosened)]),
    );
  }
  return value;
}

/** Keywords of draft-04 to draft-07 by their names of 2020-12. */
function renamed(node: Node): Node {
  const made: Record<string, unknown> = { ...node };
  if (Array.isArray(node['items'])) {
    made['prefixItems'] = node['items'];
    delete made['items'];
    if ('additionalItems' in node) {
      made['items'] = node['additionalItems'];
    }
  }
  delete made['additionalItems'];
  if (typeof node['dependencies'] === 'object' && node['dependencies'] !== null) {
    const all = Object.entries(node['dependencies']);
    made['dependentRequired'] = Object.fromEntries(all.filter(([, needs]) => Array.isArray(needs)));
    made['dependentSchemas'] = Object.fromEntries(all.filter(([, needs]) => !Array.isArray(needs)));
    delete made['dependencies'];
  }
  for (const [bound, exclusive] of [
    ['minimum', 'exclusiveMinimum'],
    ['maximum', 'exclusiveMaximum'],
  ] as const) {
    if (typeof node[exclusive] === 'boolean') {
      delete made[exclusive];
      if (node[exclusive]) {
        made[exclusive] = node[bound];
        delete made[bound];
      }
    }
  }
  return made;
}

/** Leave out what costs more than linear time. */
function loosenNode(node: Record<string, unknown>, at: string, loosened: string[]): Node {
  if (typeof node['pattern'] === 'string' && !isLinear(node['pattern'])) {
    delete node['pattern'];
    loosened.push(`${at}/pattern`);
  }
  if (node['uniqueItems'] === true && !(Number(node['maxItems']) <= MAX_UNIQUE_ITEMS)) {
    delete node['uniqueItems'];
    loosened.push(`${at}/uniqueItems`);
  }
  if (!Object.keys(node['patternProperties'] ?? {}).every(isLinear)) {
    // What no pattern names any more must not fall under the rule for all others.
    delete node['patternProperties'];
    delete node['additionalProperties'];
    delete node['unevaluatedProperties'];
    loosened.push(`${at}/patternProperties`);
  }
  if (!('if' in node)) {
    delete node['then'];
    delete node['else'];
  }
  return node;
}

function isLinear(pattern: string): boolean {
  try {
    RE2JS.compile(pattern);
    return pattern.length <= MAX_PATTERN_CHARS;
  } catch {
    return false;
  }
}
