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

/** Compile a schema. Validation stops at the first error; only a failing value is checked again for all of them. */
export function compile(schema: object | boolean): Validator {
  if (schema === true) {
    return () => undefined;
  }
  const source = typeof schema === 'boolean' ? schema : withoutDialect(schema);
  const fast = engine(false).compile(source);
  let all: ValidateFunction | undefined;
  return (value) => {
    if (fast(value)) {
      return undefined;
    }
    all ??= engine(true).compile(source);
    all(value);
    return (all.errors ?? fast.errors ?? []).slice(0, limits.schemaErrors).map(sentence);
  };
}

/** Tools write `$schema` of older drafts over schemas that mean the same in 2020-12. */
function withoutDialect(schema: object): object {
  const { $schema: _, ...rest } = schema as { $schema?: unknown };
  return rest;
}

function sentence(e: ErrorObject): string {
  const extra = e.keyword === 'additionalProperties' ? ` (${String(e.params['additionalProperty'])})` : '';
  return `${e.instancePath || '/'}: ${e.message ?? e.keyword}${extra}`.slice(0, 200);
}
