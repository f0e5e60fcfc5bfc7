/**
 * What views answer: the pages of control's view service. The command line reads the same types.
 */
import type { Amounts } from '../../domain/budget/amounts.js';
import type { Review } from '../../domain/reviews.js';
import type { Card, DeadRecord, ErrorBody, OutcomeRecord, Peer } from '../../wire/generated/messages.js';
import type { AttemptRow } from './attempt.js';
import type { Used } from '../../wire/usage.js';

/**
 * Where a call can stand: the status of its outcome, or
 * - `running`: decided, and no outcome yet;
 * - `parked`: it waits durably;
 * - `accepted`: it lies in CALLS and is not decided yet;
 * - `forgotten`: it is settled so long ago that the register has dropped its outcome.
 */
export const CALL_STATES = [
  'completed',
  'refused',
  'failed',
  'expired',
  'cancelled',
  'unknown',
  'running',
  'parked',
  'accepted',
  'forgotten',
] as const;

/** Where a call stands. */
export type CallState = (typeof CALL_STATES)[number];

/** Every page may be cut: `truncated` says that there is more than it shows. */
export interface Page {
  readonly truncated?: true;
}

/** One live instance, as its last beat told. */
export interface InstanceRow {
  readonly instance: string;
  readonly state: 'ready' | 'draining';
  readonly inFlight: number;
  readonly concurrency: number;
  /** Instant of its last beat in epoch ms. */
  readonly seenAt: number;
}

/** One agent in short. */
export interface AgentRow {
  readonly agent: string;
  /** A responder without the SDK. */
  readonly plain: boolean;
  /** Digest of its card. */
  readonly digest: string;
  readonly description: string;
  readonly capabilities: readonly { readonly name: string; readonly version: string }[];
  readonly instances: readonly InstanceRow[];
}

/** View `agents`. */
export interface AgentsPage extends Page {
  readonly agents: readonly AgentRow[];
}

/** View `agent`. */
export interface AgentPage extends Page {
  readonly agent: string;
  readonly plain: boolean;
  readonly digest: string;
  readonly card: Card;
  readonly instances: readonly InstanceRow[];
}

/** One call in short. */
export interface CallRow {
  readonly from: string;
  readonly call: string;
  readonly capability: string;
  readonly status: CallState;
  readonly code?: string;
  /** Who has it, or had it last. */
  readonly agent?: string;
  readonly instance?: string;
  readonly attempt: number;
  readonly root: string;
  readonly parent?: string;
  /** Context id across calls. */
  readonly context?: string;
  /** Instant of the last decision, or of parking, in epoch ms. */
  readonly at: number;
  /** From the last decision to the outcome. */
  readonly tookMs?: number;
  /** What it waits for. */
  readonly why?: string;
  /** Since when it waits (epoch ms). */
  readonly since?: number;
}

/** View `calls`: the newest first. */
export interface CallsPage extends Page {
  readonly calls: readonly CallRow[];
}

/** One call of a tree in full. */
export interface CallNode {
  readonly from: string;
  readonly call: string;
  readonly capability: string;
  readonly status: CallState;
  /** This is the call that was asked for. */
  readonly asked?: true;
  readonly parent?: string;
  /** Ordinal among the children of its parent. */
  readonly child?: number;
  readonly bornAt?: number;
  readonly deadline?: number;
  readonly idempotent?: boolean;
  readonly attempts: readonly AttemptRow[];
  /** From its birth to its first decision (or until now). Two clocks: never below zero. */
  readonly waitedMs?: number;
  /** What its last decision has reserved of each budget. */
  readonly reserved?: Amounts;
  /** From its first decision to its outcome (or until now). */
  readonly tookMs?: number;
  readonly outcome?: OutcomeRow;
  /** What a call that is not decided waits for, and since when. */
  readonly why?: string;
  readonly since?: number;
  /** Trace id. */
  readonly trace?: string;
  readonly sampled?: true;
  /** The guard that refused it. */
  readonly guard?: string;
  /** What each guard took, in the order of the chain, if it was sampled. */
  readonly guardUs?: readonly number[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly context?: string;
  readonly intent?: string;
  /** `from.call` of the dead call that it runs again, and the operator who asked for that; who approved a held one. */
  readonly replays?: string;
  readonly by?: string;
  readonly approval?: { readonly by: readonly string[]; readonly digest: string; readonly at: number };
  readonly review?: { readonly of: string; readonly rule: string };
  readonly reviews?: readonly Review[];
}

/** The outcome of a call, without the body of a result. */
export interface OutcomeRow extends Used, Pick<OutcomeRecord, 'charged'> {
  readonly status: OutcomeRecord['status'];
  readonly code?: string;
  readonly agent?: string;
  readonly instance?: string;
  readonly attempt: number;
  readonly at: number;
  /** When it was durable, by the server's clock. */
  readonly storedAt?: number;
  /** As it is stored. */
  readonly error?: ErrorBody;
}

/** View `call`: the whole tree of the asked call, in the order of first decisions. */
export interface CallPage extends Page {
  /** `from.call` of the root. */
  readonly root: string;
  readonly calls: readonly CallNode[];
}

/** One dead call. */
export interface DeadRow {
  /** Where it lies in DEAD. */
  readonly seq: number;
  readonly from: string;
  readonly call: string;
  readonly capability: string;
  readonly why: string;
  /** When it was given up, in epoch ms. */
  readonly at: number;
  /** Dispatches that failed. */
  readonly attempts: number;
  /** Size of its body. */
  readonly bytes: number;
  /** `from.call` of the dead call that it was made of. */
  readonly replays?: string;
  /** The rest of the record, when one call was asked for. */
  readonly history?: DeadRecord['history'];
  readonly chain?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** View `dead`: the oldest first. */
export interface DeadPage extends Page {
  /** Ask with this as `after` for the following page. */
  readonly next?: number;
  readonly dead: readonly DeadRow[];
}

/** One parked call. */
export interface ParkedRow {
  /** Where it lies in PARKED. */
  readonly seq: number;
  readonly from: string;
  readonly call: string;
  readonly capability: string;
  readonly root: string;
  readonly parent?: string;
  /** What it waits for. */
  readonly why: string;
  /** When it was parked, in epoch ms. */
  readonly at: number;
  readonly deadline?: number;
}

/** View `parked`: the oldest first. */
export interface ParkedPage extends Page {
  /** Ask with this as `after` for the following page. */
  readonly next?: number;
  readonly parked: readonly ParkedRow[];
}

/** How full a stream is. */
export interface StreamRow {
  readonly stream: string;
  readonly messages: number;
  readonly bytes: number;
  readonly percent: number;
}

/** View `state`. */
export interface StatePage extends Page {
  readonly gateways: readonly ({ readonly gateway: string } & Peer)[];
  /** Control process that leads, if any. */
  readonly supervisor?: string;
  /** Control process that answered. */
  readonly control: string;
  readonly streams: readonly StreamRow[];
  readonly parked: number;
  readonly agents: { readonly registered: number; readonly alive: number };
  readonly instances: number;
  /** Digest of the policy in force. */
  readonly policy: string;
}
