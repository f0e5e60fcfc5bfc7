/**
 * Large bodies: sent and fetched in chunks through the body service of the gateways, a few at a time, each
 * acknowledged before the next goes. Whoever fetches proves the digest.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Msg, NatsConnection } from '../fabric/connection.js';
import { headersOf, rawHeaders } from '../fabric/raw.js';
import { backoffMs } from '../domain/backoff.js';
import { parseBodyRef, type BodyRef } from '../domain/body-ref.js';
import { readBody, type EncodedBody } from '../wire/content.js';
import { bytesDigest } from '../wire/digest.js';
import { fromBody, meshError, type MeshError } from '../wire/errors.js';
import type { ErrorBody, UploadReply } from '../wire/generated/messages.js';
import { subject } from '../wire/generated/subjects.js';
import { encodeHeaders, header, type HeaderLines } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Token } from '../wire/names.js';

const EMPTY = new Uint8Array(0);

/** How long to try. Instants in epoch ms. */
export interface TransferBounds {
  /** The first word of a gateway must have come by then. */
  readonly acceptUntil: number;
  /** All of it must be done by then. */
  readonly deadline: number;
  readonly signal?: AbortSignal | undefined;
}

/** Sends and fetches large bodies over one connection. */
export class Bodies {
  readonly #nc: NatsConnection;
  readonly #me: Token;

  constructor(nc: NatsConnection, me: Token) {
    this.#nc = nc;
    this.#me = me;
  }

  /**
   * Store a body until this instant (epoch ms) and return the reference to put on a call or a result.
   * Throws body_quota, body_too_large, storage_full, unavailable, overloaded, cancelled, closed.
   */
  async upload({ type, bytes }: EncodedBody, until: number, bounds: TransferBounds): Promise<string> {
    const facts = { bytes: bytes.length, digest: bytesDigest(bytes), type, until: Math.floor(until) };
    const early = { ...bounds, deadline: Math.min(bounds.deadline, bounds.acceptUntil) };
    const begun = await this.#step('begin', Buffer.from(JSON.stringify(facts)), [], early, limits.callAckMs);
    const ref = begun.ref ?? '';
    try {
      const size = begun.chunkBytes ?? limits.chunkBytes;
      await inWindow(Math.ceil(bytes.length / size), async (chunk) => {
        const part = bytes.subarray((chunk - 1) * size, chunk * size);
        const lines: HeaderLines = [
          [header.bodyRef, ref],
          [header.chunk, chunk],
        ];
        await this.#step('chunk', part, lines, bounds, limits.chunkMs);
      });
      const end = await this.#step('end', EMPTY, [[header.bodyRef, ref]], bounds, limits.sealMs);
      return end.ref ?? '';
    } catch (err) {
      this.drop(ref);
      throw err;
    }
  }

  /**
   * Fetch what a reference on a task or an outcome names, decoded.
   * Throws body_ref_invalid, body_ref_foreign, body_missing, body_changed, unavailable, overloaded, closed.
   */
  async download(text: string, deadline: number): Promise<unknown> {
    const ref = parseBodyRef(text);
    if (ref === undefined || ref.bytes > limits.bodyRefBytes) {
      throw meshError('body_ref_invalid', { why: 'it is not a reference' });
    }
    const whole = Buffer.allocUnsafeSlow(ref.bytes);
    const to = subject.fetch({ from: this.#me });
    await inWindow(Math.ceil(ref.bytes / limits.chunkBytes), async (chunk) => {
      const lines: HeaderLines = [
        [header.bodyRef, text],
        [header.chunk, chunk],
      ];
      const msg = await this.#ask(to, EMPTY, lines, { acceptUntil: deadline, deadline }, limits.chunkMs);
      place(whole, msg.data, chunk, ref);
    });
    if (bytesDigest(whole) !== ref.digest) {
      throw meshError('body_changed', { body: ref.body, owner: ref.owner });
    }
    return readBody(ref.type, whole);
  }

  /** It is needed no more: room for others. Nobody waits for it, and its time ends it anyway. */
  drop(ref: string): void {
    const bounds = { acceptUntil: 0, deadline: 0 };
    this.#step('drop', EMPTY, [[header.bodyRef, ref]], bounds, limits.chunkMs).catch(() => undefined);
  }

  async #step(
    what: string,
    data: Uint8Array,
    lines: HeaderLines,
    bounds: TransferBounds,
    timeout: number,
  ): Promise<UploadReply> {
    const to = subject.upload({ from: this.#me, what: what as Token });
    return (await this.#ask(to, data, lines, bounds, timeout)).json<UploadReply>();
  }

  /** Ask, and again after a pause while there is time, when the answer is to come later or does not come at all. */
  async #ask(
    to: string,
    data: Uint8Array,
    lines: HeaderLines,
    { deadline, signal }: TransferBounds,
    timeout: number,
  ): Promise<Msg> {
    const headers = rawHeaders(encodeHeaders(lines));
    for (let tries = 1; ; tries++) {
      if (signal?.aborted === true) {
        throw meshError('cancelled');
      }
      const answer = await this.#nc.request(to, data, { timeout, headers }).catch((err: unknown) => err);
      const error = errorOf(answer, timeout, this.#nc.isClosed());
      if (error === undefined) {
        return answer as Msg;
      }
      const wait = backoffMs(tries, Math.random());
      const again = error.code === 'overloaded' || error.code === 'unavailable';
      if (!again || Date.now() + wait > deadline) {
        throw error;
      }
      await sleep(wait);
    }
  }
}

function errorOf(answer: unknown, waitedMs: number, closed: boolean): MeshError | undefined {
  if (answer instanceof Error) {
    const why = 'no gateway took it';
    return closed ? meshError('closed', {}, answer) : meshError('unavailable', { waitedMs, why }, answer);
  }
  const msg = answer as Msg;
  const refused = headersOf(msg).get(header.serviceErrorCode) !== undefined;
  return refused ? fromBody(msg.json<ErrorBody>()) : undefined;
}

function place(whole: Buffer, data: Uint8Array, chunk: number, ref: BodyRef): void {
  const at = (chunk - 1) * limits.chunkBytes;
  if (data.length !== Math.min(limits.chunkBytes, whole.length - at)) {
    throw meshError('body_changed', { body: ref.body, owner: ref.owner });
  }
  whole.set(data, at);
}

/** Run the work for 1 to `count`, `chunkWindow` at a time; the first failure ends it. */
async function inWindow(count: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 1;
  const runner = async (): Promise<void> => {
    while (next <= count) {
      await work(next++);
    }
  };
  await Promise.all(
    Array.from({ length: Math.min(limits.chunkWindow, count) }, () =>
      runner().catch((err: unknown) => {
        next = count + 1;
        throw err;
      }),
    ),
  );
}
