/**
 * The form of calls and outcomes on the wire.
 */
import { callDigest } from '../wire/digest.js';
import { contentTypeOf } from '../wire/content.js';
import { fromBody, meshError, type MeshError } from '../wire/errors.js';
import type { OutcomeRecord } from '../wire/generated/messages.js';
import { header, headerText } from '../wire/headers.js';
import { isToken, type Capability } from '../wire/names.js';
import type { SentBody } from './large.js';
import type { CallOptions, Outcome } from './options.js';
import type { Pending } from './pending.js';

/** What a child call carries of its task. */
export interface ParentTask {
  readonly ticket: string;
  readonly deadline: number;
  readonly signal: AbortSignal;
  nextChild(): number;
}

/** One call as it is wanted. Instants in epoch ms. */
export interface Wish {
  readonly id: string;
  readonly capability: Capability;
  readonly options: CallOptions;
  readonly parent: ParentTask | undefined;
  readonly deadline: number;
  readonly acceptUntil: number;
}

/** The header block of a call. Throws header_invalid. */
export function callHeaders({ id, deadline, options: o, parent }: Wish, sent: SentBody): string {
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
    [header.contentType, contentTypeOf(sent.type)],
    [header.bodyRef, sent.ref],
  ]);
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

/** A completed outcome. */
export function outcomeOf(record: OutcomeRecord, value: unknown): Outcome<unknown> {
  const { call, agent = '', attempt, seq } = record;
  return { value, call, agent, attempt, seq };
}

/** What tells two calls of one id apart. */
export function digestOf(p: Pending): string {
  return callDigest(p.capability, p.body, p.bodyDigest);
}

/** The error that an outcome is. */
export function outcomeError(record: OutcomeRecord, body: Uint8Array): MeshError {
  const error = fromBody(JSON.parse(Buffer.from(body).toString() || '{}'));
  error.status = record.status;
  error.call = record.call;
  return error;
}
