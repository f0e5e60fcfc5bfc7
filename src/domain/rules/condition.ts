/**
 * Conditions: CEL, compiled when the policy is loaded. A condition says yes or no, or it throws; nothing of it waits.
 */
import { RE2JS } from 're2js';
import { limits } from '../../wire/limits.js';
import { Meter, walk, type Node } from './bounds.js';
import { environment, isVariable, variables, type Facts } from './facts.js';

/** A compiled condition. */
export interface Condition {
  readonly text: string;
  /** Variables it reads. */
  readonly reads: ReadonlySet<string>;
  /** Throws an Error when it cannot be judged. `startCall` comes before the first condition of a call. */
  test(facts: Facts): boolean;
}

const meter = new Meter();

/** A call begins: what its conditions may take is counted anew. */
export function startCall(bodyBytes: number): void {
  meter.start(bodyBytes);
}

/** Judge with fewer steps for the call; `tooMuch`: they did not suffice, so what was said does not count. */
export function boundedBy<T>(
  steps: number,
  judgeCall: () => T,
): { readonly said: T; readonly tooMuch: boolean } {
  meter.most = steps;
  try {
    meter.start(0);
    const said = judgeCall();
    return { said, tooMuch: meter.spent };
  } finally {
    meter.most = limits.ruleWork;
  }
}

/** Compiled patterns, those of all policies: they are the same in most of them. */
const patternCache = new Map<string, RE2JS>();

/** Compile a pattern, or take the compiled one. Throws an Error that says what is wrong with it. */
function patternOf(pattern: string): RE2JS {
  let compiled = patternCache.get(pattern);
  if (compiled === undefined) {
    if (pattern.length > limits.patternChars) {
      throw new Error(`a pattern has ${pattern.length} characters, allowed are ${limits.patternChars}`);
    }
    compiled = RE2JS.compile(pattern);
    if (patternCache.size >= limits.rules) {
      patternCache.clear(); // those in use are compiled again, once
    }
    patternCache.set(pattern, compiled);
  }
  return compiled;
}

function matchesLinear(text: string, pattern: string): boolean {
  if (text.length > limits.patternText) {
    throw new Error(
      `a text of ${text.length} characters is not held against a pattern, at most ${limits.patternText} are`,
    );
  }
  meter.count(1 + text.length * limits.rulePatternWork, false);
  return patternOf(pattern).test(text);
}

const language = environment(matchesLinear);

/** Compile a condition. Throws an Error that says what is wrong with it, and where in the text if that is known. */
export function compileCondition(text: string): Condition {
  if (text.length > limits.ruleChars) {
    throw new Error(`it has ${text.length} characters, allowed are ${limits.ruleChars}`);
  }
  try {
    return conditionOf(text);
  } catch (err) {
    throw new Error(sayWhy(err, text), { cause: err });
  }
}

function conditionOf(text: string): Condition {
  const parsed = language.parse(text);
  const found: { loop: Node; steps: number; readsArgs: boolean }[] = [];
  const { reads, patterns } = walk(parsed.ast as unknown as Node, (loop, steps, readsArgs) =>
    found.push({ loop, steps, readsArgs }),
  );
  patterns.forEach(patternOf);
  const { valid, type, error } = parsed.check();
  if (!valid) {
    throw error ?? new Error('its types do not fit');
  }
  if (type !== 'bool') {
    throw new Error(`it must say true or false, not ${type ?? 'nothing'}: compare it with something`);
  }
  found.forEach(({ loop, steps, readsArgs }) => countSteps(loop, steps, readsArgs));
  return { text, reads: new Set([...reads].filter(isVariable)), test: (facts) => judge(parsed, facts) };
}

function judge(condition: (facts: never) => unknown, facts: Facts): boolean {
  const said = condition(facts as never);
  if (meter.spent) {
    throw meter.tooMuch; // an `||` beside it may have swallowed the first one
  }
  if (typeof said !== 'boolean') {
    throw new Error('it said neither true nor false');
  }
  return said;
}

/** Count each round of a loop before it is made. */
function countSteps(loop: Node, steps: number, readsArgs: boolean): void {
  const comprehension = loop.meta.alternate;
  const args = comprehension?.args as { step?: Node } | undefined;
  const step = args?.step;
  if (args === undefined || step === undefined) {
    throw new Error('its loop cannot be counted');
  }
  const counted: Node = {
    op: step.op,
    args: step.args,
    meta: step.meta,
    maybeAsync: false,
    evaluate(evaluator, _, context) {
      meter.count(steps, readsArgs);
      return step.evaluate(evaluator, step, context);
    },
  };
  args.step = counted;
}

/** One sentence, with the place in the text, and the nearest help. */
function sayWhy(err: unknown, text: string): string {
  const { code, summary, range } = err as { code?: string; summary?: string; range?: { start: number } };
  const why = summary ?? (err instanceof Error ? err.message.split('\n')[0] : 'it cannot be compiled');
  const known = code === 'unknown_variable' ? ` (known: ${Object.keys(variables).join(', ')})` : '';
  const at =
    range === undefined ? '' : ` at character ${range.start + 1} of ${JSON.stringify(text.slice(0, 80))}`;
  return `${why}${known}${at}`;
}

/** Why a condition could not be judged, in one sentence. */
export function whyOf(err: unknown): string {
  const { summary } = err as { summary?: string };
  const why = summary ?? (err instanceof Error ? (err.message.split('\n')[0] ?? '') : String(err));
  return why.slice(0, 200);
}
