/**
 * A call on its way through the chain: what came in, and what each guard has proven about it so far.
 */
import type { BodyType } from '../wire/content.js';
import type { HeaderBlock } from '../wire/headers.js';
import type { Json } from '../wire/json.js';
import type { Capability, Token } from '../wire/names.js';
import type { AnyAccount } from '../domain/rate/account.js';
import type { RateBook } from '../domain/rate/book.js';
import type { Priority } from '../wire/priority.js';
import type { Trace } from '../wire/trace.js';
import type { DecisionRecord, Ticket } from '../wire/generated/messages.js';
import type { BodyRef } from '../domain/body-ref.js';
import type { Policy } from '../domain/policy.js';
import type { CarriedGrant, GrantBook, OpenedGrant } from '../domain/grants/book.js';
import type { RevokedNames } from '../domain/revoked.js';
import type { Entry, Registry } from '../domain/registry.js';
import type { Instance } from '../domain/roster.js';
import type { Amounts } from '../domain/budget/amounts.js';
import type { Ask, Review, ReviewOf } from '../domain/reviews.js';
import type { Breakers } from '../domain/care/breakers.js';
import type { Routed } from '../domain/routing/chosen.js';
import type { Router } from '../domain/routing/router.js';
import type { Wish } from '../domain/routing/wish.js';
import type { Trees } from '../domain/care/trees.js';
import type { MeshError } from '../wire/errors.js';
import type { KeyRing } from '../wire/keyring.js';
import type { Budgeted, Till } from './till.js';

/**
 * What a gateway found when it read a body that comes by reference, before the call went through the chain: guards
 * never wait. Either why it cannot be used, or that it was held against the contract of this digest (raw bytes: that
 * it is there).
 */
export type FoundBody =
  | { readonly error: MeshError }
  | { readonly contract: string; readonly errors: readonly string[] | undefined };

/** A yes to a held call: what it is for, and who said it. The guard of the policy looks whether it fits. */
export interface Approved {
  /** Digest of everything that was approved. */
  readonly digest: string;
  readonly by: readonly string[];
  /** When it was found to be enough, and until when it counts, in epoch ms. */
  readonly at: number;
  readonly expires: number;
  /** Names of the rules that held it. */
  readonly rules?: readonly string[];
  /** Who is to do it, and the digest of their card. */
  readonly agent: string;
  readonly card: string;
}

/** What reviewing agents said of a call, and what exactly that is about. The guard of the policy looks whether it fits. */
export interface Answers {
  /** Digest of everything that they were asked about. */
  readonly digest: string;
  /** Who would do it: another agent was not asked about. */
  readonly agent: string;
  readonly reviews: readonly Review[];
  /** How often they were asked because it had changed. */
  readonly rounds: number;
}

/** What the gateway received. `from` and `capability` are the raw tokens of the subject. */
export interface Incoming {
  readonly from: string;
  readonly capability: string;
  readonly headers: Pick<HeaderBlock, 'get'>;
  /** Size of the header block, where it came from outside. */
  readonly headerBytes?: number;
  readonly body: Uint8Array;
  /** The id to use when the message carries none (only an ask may). */
  readonly mintedId?: string;
  /** Set for a body by reference. */
  readonly found?: FoundBody;
  /** Set for a held call that was approved. */
  readonly approved?: Approved;
  /** Set for a call that reviewing agents were asked about. */
  readonly answers?: Answers;
  /** It is a review. Only the gateway itself can say so. */
  readonly review?: ReviewOf;
  /** It runs a dead call again, at the wish of an operator. Only the gateway itself can say so. */
  readonly replay?: Replay;
}

/** A dead call that is run again. */
export interface Replay {
  /** `from.call` of the dead one. */
  readonly of: string;
  /** Its idempotency key: an effect that it made is not made again. */
  readonly key: string;
  /** The operator who asked. */
  readonly by: string;
  /** Who the dead call was done for; unknown when it was never decided. */
  readonly chain: readonly string[] | undefined;
}

