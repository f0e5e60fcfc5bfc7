/**
 * The limits of a policy: how much of what there may be, and of whom. What is wrong with them is said when the policy
 * is loaded.
 */
import { createHash } from 'node:crypto';
import { limits } from '../../wire/limits.js';
import { matches } from '../../wire/names.js';

/** Who is counted one by one. `principal`: whose tree of calls it is; `caller`: who makes the call itself. */
export type Each = 'principal' | 'caller' | 'agent' | 'capability' | 'tree';

/** What is counted of a limit. */
export type Counts = 'rate' | 'concurrency' | 'calls' | 'fanOut';

/** What a policy file says of one limit. */
export interface LimitData {
  readonly each?: Each;
  readonly who?: readonly string[];
  readonly capability?: readonly string[];
  readonly rate?: string;
  readonly burst?: number;
  readonly concurrency?: number;
  readonly fanOut?: number;
  readonly depth?: number;
  readonly calls?: number;
  readonly queue?: number;
}

/** One limit. */
export interface Limit extends Omit<LimitData, 'rate'> {
  readonly name: string;
  readonly each: Each;
  /** Its name and a digest of what it says: gateways with another version of it do not lend each other anything. */
  readonly id: string;
  /** Calls per millisecond. */
  readonly perMs?: number;
  readonly rate?: string;
  /** What is counted, and how much of it there may be. */
  readonly counts: readonly (readonly [Counts, number])[];
}

/** Hears what is wrong. `where` is a path into the policy. */
export type SayWrong = (where: string, why: string) => void;

const PER_MS: Readonly<Record<string, number>> = { s: 1_000, min: 60_000 };
/** What is counted per tree of calls or per task; an agent is not chosen yet when these are judged. */
const OF_TREES = ['fanOut', 'depth', 'calls'] as const;
const COUNTS = ['rate', 'concurrency', 'queue', ...OF_TREES] as const;

/** Calls per millisecond of a text such as `100/s`. */
export function perMsOf(rate: string): number {
  const [count = '', unit = ''] = rate.split('/');
  return Number(count) / (PER_MS[unit] ?? Number.NaN);
}

/** Compile the limits of a policy. Tells what is wrong; what is wrong limits nothing, and the policy is refused. */
export function compileLimits(data: Readonly<Record<string, LimitData>> = {}, say: SayWrong): Limit[] {
  if (Object.keys(data).length > limits.rateLimits) {
    say('rates', `there are more than ${limits.rateLimits} limits`);
  }
  return Object.entries(data).flatMap(([name, one]) => {
    const wrong = whyWrong(one);
    if (wrong !== undefined) {
      say(`rates.${name}`, wrong);
      return [];
    }
    return [limitOf(name, one)];
  });
}

function limitOf(name: string, data: LimitData): Limit {
  const { rate, burst, each = 'caller' } = data;
  const digest = createHash('sha256').update(JSON.stringify(data)).digest('base64url').slice(0, 8);
  const limit = { ...data, name, each, id: `${name}~${digest}` };
  if (rate === undefined) {
    return { ...limit, counts: countsOf(data, undefined) };
  }
  const perMs = perMsOf(rate);
  // A tenth of a second's worth at once, unless it says otherwise.
  const size = burst ?? Math.max(1, Math.ceil(perMs * 100));
  return { ...limit, perMs, burst: size, counts: countsOf(data, size) };
}

/** The root of a tree is the first of its calls, and there is no tree without it: it is not counted. */
function countsOf({ concurrency, calls, fanOut }: LimitData, burst: number | undefined): [Counts, number][] {
  const list: [Counts, number | undefined][] = [
    ['fanOut', fanOut],
    ['calls', calls === undefined ? undefined : calls - 1],
    ['concurrency', concurrency],
    ['rate', burst],
  ];
  return list.filter((one): one is [Counts, number] => one[1] !== undefined);
}

function whyWrong(data: LimitData): string | undefined {
  const { each, rate, burst } = data;
  if (each === undefined) {
    return 'it says not of whom: give each';
  }
  if (COUNTS.every((what) => data[what] === undefined)) {
    return `it limits nothing: give at least one of ${COUNTS.join(', ')}`;
  }
  if (burst !== undefined && rate === undefined) {
    return 'a burst needs a rate';
  }
  const fillMs = rate === undefined ? 0 : (burst ?? 1) / perMsOf(rate);
  if (!(fillMs <= limits.rateFillMs)) {
    return `a burst must be there again within ${limits.rateFillMs / 1000} s: lower it, or raise the rate; what is slower is a budget`;
  }
  return whyUnfit(data);
}

function whyUnfit({ each, who, capability, queue, ...data }: LimitData): string | undefined {
  const ofTree = OF_TREES.find((what) => data[what] !== undefined);
  if (data.calls !== undefined && each !== 'tree') {
    return 'calls are counted by each: tree';
  }
  if (queue !== undefined && (each !== 'caller' || capability !== undefined)) {
    return 'a queue is of each: caller, for all capabilities: nothing else is known before the chain';
  }
  if (each === 'agent' && ofTree !== undefined) {
    return `${ofTree} is not counted by each: agent`;
  }
  return each === 'capability' && who !== undefined
    ? 'each: capability has no who: give capability'
    : undefined;
}

/** Does a name fit? A star at the end stands for all that follows. */
function fits(globs: readonly string[] | undefined, name: string): boolean {
  return (
    globs === undefined ||
    globs.some((glob) => (glob.endsWith('*') ? name.startsWith(glob.slice(0, -1)) : glob === name))
  );
}

/** Is this name, and this capability, under the limit? */
export function covers({ who, capability }: Limit, name: string, what: string): boolean {
  return (
    fits(who, name) &&
    (capability === undefined || capability.some((one) => one === '>' || matches(one, what)))
  );
}
