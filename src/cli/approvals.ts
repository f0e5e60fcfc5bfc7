/**
 * `mesh approvals`: calls that wait until somebody says yes.
 */
import type { Command } from 'commander';
import type { ApprovalPage, ApprovalRow, ApprovalsPage, VotedPage } from '../control/approvals/pages.js';
import { connectBroker } from '../fabric/connection.js';
import { limits } from '../wire/limits.js';
import { meshError } from '../wire/errors.js';
import type { ApprovalRequest } from '../wire/generated/messages.js';
import { subject } from '../wire/generated/subjects.js';
import { asToken, type Token } from '../wire/names.js';
import { isCallId } from '../wire/ulid.js';
import { describeHeld, leftOf, missingOf } from './approvals/describe.js';
import { duration, wholeNumber } from './calls/ask.js';
import { idOf } from './calls/tree.js';
import { CONNECTS, openContext, type ContextOptions } from './context.js';
import { askControl } from './operator.js';
import { note, paint, safe, say, sayJson, table } from './output.js';
import { withSettings } from './settings.js';

type What = 'ls' | 'show' | 'approve' | 'deny';
type ListOptions = ContextOptions & { readonly limit?: number };
type VoteOptions = ContextOptions & { readonly digest: string; readonly reason?: string };

/** Add the command and what it can do. */
export function register(program: Command): void {
  const approvals = program
    .command('approvals')
    .summary('calls that wait for your yes: look, approve, deny')
    .description(
      'Calls that a rule of the policy holds until people with a role say yes. Whoever asked for a call, or would do it, has no say in it, and no agent has.',
    );
  options(approvals.command('ls'))
    .summary('calls that wait for you, the oldest first')
    .description(
      'Calls that wait for somebody with a role of yours, and your own that wait, the oldest first.',
    )
    .option('--limit <count>', 'rows at most', wholeNumber(1, limits.viewRows))
    .addHelpText('after', LS_HELP)
    .action(ls);
  options(approvals.command('show <call>'))
    .summary('one of them with everything an approval is for')
    .description(
      'One held call: who asked for it and through whom, its arguments as they were hashed, who would do it and who else could, the rules that hold it, the votes, and the digest of all that.',
    )
    .addHelpText('after', SHOW_HELP)
    .action(show);
  voteOptions(approvals.command('approve <call>'))
    .summary('say yes to exactly what you were shown')
    .description(
      'Say yes. It counts for exactly what has this digest, once, until it expires; when enough have said yes the call goes through the whole chain again, under the policy of now.',
    )
    .addHelpText('after', APPROVE_HELP)
    .action((call: string, given: VoteOptions) => vote('approve', call, given));
  voteOptions(approvals.command('deny <call>'))
    .summary('say no: the call ends as refused')
    .description(
      'Say no. One is enough: the call ends as refused, and its caller is told who denied it and why.',
    )
    .addHelpText('after', DENY_HELP)
    .action((call: string, given: VoteOptions) => vote('deny', call, given));
}

const LS_HELP = `
Examples:
  $ mesh approvals ls
  $ mesh approvals ls --as ann --json`;

const SHOW_HELP = `
Examples:
  $ mesh approvals show me.01jd9zq0c3w8k5v7x2m4n6p8r0 --as ann
  $ mesh approvals show me.01jd9zq0c3w8k5v7x2m4n6p8r0 --as ann --json`;

const EXITS = `
Exits with 0 when the vote counts (which says nothing yet of the call: see mesh calls show), 3 when it was refused,
1 when there is no such call.`;

const APPROVE_HELP = `
Examples:
  $ mesh approvals approve me.01jd9zq0c3w8k5v7x2m4n6p8r0 --digest 9f86d0…
${EXITS}`;

const DENY_HELP = `
Examples:
  $ mesh approvals deny me.01jd9zq0c3w8k5v7x2m4n6p8r0 --digest 9f86d0… --reason 'not this year'
${EXITS}`;

function options(command: Command): Command {
  return withSettings(command, ...CONNECTS, 'users.caller').option('--json', 'print one JSON line');
}

function voteOptions(command: Command): Command {
  return options(command)
    .requiredOption('--digest <digest>', 'what you say it to: the digest that mesh approvals show ends with')
    .option('--reason <text>', 'why, for the records');
}

async function ls(given: ListOptions): Promise<void> {
  const page = await ask<ApprovalsPage>(given, 'ls', given.limit === undefined ? {} : { limit: given.limit });
  if (given.json === true) {
    return sayJson(page);
  }
  if (page.approvals.length === 0) {
    return note('nothing waits for you');
  }
  const now = Date.now();
  say(
    ...table(
      page.approvals.map((row) => cells(row, now)),
      ['id', 'capability', 'agent', 'since', 'until', 'missing', 'you'],
    ),
  );
  if (page.truncated === true) {
    note('These are not all; --limit shows more.');
  }
}

function cells(row: ApprovalRow, now: number): string[] {
  const mine = row.voted ?? (row.notEntitled === undefined ? 'may decide' : 'may not decide');
  return [
    idOf(row),
    safe(row.capability),
    safe(row.agent),
    `${duration(Math.max(0, now - row.since))} ago`,
    leftOf(row, now),
    safe(missingOf(row)),
    paint.dim(mine),
  ];
}

async function show(name: string, given: ContextOptions): Promise<void> {
  const page = await ask<ApprovalPage>(given, 'show', named(name));
  if (given.json === true) {
    sayJson(page);
  } else {
    say(...describeHeld(page));
  }
}

async function vote(what: 'approve' | 'deny', name: string, given: VoteOptions): Promise<void> {
  const { digest, reason, json } = given;
  if (!/^[0-9a-f]{64}$/.test(digest)) {
    throw meshError('usage', { why: 'a digest is 64 of 0-9 a-f: mesh approvals show ends with it' });
  }
  const asked = { ...named(name), digest, ...(reason === undefined ? {} : { reason }) };
  const page = await ask<VotedPage>(given, what, asked);
  if (json === true) {
    return sayJson(page);
  }
  switch (page.state) {
    case 'approved':
      return say(
        `approved: ${name} goes through the chain again (mesh calls show ${name.slice(name.indexOf('.') + 1)})`,
      );
    case 'denied':
      return say(`denied: ${name} ends as refused`);
    case 'waits':
      return say(`recorded; still missing: ${safe(missingOf(page))}`);
  }
}

/** `from.call`. Throws usage. */
function named(name: string): Required<Pick<ApprovalRequest, 'from' | 'call'>> {
  const dot = name.indexOf('.');
  const call = name.slice(dot + 1);
  if (dot < 1 || !isCallId(call)) {
    throw meshError('usage', { why: 'name the call as mesh approvals ls does: caller.id' });
  }
  return { from: asToken(name.slice(0, dot), 'who called'), call };
}

async function ask<T>(given: ContextOptions, what: What, body: ApprovalRequest): Promise<T> {
  const { url, credentials } = openContext(given, 'me');
  const from = asToken(credentials.name, 'the name in the credentials');
  const nc = await connectBroker({ url, name: from, seed: credentials.seed });
  try {
    return await askControl<T>(nc, subject.approval({ from, what: what as Token }), body);
  } finally {
    await nc.close();
  }
}
