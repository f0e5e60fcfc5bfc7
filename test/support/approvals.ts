/**
 * What tests of approvals share: the votes of people as the wire has them, the records of held calls, and a judge of
 * races who is told only what can be seen from outside.
 */
import type { ApprovalPage, ApprovalsPage, VotedPage } from '../../src/control/approvals/pages.js';
import type { NatsConnection } from '../../src/fabric/connection.js';
import { tail } from '../../src/fabric/reader.js';
import type { DecisionRecord, ParkedRecord } from '../../src/wire/generated/messages.js';
import { header } from '../../src/wire/headers.js';
import { until } from './mesh.js';
import { ask, type Answer } from './views.js';

/** One person at the approval service. */
export interface Person {
  ls(asked?: object): Promise<Answer<ApprovalsPage>>;
  show(from: string, call: string): Promise<Answer<ApprovalPage>>;
  /** The answer; `code` when it was refused. */
  vote(what: 'approve' | 'deny', on: Shown, reason?: string): Promise<Answer<VotedPage>>;
}

/** What a person was shown. */
export interface Shown {
  readonly from: string;
  readonly call: string;
  readonly digest: string;
}

/** Speak as this user. */
export function person(nc: NatsConnection, name: string): Person {
  const to = (what: string) => `approval.${name}.${what}`;
  return {
    ls: (asked = {}) => ask(nc, to('ls'), asked),
    show: (from, call) => ask(nc, to('show'), { from, call }),
    vote: (what, { from, call, digest }, reason) =>
      ask(nc, to(what), { from, call, digest, ...(reason === undefined ? {} : { reason }) }),
  };
}

/** The records of a mesh, as they are stored. */
export interface Books {
  /** All decisions of a call. */
  decided(call: string): readonly DecisionRecord[];
  /** The parked record of a held call, once it is there. */
  held(call: string): Promise<ParkedRecord>;
  stop(): void;
}

/** Follow decisions and held calls. */
export async function openBooks(operator: NatsConnection): Promise<Books> {
  const decisions = new Map<string, DecisionRecord[]>();
  const parked = new Map<string, ParkedRecord>();
  const stops = [
    await tail(operator, 'DECISIONS', (m) => {
      const one = JSON.parse(m.headers.get(header.record) ?? '{}') as DecisionRecord;
      decisions.set(one.call, [...(decisions.get(one.call) ?? []), one]);
    }),
    await tail(operator, 'PARKED', (m) => {
      const one = JSON.parse(m.headers.get(header.record) ?? '{}') as ParkedRecord;
      if (one.why === 'approval') {
        parked.set(one.call, one);
      }
    }),
  ];
  return {
    decided: (call) => decisions.get(call) ?? [],
    held: (call) => until(() => parked.get(call)),
    stop: () => stops.forEach((stop) => stop()),
  };
}

/** What can be seen of one raced call when it is over. */
export interface Raced {
  readonly call: string;
  /** What the approvers were shown. */
  readonly digest: string;
  readonly argumentsDigest: string;
  readonly status: string;
  readonly code: string | undefined;
  readonly decisions: readonly DecisionRecord[];
  /** Digest of capability and body of each run of the handler. */
  readonly runs: readonly string[];
  /** Votes that control took as durable. */
  readonly approvals: readonly string[];
  readonly denials: readonly string[];
}

/** What is wrong with it; empty when all is right. */
export function judgeRace(raced: Raced): string[] {
  const { decisions, runs, digest, argumentsDigest, status, approvals, denials, code } = raced;
  const [decision] = decisions;
  const wrong: string[] = [];
  const must = (ok: boolean, what: string): unknown => ok || wrong.push(what);
  must(decisions.length === 1, `${decisions.length} decisions`);
  must(runs.length <= 1, `executed ${runs.length} times`);
  must(
    runs.every((one) => one === argumentsDigest),
    'executed with other arguments than were shown',
  );
  must((status === 'completed') === (runs.length === 1), `${status}, executed ${runs.length} times`);
  // A cancel that comes while the decision is made durable ends it before it is given out.
  const allowed = status === 'completed' || (status === 'cancelled' && decision?.verdict === 'allow');
  must((decision?.verdict === 'allow') === allowed, `decided ${decision?.verdict}, ${status}`);
  if (decision?.verdict === 'allow') {
    must(decision.approval?.digest === digest, 'the digest of the decision is not the one that was approved');
    must(
      decision.digest === argumentsDigest,
      'the arguments of the decision are not those that were approved',
    );
    const by = decision.approval?.by ?? [];
    must(by.length > 0 && by.every((who) => approvals.includes(who)), 'approved by somebody who did not');
  }
  must(code !== 'approval_denied' || denials.length > 0, 'denied, and nobody did');
  return wrong.map((what) => `${raced.call}: ${what}`);
}
