/**
 * A held call on paper, for whoever decides about it: laid out from the bytes that were hashed.
 */
import type { ApprovalPage, ApprovalRow } from '../../control/approvals/pages.js';
import { duration } from '../calls/ask.js';
import { idOf } from '../calls/tree.js';
import { bodyLines } from '../laid/describe.js';
import { paint, safe, table } from '../output.js';

const NOT_ENTITLED = {
  role: 'no rule that holds it names a role of yours',
  requester: 'you made the call',
  chain: 'it is made on your behalf',
  agent: 'you would do it',
  machine: 'an agent cannot approve',
} as const;

/** What an approval is still missing. */
export function missingOf({ missing }: Pick<ApprovalRow, 'missing'>): string {
  const asked = missing.map(({ approvers, have, need }) => `${have} of ${need} by ${approvers.join(' or ')}`);
  return asked.length === 0 ? 'nothing any more' : asked.join(', and ');
}

/** The time that is left. */
export function leftOf({ expires }: Pick<ApprovalRow, 'expires'>, now: number): string {
  return expires < now ? 'over' : `in ${duration(expires - now)}`;
}

/** Everything that the digest stands for, and what is around it. */
export function describeHeld(page: ApprovalPage): string[] {
  const now = Date.now();
  const rows: string[][] = [
    ['held', `${duration(Math.max(0, now - page.since))} ago, expires ${leftOf(page, now)}`],
    ...page.rules.map(({ rule, reason }) => [
      'rule',
      safe(reason === undefined ? rule : `${rule}: ${reason}`),
    ]),
    ['still missing', safe(missingOf(page))],
    [
      'asked for by',
      safe([...page.chain, page.from].filter((one, i, all) => one !== all[i - 1]).join(' → ')),
    ],
    ['would be done by', `${safe(page.agent)} ${paint.dim(`card ${page.card}`)}`],
    ['others who could', safe(page.alternatives.map(({ agent }) => agent).join(', ')) || 'nobody'],
    ...(['major', 'labels', 'intent', 'context'] as const).flatMap((key) => {
      const said = page[key];
      return said === undefined ? [] : [[key, safe(said)]];
    }),
    ...(page.grant === undefined ? [] : [['grant', 'the caller presents one']]),
    ['policy', page.policy],
    ['arguments', `${page.bytes} bytes ${paint.dim(`digest ${page.arguments}`)}`],
  ];
  const { body, bytes } = page;
  return [
    `${paint.bold(safe(page.capability))} ${idOf(page)}`,
    ...table(rows).map((line) => `  ${line}`),
    '',
    ...(body === undefined ? ['by reference: not shown here'] : bodyLines({ bytes, body }, page.contentType)),
    ...votesOf(page, now),
    '',
    ...nextOf(page),
  ];
}

function votesOf({ votes }: ApprovalPage, now: number): string[] {
  const rows = votes.map(({ by, vote, reason = '', at }) => [
    `  ${safe(by)}`,
    vote === 'approve' ? paint.green(vote) : paint.red(vote),
    `${duration(Math.max(0, now - at))} ago`,
    safe(reason),
  ]);
  return rows.length === 0 ? [] : ['', 'votes', ...table(rows)];
}

function nextOf(page: ApprovalPage): string[] {
  if (page.stale !== undefined) {
    return [paint.yellow(`The ${page.stale} has changed since: approved, it is refused as approval_stale.`)];
  }
  if (page.voted !== undefined) {
    return [`You said: ${page.voted}.`];
  }
  if (page.notEntitled !== undefined) {
    return [`You may not decide: ${NOT_ENTITLED[page.notEntitled]}.`];
  }
  return [
    `${paint.dim('what now:')} mesh approvals approve ${idOf(page)} --digest ${page.digest}`,
    `${paint.dim('or:')}       mesh approvals deny ${idOf(page)} --digest ${page.digest} --reason '…'`,
  ];
}
