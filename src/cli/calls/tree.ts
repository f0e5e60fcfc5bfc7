/**
 * A tree of calls on paper.
 */
import type { CallNode, CallPage, CallState } from '../../control/views/pages.js';
import { paint, safe, table } from '../output.js';
import { duration } from './ask.js';
import { usedWords } from './used.js';

const ROWS_MAX = 200;
const TROUBLES_MAX = 10;

/** A call with the calls made for it. */
interface Branch {
  readonly node: CallNode;
  readonly children: Branch[];
}

/** The tree, what waits and why, and what failed and what to do about it. */
export function printCall(page: CallPage): string[] {
  const rows = treesOf(page.calls).flatMap((top) => rowsOf(top, '', ''));
  const more = rows.length - ROWS_MAX;
  return [
    ...table(rows.slice(0, ROWS_MAX), ['call', 'answered by', 'waited', 'took', 'status', 'id']),
    ...(more > 0 ? [paint.dim(`and ${more} more; --json has them all`)] : []),
    ...(page.truncated === true
      ? [paint.yellow('This is not all: a view reads and says only so much.')]
      : []),
    ...page.calls.flatMap(words),
    ...page.calls.flatMap(usedWords),
    ...page.calls.flatMap((node) => [...waits(node), ...attempts(node)]),
    ...troubles(page.calls),
  ];
}

/** Colour of a state. */
export function paintState(status: CallState): string {
  const colour =
    status === 'completed'
      ? paint.green
      : ['failed', 'refused', 'unknown', 'expired'].includes(status)
        ? paint.red
        : paint.yellow;
  return colour(status);
}

/** `from.call` of a call. */
export function idOf({ from, call }: { readonly from: string; readonly call: string }): string {
  return safe(`${from}.${call}`);
}

function treesOf(nodes: readonly CallNode[]): Branch[] {
  const branches = new Map(
    nodes.map((node) => [`${node.from}.${node.call}`, { node, children: [] as Branch[] }]),
  );
  const tops: Branch[] = [];
  for (const branch of branches.values()) {
    const parent = branches.get(branch.node.parent ?? '');
    (parent?.children ?? tops).push(branch);
  }
  return tops;
}

function rowsOf({ node, children }: Branch, head: string, indent: string): string[][] {
  const { capability, asked, waitedMs, tookMs } = node;
  const name = safe(capability);
  const row = [
    `${paint.dim(head)}${asked === true ? paint.bold(name) : name}`,
    answeredBy(node),
    duration(waitedMs),
    duration(tookMs),
    statusOf(node),
    paint.dim(idOf(node)) + (asked === true ? paint.bold(' ◀') : ''),
  ];
  const inner = children.flatMap((child, i) => {
    const last = i === children.length - 1;
    return rowsOf(child, `${indent}${last ? '└─ ' : '├─ '}`, `${indent}${last ? '   ' : '│  '}`);
  });
  return [row, ...inner];
}

function answeredBy({ outcome, attempts: tries }: CallNode): string {
  const last = tries.at(-1);
  const agent = outcome?.agent ?? last?.agent;
  const instance = outcome?.agent === undefined ? last?.instance : outcome.instance;
  return agent === undefined ? '' : instance === undefined ? agent : `${agent}${paint.dim(`/${instance}`)}`;
}

function statusOf({ status, outcome, attempts: tries }: CallNode): string {
  const code = outcome?.code === undefined ? '' : ` ${paint.dim(`[${safe(outcome.code)}]`)}`;
  const again = tries.length > 1 ? paint.yellow(` after ${tries.length} attempts`) : '';
  return `${paintState(status)}${code}${again}`;
}

function waits({ why, since, waitedMs, deadline, capability, status, from, call }: CallNode): string[] {
  if (why === undefined) {
    return [];
  }
  const how = status === 'parked' ? 'is parked and' : 'is accepted and';
  const forMs = waitedMs ?? Math.max(0, Date.now() - (since ?? Date.now()));
  const until = deadline === undefined ? '' : `, until its deadline ${inWords(deadline - Date.now())}`;
  const which = `${safe(capability)} (${idOf({ from, call })})`;
  return ['', `${which} ${how} ${paint.yellow(why)}, for ${duration(forMs)} now${until}`];
}

/** What the caller said about the asked call, and whose idea a call was when it was not its caller's. */
function words({
  asked,
  labels,
  context,
  intent,
  replays,
  by,
  approval,
  review,
  reviews = [],
}: CallNode): string[] {
  const said = [
    ...Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`),
    ...(context === undefined ? [] : [`context ${context}`]),
    ...(intent === undefined ? [] : [`intent ${intent}`]),
  ];
  return [
    ...(asked === true && said.length > 0 ? [`its caller says: ${safe(said.join(', '))}`] : []),
    ...(replays === undefined
      ? []
      : [`runs the dead call ${safe(replays)} again, as ${safe(by ?? '')} asked`]),
    ...(approval === undefined ? [] : [`approved by ${safe(approval.by.join(', '))}`]),
    ...(review === undefined ? [] : [`review of ${safe(review.of)}, as the rule ${safe(review.rule)} asks`]),
    ...reviews.map(({ rule, capability, by: who = 'nobody', allow, reason, unanswered }) => {
      const said = unanswered === undefined ? (allow ? 'yes' : 'no') : 'no answer';
      const why = unanswered ?? reason;
      return `${safe(rule)} asked ${safe(capability)}: ${said} by ${safe(who)}${why === undefined ? '' : `: ${safe(why)}`}`;
    }),
  ];
}

function inWords(ms: number): string {
  return ms < 0 ? `${duration(-ms)} ago` : `in ${duration(ms)}`;
}

/** Where a call that was given to more than one instance has been. */
function attempts(node: CallNode): string[] {
  if (node.attempts.length < 2) {
    return [];
  }
  const first = node.attempts[0]?.at ?? 0;
  const rows = node.attempts.map(({ attempt, agent, instance, gateway, at }) => [
    `  attempt ${attempt}`,
    `${agent}/${instance ?? ''}`,
    `+${duration(at - first)}`,
    paint.dim(`decided by ${gateway}`),
  ]);
  return ['', `${safe(node.capability)} (${idOf(node)}) was given to:`, ...table(rows)];
}

function troubles(nodes: readonly CallNode[]): string[] {
  const failed = nodes.filter(({ outcome }) => outcome?.error !== undefined);
  const shown = failed
    .toSorted((a, b) => Number(b.asked ?? false) - Number(a.asked ?? false))
    .slice(0, TROUBLES_MAX);
  const lines = shown.flatMap(({ outcome, capability, from, call, status }) => [
    '',
    `${safe(capability)} (${idOf({ from, call })}) ${paintState(status)}`,
    `${paint.red(`[${safe(outcome?.error?.code ?? '')}]`)} ${safe(outcome?.error?.message ?? '')}`,
    `${paint.dim('what now:')} ${safe(outcome?.error?.help ?? '')}`,
  ]);
  const more = failed.length - shown.length;
  return more > 0 ? [...lines, '', paint.dim(`and ${more} more that failed`)] : lines;
}
