/**
 * What the approval service answers. The command line reads the same types.
 */
import type { Missing, NotEntitled } from '../../domain/approvals.js';
import type { ParkedRecord } from '../../wire/generated/messages.js';

/** One held call. */
export interface ApprovalRow {
  /** Where it lies in PARKED. */
  readonly seq: number;
  readonly from: string;
  readonly call: string;
  readonly capability: string;
  /** The agent that would do it. */
  readonly agent: string;
  /** When it was held, and until when it may be approved, in epoch ms. */
  readonly since: number;
  readonly expires: number;
  /** What an approver says yes or no to. */
  readonly digest: string;
  /** The rules that have not enough approvals yet. */
  readonly missing: readonly Missing[];
  /** What the asker said of it already. */
  readonly voted?: 'approve' | 'deny';
  /** Why the asker may not vote on it. */
  readonly notEntitled?: NotEntitled;
}

/** `ls`: the oldest first. */
export interface ApprovalsPage {
  readonly truncated?: true;
  /** Ask with this as `after` for the following page. */
  readonly next?: number;
  readonly approvals: readonly ApprovalRow[];
}

/** Somebody else who could do it. */
export interface Alternative {
  readonly agent: string;
  readonly version: string;
  readonly proficiency: string;
  readonly costMicros: number;
  readonly instances: number;
}

/** `show`: everything that the digest stands for, and what is around it. */
export interface ApprovalPage extends ApprovalRow {
  /** Root principal, then agent/capability of each task that led here. */
  readonly chain: readonly string[];
  readonly root: string;
  readonly policy: string;
  readonly rules: NonNullable<ParkedRecord['approval']>['rules'];
  /** Digest of capability and arguments, and of the card. */
  readonly arguments: string;
  readonly card: string;
  readonly major?: string;
  readonly labels?: string;
  readonly intent?: string;
  readonly context?: string;
  readonly contentType?: string;
  /** The caller presents a grant with it. */
  readonly grant?: true;
  /** The arguments themselves, in base64, cut when they are large; missing when they come by reference. */
  readonly body?: string;
  readonly bytes: number;
  readonly alternatives: readonly Alternative[];
  readonly votes: readonly {
    readonly by: string;
    readonly vote: 'approve' | 'deny';
    readonly reason?: string;
    readonly at: number;
  }[];
  /** What has changed since it was held, so that it will be refused when it is approved. */
  readonly stale?: 'policy' | 'card';
}

/** `approve`, `deny`: the vote is durable; this is what all votes say together now. */
export interface VotedPage {
  readonly state: 'approved' | 'denied' | 'waits';
  readonly digest: string;
  readonly missing: readonly Missing[];
}
