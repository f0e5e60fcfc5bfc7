/**
 * Compiled JSON Schemas (2020-12) with linear-time patterns. Only schemas that passed `checkSchema` come here.
 */
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { RE2JS } from 're2js';
import { limits } from '../wire/limits.js';

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

function engine(allErrors: boolean): Ajv2020 {
  return new Ajv2020({
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
  #engine: Ajv2020;
  #uses = 0;

  constructor(allErrors: boolean) {
    this.#allErrors = allErrors;
    this.#engine = engine(allErrors);
  }

  compile(schema: object | boolean): ValidateFunction {
    if (++this.#uses > ENGINE_USES) {
      this.#engine = engine(this.#allErrors);
      this.#uses = 1;
    }
    const compiled = this.#engine.compile(schema);
    this.#engine.removeSchema(schema);
    return compiled;
  }
}

const ENGINE_USES = 1_000;
const first = new Engines(false);
const every = new Engines(true);

/** Compile a schema. Validation stops at the first error; only a failing value is checked again for all of them. */
export function compile(schema: object | boolean): Validator {
  if (schema === true) {
    return () => undefined;
  }
  const source = typeof schema === 'boolean' ? schema : rootOf(schema);
  const fast = first.compile(source);
  let all: ValidateFunction | undefined;
  return (value) => {
    if (fast(value)) {
      return undefined;
    }
    all ??= every.compile(source);
    all(value);
    return (all.errors ?? fast.errors ?? []).slice(0, limits.schemaErrors).map(sentence);
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
