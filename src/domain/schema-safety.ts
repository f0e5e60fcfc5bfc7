/**
 * Is a schema from a stranger safe to compile and to run on every call?
 *
 * The cost of checking a value is bounded by the schema's *weight*: its nodes with local references expanded. A
 * reference back to an enclosing definition is allowed only below keywords that split the value (properties, items),
 * so that recursion visits each part of the value once. Remote references, `$data` and dynamic references are
 * refused; patterns must compile in a linear-time engine (threats: ReDoS, exponential schemas).
 */
import { RE2JS } from 're2js';
import { meshError } from '../wire/errors.js';
import { limits } from '../wire/limits.js';

type Node = Readonly<Record<string, unknown>>;

const ONE_SCHEMA = [
  'not',
  'if',
  'then',
  'else',
  'contains',
  'propertyNames',
  'unevaluatedItems',
  'unevaluatedProperties',
];
const SPLITTING_ONE = ['items', 'additionalProperties'];
const SPLITTING = [...SPLITTING_ONE, 'properties', 'prefixItems'];
const MANY_SCHEMAS = ['allOf', 'anyOf', 'oneOf'];
const SCHEMA_MAPS = ['patternProperties', 'dependentSchemas'];
const REFUSED = ['$dynamicRef', '$dynamicAnchor', '$recursiveRef', '$anchor', '$vocabulary'];

interface Walk {
  readonly root: unknown;
  readonly capability: string;
  readonly base: string;
  /** References being expanded now, and what was passed since each was entered. */
  readonly active: Map<string, Passed>;
  weight: number;
}

/** `split`: only keywords that hand on disjoint parts; `again`: one that looks at the same value again. */
type Passed = 'nothing' | 'split' | 'again';

/** Throws card_schema with a JSON pointer when the schema is not safe. */
export function checkSchema(schema: unknown, capability: string, base: string): void {
  const walk: Walk = { root: schema, capability, base, active: new Map([['#', 'nothing']]), weight: 0 };
  const text = JSON.stringify(schema) ?? '';
  const size = Buffer.byteLength(text);
  if (text.includes('"$data"')) {
    refuse(walk, '', '$data is not supported');
  }
  if (size > limits.schemaBytes) {
    refuse(walk, '', `it has ${size} bytes, allowed are ${limits.schemaBytes}`);
  }
  visit(schema, '', 0, walk);
}

function refuse(walk: Walk, pointer: string, why: string): never {
  throw meshError('card_schema', { capability: walk.capability, pointer: walk.base + pointer, why });
}

function visit(schema: unknown, pointer: string, depth: number, walk: Walk): void {
  if (++walk.weight > limits.schemaWeight) {
    refuse(walk, pointer, `it is heavier than ${limits.schemaWeight} nodes with its references expanded`);
  }
  if (depth > limits.bodyDepth * 2) {
    refuse(walk, pointer, 'it is nested too deep');
  }
  if (typeof schema === 'boolean') {
    return;
  }
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) {
    refuse(walk, pointer, 'a schema is an object or a boolean');
  }
  const node = schema as Node;
  checkKeywords(node, pointer, walk);
  // A reference beside keywords of its own sees the same value as they do.
  const twice = '$ref' in node && SPLITTING.some((key) => key in node);
  passing(walk, twice ? 'again' : 'nothing', () => {
    passing(walk, 'split', () => visitSplitting(node, pointer, depth, walk));
    passing(walk, 'again', () => visitOverlapping(node, pointer, depth, walk));
    if (typeof node['$ref'] === 'string') {
      visitReference(node['$ref'], pointer, depth, walk);
    }
  });
}

/** Run `inner` with every active reference marked as having passed this kind of keyword. */
function passing(walk: Walk, kind: Passed, inner: () => void): void {
  const before = new Map(walk.active);
  for (const [ref, passed] of before) {
    walk.active.set(ref, passed === 'again' || kind === 'nothing' ? passed : kind);
  }
  inner();
  for (const [ref, passed] of before) {
    walk.active.set(ref, passed);
  }
}

