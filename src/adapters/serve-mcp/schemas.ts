/**
 * From the schemas of a capability to those of a tool. Arguments and structured results of MCP are always objects;
 * bodies and results of the mesh may be anything.
 */
type Node = Readonly<Record<string, unknown>>;
type Schema = object | boolean;

/** A schema as MCP has them at the root of a tool. */
export interface ObjectSchema {
  readonly [keyword: string]: unknown;
  readonly type: 'object';
  readonly properties?: Record<string, object>;
  readonly required?: string[];
}

/** What a client may say, and whether the body is one argument of it. */
export interface Arguments {
  readonly schema: ObjectSchema;
  /** The body cannot be an object: it is the argument `body`. */
  readonly wrapped: boolean;
}

const MAX_DEPTH = 32;

/** The arguments of a tool for a capability with this input. */
export function argumentsFor(input: Schema): Arguments {
  if (typeof input === 'boolean') {
    return { schema: input ? { type: 'object' } : { type: 'object', not: {} }, wrapped: false };
  }
  if (mayBeObject(input as Node, input as Node, 0)) {
    return { schema: asRoot(input as Node), wrapped: false };
  }
  const body = moved(input) as object;
  return {
    schema: { type: 'object', properties: { body }, required: ['body'], additionalProperties: false },
    wrapped: true,
  };
}

/**
 * The output schema of a tool, or nothing: when results need not be objects, and when a client might not read the
 * schema as it is meant. Clients check results themselves, some with older drafts and with patterns that backtrack.
 */
export function resultFor(output: Schema): ObjectSchema | undefined {
  const known = typeof output === 'object' && mustBeObject(output as Node, output as Node, 0);
  return known && !isRisky(output) ? asRoot(output as Node) : undefined;
}

/** Properties at the root must be objects, and a root of one tool is not that of another. */
function asRoot(schema: Node): ObjectSchema {
  const { $schema: _dialect, $id: _id, ...rest } = schema;
  const { properties } = schema;
  const made = { ...rest, type: 'object' } as const;
  if (typeof properties !== 'object' || properties === null) {
    return made;
  }
  const named = Object.entries(properties).map(([name, inner]) => [name, asObject(inner)] as const);
  return { ...made, properties: Object.fromEntries(named) };
}

function asObject(schema: unknown): object {
  return typeof schema === 'object' && schema !== null ? schema : schema === false ? { not: {} } : {};
}

function mayBeObject(schema: unknown, root: Node, depth: number): boolean {
  if (typeof schema !== 'object' || schema === null || depth > MAX_DEPTH) {
    return schema !== false;
  }
  const { type, anyOf, oneOf, allOf, $ref, enum: list, ...rest } = schema as Node;
  const may = (inner: unknown): boolean => mayBeObject(inner, root, depth + 1);
  return (
    (type === undefined || [type].flat().includes('object')) &&
    (!('const' in rest) || isObject(rest['const'])) &&
    (!Array.isArray(list) || list.some(isObject)) &&
    (!Array.isArray(anyOf) || anyOf.some(may)) &&
    (!Array.isArray(oneOf) || oneOf.some(may)) &&
    (!Array.isArray(allOf) || allOf.every(may)) &&
    (typeof $ref !== 'string' || may(target($ref, root)))
  );
}

function mustBeObject(schema: unknown, root: Node, depth: number): boolean {
  if (typeof schema !== 'object' || schema === null || depth > MAX_DEPTH) {
    return false;
  }
  const { type, $ref } = schema as Node;
  return type === 'object' || (typeof $ref === 'string' && mustBeObject(target($ref, root), root, depth + 1));
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function target(ref: string, root: Node): unknown {
  let at: unknown = root;
  for (const part of ref.split('/').slice(1)) {
    const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
    at = isObject(at) || Array.isArray(at) ? (at as Node)[key] : undefined;
  }
  return at;
}

/** Below another root: local references begin at its new place. */
function moved(value: unknown, isName = false): unknown {
  if (Array.isArray(value)) {
    return value.map((inner) => moved(inner));
  }
  if (!isObject(value)) {
    return value;
  }
  const entries = Object.entries(value as Node).filter(
    ([key]) => isName || !['$schema', '$id'].includes(key),
  );
  return Object.fromEntries(
    entries.map(([key, inner]) =>
      key === '$ref' && !isName && typeof inner === 'string'
        ? [key, inner.replace(/^#/, '#/properties/body')]
        : [key, DATA.has(key) && !isName ? inner : moved(inner, NAMES.has(key) && !isName)],
    ),
  );
}

/** Below these stand names, and below those values: neither are keywords. */
const NAMES = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']);
const DATA = new Set(['const', 'enum', 'default', 'examples']);

const RISKY = new Set(['pattern', 'patternProperties', 'prefixItems']);

function isRisky(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.entries(value).some(([key, inner]) => RISKY.has(key) || isRisky(inner))
  );
}
