/**
 * What a call says: its subject, its body, its headers, and how long it has.
 */
import { readWish } from '../domain/routing/wish.js';
import { contentTypeOf } from '../wire/content.js';
import { meshError, type MeshError } from '../wire/errors.js';
import { subject } from '../wire/generated/subjects.js';
import { header, headerText } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import { asCapability, isToken, type Capability, type Token } from '../wire/names.js';
import { partsText, type PartsWish } from '../wire/parts.js';
import { birthOf, isCallId } from '../wire/ulid.js';
import type { TransferBounds } from './bodies.js';
import type { Introductions } from './introductions.js';
import type { SentBody } from './large.js';
import type { CallOptions, Outcome } from './options.js';
import type { PartsIn } from './parts-in.js';
import type { Pending } from './pending.js';
import type { Running, Spans, TraceHeaders } from './spans.js';

/** What a child call carries of its task. */
export interface ParentTask {
  readonly ticket: string;
  readonly deadline: number;
  readonly signal: AbortSignal;
  readonly trace: TraceHeaders;
  nextChild(): number;
}

/** A call as it is asked for. */
export interface Request {
  readonly id: string;
  readonly capability: string;
  readonly body: unknown;
  readonly options: CallOptions;
  readonly parent: ParentTask | undefined;
  /** Who takes its partial outputs, if anybody does. */
  readonly parts?: PartsIn | undefined;
  /** Partial outputs that are taken later, by `watch`. */
  readonly wish?: PartsWish | undefined;
  readonly onAccepted?: () => void;
}

/** How its end is told. */
export interface Ending {
  readonly resolve: (outcome: Outcome<never>) => void;
  readonly reject: (error: MeshError) => void;
}

/** How long there is for it. Throws call_id_invalid, name_invalid. */
export function boundsOf({ id, capability, options, parent }: Request): TransferBounds {
  checkId(id);
  asCapability(capability);
  const now = Date.now();
  // A life is counted from the birth of the id, which may be a millisecond ago: a time-out as long as it must fit.
  const born = options.id === undefined ? birthOf(id) : now;
  const own = born + (options.timeoutMs ?? limits.deadlineDefaultMs);
  return {
    deadline: parent === undefined ? own : Math.min(own, parent.deadline - limits.childReserveMs),
    acceptUntil: now + (options.acceptMs ?? (parent === undefined ? limits.acceptMs : Infinity)),
    signal: options.signal ?? parent?.signal,
  };
}

/** Who makes requests. */
export interface Speaker {
  readonly me: Token;
  readonly spans: Spans;
  readonly introductions: Introductions;
}

/** What a request is sent with. */
export interface Sending {
  readonly bounds: TransferBounds;
  readonly sent: SentBody;
  readonly ending: Ending;
}

/** The call with its body as it is sent. Throws header_invalid. */
export function pendingOf(speaker: Speaker, request: Request, { bounds, sent, ending }: Sending): Pending {
  const { id, capability, options, parent, parts, onAccepted } = request;
  const { me, spans, introductions } = speaker;
  const span = spans.call(id, capability, me, parent?.trace);
  const text = options.grant === undefined ? undefined : grantOf(options.grant);
  const grant = text === undefined ? undefined : introductions.of(text);
  return {
    id,
    chosen: options.id !== undefined,
    capability,
    deadline: bounds.deadline,
    graceMs: limits.recallGraceMs,
    acceptUntil: bounds.acceptUntil + (sent.tookMs ?? 0),
    to: subject.call({ from: me, capability: capability as Capability }),
    body: sent.bytes,
    bodyDigest: sent.digest,
    headers: headersOf(request, bounds.deadline, sent, span, grant),
    span,
    resolve: ending.resolve as Pending['resolve'],
    reject: grant === text ? ending.reject : endingOfUnknown(introductions, ending),
    accepted: false,
    tries: 0,
    looks: 0,
    nextMs: 0,
    cleanUp: undefined,
    parts,
    onAccepted,
  };
}

/** The mesh does not keep what it said it keeps: the next call presents the text. */
function endingOfUnknown(introductions: Introductions, { reject }: Ending): Ending['reject'] {
  return (error) => {
    if (error.code === 'grant_unknown') {
      introductions.forget();
    }
    reject(error);
  };
}

/** A call that was made before: only its outcome is waited for. Throws call_id_invalid. */
export function awaited(
  id: string,
  timeoutMs: number,
  parts: PartsIn | undefined,
  { resolve, reject }: Ending,
): Pending {
  checkId(id);
  return {
    id,
    chosen: false,
    capability: '',
    deadline: Date.now() + timeoutMs,
    graceMs: 0,
    acceptUntil: 0,
    to: '',
    body: new Uint8Array(0),
    bodyDigest: undefined,
    headers: '',
    span: undefined,
    resolve: resolve as Pending['resolve'],
    reject,
    accepted: true,
    tries: 0,
    looks: 0,
    nextMs: 0,
    cleanUp: undefined,
    parts,
    onAccepted: undefined,
  };
}

/** Throws call_id_invalid. */
export function checkId(id: string): void {
  if (!isCallId(id)) {
    throw meshError('call_id_invalid', { value: JSON.stringify(id.slice(0, 64)) });
  }
}

function headersOf(
  { id, options: o, parent, parts, wish = parts?.wish }: Request,
  deadline: number,
  sent: SentBody,
  span: Running,
  grant: string | undefined,
): string {
  const labels = o.labels === undefined ? undefined : Object.entries(o.labels).map(labelOf);
  return headerText([
    [header.call, id],
    [header.deadline, Math.floor(deadline)],
    [header.ticket, parent?.ticket],
    [header.child, parent?.nextChild()],
    [header.major, o.major],
    [header.context, o.context],
    [header.intent, o.intent],
    [header.labels, labels?.join(',')],
    [header.priority, o.priority],
    ...wishOf(o),
    [header.parts, wish === undefined ? undefined : partsText(wish)],
    [header.contentType, contentTypeOf(sent.type)],
    [header.bodyRef, sent.ref],
    [header.traceparent, span.traceparent],
    [header.tracestate, span.tracestate],
    [header.grant, grant],
  ]);
}

/** Nearly no call has a wish. Throws header_invalid. */
function wishOf({ route, difficulty }: CallOptions): [string, string | undefined][] {
  return readWish(route, difficulty) === undefined
    ? []
    : [
        [header.route, route],
        [header.difficulty, difficulty],
      ];
}

/** A connection presents the same grant again and again. */
let lastGrant: string | undefined;
const GRANT = /^[A-Za-z0-9._~-]+$/;

/** The grant as a header takes it. Throws grant_unreadable, grant_too_large. */
export function grantOf(text: string): string {
  if (text === lastGrant) {
    return text;
  }
  const grant = text.trim();
  if (grant.length > limits.grantBytes) {
    const facts = { link: 0, dimension: 'length', have: grant.length, max: limits.grantBytes };
    throw meshError('grant_too_large', facts);
  }
  if (!GRANT.test(grant)) {
    throw meshError('grant_unreadable', { link: 0, dimension: 'form', why: 'it is not links joined by ~' });
  }
  lastGrant = grant;
  return grant;
}

const LABEL = /^[\x20-\x2b\x2d-\x7e]{1,128}$/;

function labelOf([key, value]: [string, string]): string {
  if (!isToken(key) || !LABEL.test(value)) {
    throw meshError('header_invalid', {
      name: header.labels,
      why: `${key} is not a name with an ASCII value without commas`,
    });
  }
  return `${key}=${value}`;
}