function checkKeywords(node: Node, pointer: string, walk: Walk): void {
  for (const key of REFUSED) {
    if (key in node) {
      refuse(walk, `${pointer}/${key}`, 'this keyword is not supported');
    }
  }
  if ('$id' in node && pointer !== '') {
    refuse(walk, `${pointer}/$id`, '$id below the root is not supported');
  }
  if (typeof node['pattern'] === 'string') {
    checkPattern(node['pattern'], `${pointer}/pattern`, walk);
  }
  if (node['uniqueItems'] === true && !(Number(node['maxItems']) <= limits.uniqueItems)) {
    refuse(walk, `${pointer}/uniqueItems`, `it needs maxItems of at most ${limits.uniqueItems}`);
  }
}

function checkPattern(pattern: string, pointer: string, walk: Walk): void {
  if (pattern.length > limits.patternChars) {
    refuse(walk, pointer, `the pattern is longer than ${limits.patternChars} characters`);
  }
  try {
    RE2JS.compile(pattern);
  } catch {
    refuse(walk, pointer, 'the pattern does not compile in a linear-time engine');
  }
}

/** Keywords that hand disjoint parts of the value on: a cycle through them ends with the value. */
function visitSplitting(node: Node, pointer: string, depth: number, walk: Walk): void {
  for (const [name, inner] of entriesOf(node['properties'])) {
    visit(inner, `${pointer}/properties/${name}`, depth + 1, walk);
  }
  for (const key of SPLITTING_ONE) {
    if (key in node) {
      visit(node[key], `${pointer}/${key}`, depth + 1, walk);
    }
  }
  if (Array.isArray(node['prefixItems'])) {
    node['prefixItems'].forEach((s, i) => visit(s, `${pointer}/prefixItems/${i}`, depth + 1, walk));
  }
}

/** Keywords that look at the same value again: no cycle may pass through them. */
function visitOverlapping(node: Node, pointer: string, depth: number, walk: Walk): void {
  for (const key of ONE_SCHEMA) {
    if (key in node) {
      visit(node[key], `${pointer}/${key}`, depth + 1, walk);
    }
  }
  for (const key of MANY_SCHEMAS) {
    if (Array.isArray(node[key])) {
      node[key].forEach((s, i) => visit(s, `${pointer}/${key}/${i}`, depth + 1, walk));
    }
  }
  for (const key of SCHEMA_MAPS) {
    for (const [name, inner] of entriesOf(node[key])) {
      if (key === 'patternProperties') {
        checkPattern(name, `${pointer}/${key}`, walk);
      }
      visit(inner, `${pointer}/${key}/${name}`, depth + 1, walk);
    }
  }
}

function visitReference(ref: string, pointer: string, depth: number, walk: Walk): void {
  if (!ref.startsWith('#')) {
    refuse(walk, `${pointer}/$ref`, 'only references inside of the schema are allowed');
  }
  const passed = walk.active.get(ref);
  if (passed === 'split') {
    return; // recursion over disjoint parts ends with the value
  }
  if (passed !== undefined) {
    refuse(walk, `${pointer}/$ref`, 'it refers back to itself in a way that sees the same value again');
  }
  walk.active.set(ref, 'nothing');
  visit(resolve(ref, pointer, walk), pointer, depth + 1, walk);
  walk.active.delete(ref);
}

function resolve(ref: string, pointer: string, walk: Walk): unknown {
  let at: unknown = walk.root;
  for (const part of ref.slice(1).split('/').slice(1)) {
    const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
    at = typeof at === 'object' && at !== null && Object.hasOwn(at, key) ? (at as Node)[key] : undefined;
  }
  if (at === undefined) {
    refuse(walk, `${pointer}/$ref`, `${ref} leads nowhere`);
  }
  return at;
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}