/** Facts about the call, filled in guard by guard. */
export interface Draft extends Incoming {
  readonly nowMs: number;
  // sight: what the call brings of a trace, when it came in (monotonic ms), and, when it is timed, what each guard took
  trace: Trace | undefined;
  enteredMs: number;
  guardUs: number[] | undefined;
  /** The guard that ended the chain. */
  guard: string | undefined;
  // decode
  id: string;
  who: Token;
  what: Capability;
  bornMs: number;
  major: number | undefined;
  value: Json;
  context: string | undefined;
  intent: string | undefined;
  type: BodyType;
  /** The reference of the body as it came, and opened. */
  bodyRef: string | undefined;
  ref: BodyRef | undefined;
  parts: string | undefined;
  labels: { [key: string]: string } | undefined;
  /** What it says of its own priority. */
  said: Priority | undefined;
  child: number | undefined;
  /** What it wishes of its route. */
  wish: Wish | undefined;
  /** What its caller allows for it and everything below it. */
  allowed: Amounts | undefined;
  // ticket
  ticket: Ticket | undefined;
  /** `from.call` of the call whose task this is a part of. */
  parent: string | undefined;
  root: string;
  chain: string[];
  /** Priority of the call whose task this is a part of. */
  above: Priority | undefined;
  // the grant that the caller presents, and those in force: the ticket's and this one
  grant: OpenedGrant | undefined;
  /** Where the grant that the call presents comes from. */
  proof: DecisionRecord['proof'];
  grants: readonly CarriedGrant[] | undefined;
  /** Who of the chain no role lists, and whether a grant of theirs covers this call. */
  byGrant: Map<string, boolean> | undefined;
  // deadline
  deadlineMs: number;
  // tree: of child calls, what "the same bytes" means
  digest: string | undefined;
  // resolve
  entry: Entry | undefined;
  expiresMs: number;
  // route: who would do it, and which capability was asked for where this is its fallback
  instance: Instance | undefined;
  /** Who it was meant for when it was judged before. */
  meant: Token | undefined;
  insteadOf: Capability | undefined;
  /** Why it is this one, where more than the load was looked at. */
  routed: Routed | undefined;
  // policy: names of the rules that mattered, and what they bind the readers of the decision to
  rules: string[] | undefined;
  obligations: Record<string, string> | undefined;
  /** The approval that let it through. */
  approval: DecisionRecord['approval'];
  // rate: what it takes of the limits that it is under, and what it would have to borrow first
  priority: Priority;
  accounts: readonly AnyAccount[] | undefined;
  lacks: AnyAccount[] | undefined;
  /** What reviewing agents said before it is decided, and what they will be asked before its outcome is final. */
  reviews: readonly Review[] | undefined;
  asks: Ask[] | undefined;
  /** What is reserved with its decision; undefined: the policy names no budgets. */
  budget: Budgeted | undefined;
}

/** What guards may look at. */
export interface World {
  readonly ring: KeyRing;
  readonly policy: Policy;
  readonly grants: GrantBook;
  readonly revoked: RevokedNames;
  readonly registry: Registry;
  readonly router: Router;
  /** Missing where nothing is reserved: interceptors judge other stages. */
  readonly budget?: Till | undefined;
  /** What is counted of trees of calls; missing where no calls are decided. */
  readonly trees?: Trees | undefined;
  /** Agents that get no calls for now; missing where nobody is chosen. */
  readonly breakers?: Breakers | undefined;
  /** What is counted of the limits of the policy; missing where no calls are decided. */
  readonly rates?: { readonly book: RateBook; nowMs(): number } | undefined;
}

/** Start a draft. Nothing of it is proven. */
export function draftOf(incoming: Incoming, nowMs: number): Draft {
  return {
    from: incoming.from,
    capability: incoming.capability,
    headers: incoming.headers,
    body: incoming.body,
    headerBytes: incoming.headerBytes ?? 0,
    ...(incoming.mintedId === undefined ? {} : { mintedId: incoming.mintedId }),
    ...(incoming.found === undefined ? {} : { found: incoming.found }),
    ...(incoming.approved === undefined ? {} : { approved: incoming.approved }),
    ...(incoming.answers === undefined ? {} : { answers: incoming.answers }),
    ...(incoming.review === undefined ? {} : { review: incoming.review }),
    ...(incoming.replay === undefined ? {} : { replay: incoming.replay }),
    nowMs,
    trace: undefined,
    enteredMs: 0,
    guardUs: undefined,
    guard: undefined,
    id: '',
    who: '' as Token,
    what: '' as Capability,
    bornMs: 0,
    major: undefined,
    value: null,
    context: undefined,
    intent: undefined,
    type: 'json',
    bodyRef: undefined,
    ref: undefined,
    parts: undefined,
    labels: undefined,
    said: undefined,
    child: undefined,
    wish: undefined,
    allowed: undefined,
    ticket: undefined,
    parent: undefined,
    root: '',
    chain: [],
    above: undefined,
    grant: undefined,
    proof: undefined,
    grants: undefined,
    byGrant: undefined,
    deadlineMs: 0,
    digest: undefined,
    entry: undefined,
    expiresMs: 0,
    instance: undefined,
    meant: undefined,
    insteadOf: undefined,
    routed: undefined,
    rules: undefined,
    obligations: undefined,
    approval: undefined,
    priority: 'normal',
    accounts: undefined,
    lacks: undefined,
    reviews: undefined,
    asks: undefined,
    budget: undefined,
  };
}
