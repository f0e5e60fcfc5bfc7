/**
 * Compiled JSON Schemas (2020-12) with linear-time patterns. Only schemas that passed `checkSchema` come here.
 */
import type * as Ajv from 'ajv/dist/2020.js';
import type { Ajv2020, ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import { RE2JS } from 're2js';
import { later, once } from '../wire/later.js';
import { limits } from '../wire/limits.js';

const ajv = later<typeof Ajv>('ajv/dist/2020.js');

/** Returns undefined when the value fits, else at most `schemaErrors` sentences "pointer: what". */
export type Validator = (value: unknown) => readonly string[] | undefined;

/** A linear-time RegExp for ajv; a text beyond `patternText` does not match. ajv tells patterns apart by `toString`, so it must be the pattern's own. */
function linearRegExp(pattern: string): { test(text: string): boolean; toString(): string } {
  const compiled = RE2JS.compile(pattern);
  return {
    test: (text) => text.length <= limits.patternText && compiled.test(text),
    toString: () => `re2:${pattern}`,
  };
}
linearRegExp.code = 'linearRegExp';

/** Whose schemas an engine compiles: those of others are held against the dialect first. */
type Whose = 'ours' | 'theirs';

function engine(allErrors: boolean, whose: Whose): Ajv2020 {
  return new (ajv().Ajv2020)({
    ...(whose === 'ours' ? { meta: false, validateSchema: false } : {}),
    strict: true,
    strictTypes: false,
    strictRequired: false,
    strictTuples: false,
    strictSchema: false,
    validateFormats: false,
    allowUnionTypes: true,
    inlineRefs: false,
    allErrors,
    logger: false,
    // ajv's type asks for a whole RegExp; it only ever calls test()
    code: { regExp: linearRegExp as never },
  });
}

/** A fresh engine costs milliseconds, a used one microseconds; it is replaced before what it remembers adds up. */
class Engines {
  readonly #allErrors: boolean;
  readonly #whose: Whose;
  #engine: Ajv2020 | undefined;
  #uses = 0;

  constructor(allErrors: boolean, whose: Whose) {
    this.#allErrors = allErrors;
    this.#whose = whose;
  }

  compile(schema: object | boolean): ValidateFunction {
    if (this.#engine === undefined || ++this.#uses > ENGINE_USES) {
      this.#engine = engine(this.#allErrors, this.#whose);
      this.#uses = 1;
    }
    const compiled = this.#engine.compile(schema);
    this.#engine.removeSchema(schema);
    return compiled;
  }
}

const ENGINE_USES = 1_000;
const engines = {
  ours: { first: new Engines(false, 'ours'), every: new Engines(true, 'ours') },
  theirs: { first: new Engines(false, 'theirs'), every: new Engines(true, 'theirs') },
};

/** Compile a schema. Validation stops at the first error; only a failing value is checked again for all of them. */
export function compile(schema: object | boolean): Validator {
  if (schema === true) {
    return () => undefined;
  }
  return validator(schema, 'theirs');
}

/** The same for a schema that was written here: it costs nothing until the first value comes. */
export function compileOurs(schema: object): Validator {
  const compiled = once(() => validator(schema, 'ours'));
  return (value) => compiled()(value);
}

function validator(schema: object | false, whose: Whose): Validator {
  const { first, every } = engines[whose];
  const source = schema === false ? schema : rootOf(schema);
  const fast = first.compile(source);
  const all = once(() => every.compile(source));
  return (value) => {
    if (fast(value)) {
      return undefined;
    }
    const thorough = all();
    thorough(value);
    return (thorough.errors ?? fast.errors ?? []).slice(0, limits.schemaErrors).map(sentence);
  };
}

/**
 * The schema without its dialect (tools write `$schema` of older drafts over what means the same in 2020-12) and
 * without its id (two strangers may use the same one; references are local anyway).
 */
function rootOf(schema: object): object {
  const { $schema: _, $id: __, ...rest } = schema as { $schema?: unknown; $id?: unknown };
  return rest;
}

function sentence(e: ErrorObject): string {
  const extra = e.keyword === 'additionalProperties' ? ` (${String(e.params['additionalProperty'])})` : '';
  return `${e.instancePath || '/'}: ${e.message ?? e.keyword}${extra}`.slice(0, 200);
}
