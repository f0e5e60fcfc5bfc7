/**
 * A call on its way through the chain: what came in, and what each guard has proven about it so far.
 */
import type { HeaderBlock } from '../wire/headers.js';
import type { Json } from '../wire/json.js';
import type { Capability, Token } from '../wire/names.js';
import type { Ticket } from '../wire/generated/messages.js';
import type { Policy } from '../domain/policy.js';
import type { Entry, Registry } from '../domain/registry.js';
import type { Instance } from '../domain/roster.js';
import type { Router } from '../domain/routing.js';
import type { KeyRing } from '../wire/keyring.js';

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
  // decode
  id: string;
  who: Token;
  what: Capability;
  bornMs: number;
  major: number | undefined;
  value: Json;
  context: string | undefined;
  intent: string | undefined;
  bodyRef: string | undefined;
  parts: string | undefined;
  labels: { [key: string]: string } | undefined;
  child: number | undefined;
  // ticket
  ticket: Ticket | undefined;
  root: string;
  chain: string[];
  // deadline
  deadlineMs: number;
  // resolve
  entry: Entry | undefined;
  expiresMs: number;
  // route
  instance: Instance | undefined;
}

/** What guards may look at. */
export interface World {
  readonly ring: KeyRing;
  readonly policy: Policy;
  readonly registry: Registry;
  readonly router: Router;
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
    ...(incoming.replay === undefined ? {} : { replay: incoming.replay }),
    nowMs,
    id: '',
    who: '' as Token,
    what: '' as Capability,
    bornMs: 0,
    major: undefined,
    value: null,
    context: undefined,
    intent: undefined,
    bodyRef: undefined,
    parts: undefined,
    labels: undefined,
    child: undefined,
    ticket: undefined,
    root: '',
    chain: [],
    deadlineMs: 0,
    entry: undefined,
    expiresMs: 0,
    instance: undefined,
  };
}
