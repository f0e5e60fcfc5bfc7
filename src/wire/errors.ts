/**
 * Errors are data: a closed set of codes (`schemas/errors.json`), each with its class, what a retry means, one
 * sentence and what to do now. The cause stays on this side of the wire.
 */
import { errorTable, type ErrorCode, type ErrorClass, type Retry } from './generated/errors.js';
import type { ErrorBody } from './generated/messages.js';

export type { ErrorCode, ErrorClass, Retry } from './generated/errors.js';

/** Facts that fill the `{placeholders}` of the message; they are sent as `details`. */
export type Facts = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** The one error class. `message` begins with the code in brackets; `cause` never leaves the process. */
export class MeshError extends Error {
  readonly code: ErrorCode;
  readonly class: ErrorClass;
  readonly retry: Retry;
  readonly help: string;
  /** The sentence without the code. */
  readonly sentence: string;
  readonly details: Facts;
  /** The call id, where one was readable. */
  call: string | undefined;
  /** The status of the outcome, when the error is one: refused, failed, expired, cancelled or unknown. */
  status: string | undefined;

  constructor(code: ErrorCode, sentence: string, details: Facts, call?: string, cause?: unknown) {
    super(`[${code}] ${sentence}`, cause === undefined ? undefined : { cause });
    const row = errorTable[code];
    this.name = 'MeshError';
    this.code = code;
    this.class = row.class;
    this.retry = row.retry;
    this.help = row.help;
    this.sentence = sentence;
    this.details = details;
    this.call = call;
  }

  /** When it may have a chance, in ms from now, where the mesh said so: there was too much at once. */
  get retryAfterMs(): number | undefined {
    const value = this.details['retry_after_ms'];
    return typeof value === 'number' && value > 0 ? value : undefined;
  }

  /** The error as it crosses the wire: no stack, no cause. */
  toBody(): ErrorBody {
    return {
      code: this.code,
      class: this.class,
      retry: this.retry,
      message: this.sentence,
      help: this.help,
      ...(this.call === undefined ? {} : { call: this.call }),
      ...(Object.keys(this.details).length === 0 ? {} : { details: { ...this.details } }),
    };
  }
}

/** Make an error from its code and the facts of the case. */
export function meshError(code: ErrorCode, facts: Facts = {}, cause?: unknown): MeshError {
  const sentence = errorTable[code].message.replace(/\{(\w+)\}/g, (_, key: string) => {
    const value = facts[key];
    return value === undefined ? '' : Array.isArray(value) ? value.join('; ') : String(value);
  });
  return new MeshError(code, sentence, facts, undefined, cause);
}

/** Read an error that came over the wire. A code this version does not know becomes `internal`. */
export function fromBody(body: unknown): MeshError {
  const b = (typeof body === 'object' && body !== null ? body : {}) as Partial<ErrorBody>;
  const known = typeof b.code === 'string' && Object.hasOwn(errorTable, b.code);
  const code = known ? (b.code as ErrorCode) : 'internal';
  const sentence = typeof b.message === 'string' ? b.message : 'an error without a message';
  return new MeshError(code, sentence, (b.details ?? {}) as Facts, b.call);
}

/** Any thrown value as a MeshError; what is not ours becomes `internal` and keeps its cause here. */
export function asMeshError(err: unknown, where: string): MeshError {
  return err instanceof MeshError ? err : meshError('internal', { where }, err);
}
