/**
 * Unit tests of a policy, in YAML: calls, and what the policy must say of each.
 */
import type * as Yaml from 'yaml';
import type { Document } from 'yaml';
import { meshError } from '../../wire/errors.js';
import { later } from '../../wire/later.js';
import { limits } from '../../wire/limits.js';
import type { Policy } from '../policy.js';
import { compileOurs } from '../validator.js';
import type { RuleAgent, RuleCall } from './call.js';
import { explain, type Explained } from './explain.js';

/** A call as people write it: what is missing has a plain default. */
export interface CallCase {
  readonly from: string;
  readonly capability: string;
  readonly args?: unknown;
  readonly labels?: Readonly<Record<string, string>>;
  readonly intent?: string;
  /** Root principal, then `agent/capability` of each task; default: the caller is the root. */
  readonly chain?: readonly string[];
  /** Instant in ISO form; default: now. */
  readonly now?: string;
  readonly agent?: Partial<RuleAgent>;
}

/** One test. */
export interface PolicyCase {
  readonly name: string;
  readonly call: CallCase;
  readonly expect: Explained['effect'];
  readonly code?: string;
  /** Exactly the rules that must have mattered. */
  readonly rules?: readonly string[];
}

/** What became of a test. `wrong` is missing when it passed. */
export interface CaseResult {
  readonly name: string;
  readonly wrong?: string;
  readonly explained: Explained;
}

const text = { type: 'string', maxLength: 600 } as const;
const texts = { type: 'object', additionalProperties: text } as const;
const agentSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    name: text,
    version: text,
    proficiency: text,
    costMicros: { type: 'integer', minimum: 0 },
    attributes: { type: 'object', additionalProperties: { type: ['string', 'number', 'boolean'] } },
    readOnly: { type: 'boolean' },
    idempotent: { type: 'boolean' },
  },
} as const;
const callSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['from', 'capability'],
  properties: {
    from: text,
    capability: text,
    args: true,
    labels: texts,
    intent: text,
    chain: { type: 'array', items: text, minItems: 1, maxItems: 17 },
    now: text,
    agent: agentSchema,
  },
} as const;
const fileSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['version', 'tests'],
  properties: {
    version: { const: 1 },
    tests: {
      type: 'array',
      minItems: 1,
      maxItems: 10_000,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['name', 'call', 'expect'],
        properties: {
          name: text,
          call: callSchema,
          expect: { enum: ['allow', 'deny', 'hold', 'ask'] },
          code: text,
          rules: { type: 'array', items: text },
        },
      },
    },
  },
} as const;
const yaml = later<typeof Yaml>('yaml');
const fitsFile = compileOurs(fileSchema);

/** Read tests. Throws config_invalid with the place. */
export function readCases(source: string, file: string): readonly PolicyCase[] {
  const lines = new (yaml().LineCounter)();
  const doc = yaml().parseDocument(source, { uniqueKeys: true, lineCounter: lines, prettyErrors: false });
  const [broken] = doc.errors;
  if (broken !== undefined) {
    const { line, col } = lines.linePos(broken.pos[0]);
    throw meshError('config_invalid', {
      file: `${file}:${line}:${col}`,
      where: 'its syntax',
      why: broken.message,
    });
  }
  const value = plainOf(doc);
  const wrong = value === undefined ? ['/: write out what an alias stands for'] : fitsFile(value);
  if (wrong !== undefined) {
    throw meshError('config_invalid', { file, where: 'tests', why: wrong.join('; ') });
  }
  return (value as { tests: PolicyCase[] }).tests;
}

function plainOf(doc: Document): unknown {
  try {
    return doc.toJS({ maxAliasCount: 0 }) as unknown;
  } catch {
    return undefined;
  }
}

/** The call that a case describes. */
export function callOf(call: CallCase, nowMs: number): RuleCall {
  const args = call.args ?? null;
  return {
    from: call.from,
    capability: call.capability,
    chain: call.chain ?? [call.from],
    args,
    bodyBytes: Math.min(limits.bodyBytes, Buffer.byteLength(JSON.stringify(args))),
    labels: call.labels,
    intent: call.intent,
    nowMs: call.now === undefined ? nowMs : Date.parse(call.now),
    agent: {
      name: 'agent',
      version: '1.0',
      proficiency: 'competent',
      costMicros: 0,
      attributes: {},
      readOnly: false,
      idempotent: false,
      ...call.agent,
    },
  };
}

/** Run the tests. */
export function runCases(policy: Policy, cases: readonly PolicyCase[], nowMs: number): CaseResult[] {
  return cases.map((one) => {
    const explained = explain(policy, callOf(one.call, nowMs));
    const wrong = wrongIn(one, explained);
    return { name: one.name, explained, ...(wrong === undefined ? {} : { wrong }) };
  });
}

function wrongIn(want: PolicyCase, { effect, code, mattered }: Explained): string | undefined {
  if (want.expect !== effect) {
    const by = mattered.length === 0 ? '' : ` by ${mattered.join(', ')}`;
    return `want ${want.expect}, it says ${effect}${code === undefined ? '' : ` (${code})`}${by}`;
  }
  if (want.code !== undefined && want.code !== code) {
    return `want the code ${want.code}, it says ${code ?? 'none'}`;
  }
  const list = (names: readonly string[]): string => names.toSorted().join(', ') || 'none';
  return want.rules !== undefined && list(want.rules) !== list(mattered)
    ? `want the rules ${list(want.rules)}, those that mattered are ${list(mattered)}`
    : undefined;
}
