/**
 * Bounds of a condition. What could take more than a bounded time is refused when the policy is loaded: functions
 * that build data, patterns that are not known beforehand, loops in loops in loops. What depends on the call is
 * counted while it runs.
 */
import { limits } from '../../wire/limits.js';
import { isVariable } from './facts.js';

/** A node of a parsed condition, as the parser of CEL gives it. */
export interface Node {
  readonly op: string;
  args: unknown;
  readonly meta: { readonly alternate?: Node };
  evaluate(evaluator: unknown, node: unknown, context: unknown): unknown;
  readonly maybeAsync?: boolean;
}

/** Functions of conditions, and the steps that each costs. The others build data of any size, or take any time. */
const functions: Readonly<Record<string, number>> = {
  has: 1,
  size: 1,
  contains: 2,
  startsWith: 1,
  endsWith: 1,
  matches: 1,
  lowerAscii: 2,
  upperAscii: 2,
  trim: 1,
  int: 2,
  double: 2,
  string: 2,
  bool: 1,
  type: 1,
  timestamp: 10,
  duration: 10,
  ...Object.fromEntries(
    [
      'getFullYear',
      'getMonth',
      'getDate',
      'getDayOfMonth',
      'getDayOfWeek',
      'getDayOfYear',
      'getHours',
      'getMinutes',
      'getSeconds',
      'getMilliseconds',
    ].map((name) => [name, 3_000]), // in a time zone each takes a tenth of a millisecond
  ),
};
const loops = new Set(['all', 'exists', 'exists_one']);

/** Steps that are left of a call. One for the process: conditions are judged one after the other. */
export class Meter {
  /** Made once: a loop that swallows it may meet it for each of its entries. */
  readonly #tooMuch = new Error(`the rules take more than ${limits.ruleWork} steps for this call`);
  /** Steps that a call has. */
  most: number = limits.ruleWork;
  #left = 0;
  #perArgs = 0;

  /** A call begins: a step that reads all of the body again costs more, the larger it is. */
  start(bodyBytes: number): void {
    this.#left = this.most;
    this.#perArgs = Math.ceil(bodyBytes / 64);
  }

  /** Count steps. Throws when none are left; the condition may swallow that, so look at `spent` too. */
  count(steps: number, readsArgs: boolean): void {
    this.#left -= readsArgs ? steps + this.#perArgs : steps;
    if (this.#left < 0) {
      throw this.#tooMuch;
    }
  }

  /** Was it too much? */
  get spent(): boolean {
    return this.#left < 0;
  }

  /** What to throw then. */
  get tooMuch(): Error {
    return this.#tooMuch;
  }
}

/** What a walk over a condition finds. */
export interface Walked {
  /** Variables it reads. */
  readonly reads: ReadonlySet<string>;
  /** Its literal patterns. */
  readonly patterns: ReadonlySet<string>;
}

/** Walk a parsed condition before it is type-checked. Throws an Error that says what is not allowed. */
export function walk(root: Node, metered: (loop: Node, steps: number, readsArgs: boolean) => void): Walked {
  const reads = new Set<string>();
  const patterns = new Set<string>();

  /** Returns the steps that the node costs each time, and whether it reads the body. */
  const visit = (node: Node, depth: number): { steps: number; args: boolean } => {
    if (node.op === 'id') {
      reads.add(node.args as string);
      return { steps: 1, args: node.args === 'args' };
    }
    if (node.op === 'rcall' && loops.has(nameOf(node))) {
      return loop(node, depth);
    }
    const own = node.op === 'call' || node.op === 'rcall' ? called(node, patterns) : 1;
    return sum(
      own,
      children(node).map((child) => visit(child, depth)),
    );
  };

  const loop = (node: Node, depth: number): { steps: number; args: boolean } => {
    if (depth >= limits.ruleLoops) {
      throw new Error(`more than ${limits.ruleLoops} of all, exists and exists_one stand inside each other`);
    }
    const [, over, [each, predicate]] = node.args as [string, Node, [Node, Node]];
    if (each.op === 'id' && isVariable(each.args as string)) {
      throw new Error(`${each.args as string} is a variable already: name the entries otherwise`);
    }
    const range = visit(over, depth);
    const step = visit(predicate, depth + 1);
    metered(node, step.steps, step.args);
    return { steps: range.steps + step.steps, args: range.args || step.args };
  };

  visit(root, 0);
  return { reads, patterns };
}

function sum(own: number, parts: { steps: number; args: boolean }[]): { steps: number; args: boolean } {
  return {
    steps: parts.reduce((total, part) => total + part.steps, own),
    args: parts.some((part) => part.args),
  };
}

function nameOf(node: Node): string {
  return (node.args as [string])[0];
}

/** A call of a function: is it known, and is its pattern? */
function called(node: Node, patterns: Set<string>): number {
  const name = nameOf(node);
  if (!Object.hasOwn(functions, name)) {
    const known = [...loops, ...Object.keys(functions).filter((one) => !one.startsWith('get'))];
    throw new Error(`there is no function ${name} for rules (known: ${known.join(', ')}, get…)`);
  }
  if (name === 'matches') {
    const args = node.args as [string, Node, Node[]];
    const pattern = args[2]?.[0];
    if (node.op !== 'rcall' || pattern?.op !== 'value' || typeof pattern.args !== 'string') {
      throw new Error('a pattern must be written out: text.matches("…")');
    }
    patterns.add(pattern.args);
    args[0] = 'matchesLinear';
  }
  return functions[name] ?? 1;
}

function children(node: Node): Node[] {
  const found: Node[] = [];
  const collect = (value: unknown): void => {
    if (Array.isArray(value)) {
      value.forEach(collect);
    } else if (typeof value === 'object' && value !== null && 'op' in value) {
      found.push(value as Node);
    }
  };
  collect(node.args);
  return found;
}
