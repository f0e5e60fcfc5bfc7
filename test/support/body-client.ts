/**
 * The body service as a raw client speaks to it: each step apart, with whatever a hostile client puts in.
 */
import { headers as natsHeaders } from '@nats-io/transport-node';
import type { NatsConnection } from '../../src/fabric/connection.js';
import { bytesDigest } from '../../src/wire/digest.js';
import type { ErrorBody, Upload, UploadReply } from '../../src/wire/generated/messages.js';
import { limits } from '../../src/wire/limits.js';

/** What came back: the code of the error, or the payload. */
export interface Step {
  readonly code: string | undefined;
  readonly ref: string;
  readonly data: Uint8Array;
}

export class BodyClient {
  readonly #nc: NatsConnection;
  readonly #me: string;

  constructor(nc: NatsConnection, me: string) {
    this.#nc = nc;
    this.#me = me;
  }

  async step(
    what: string,
    data: Uint8Array | string,
    lines: Readonly<Record<string, string>>,
  ): Promise<Step> {
    const to = what === 'fetch' ? `mesh.v1.fetch.${this.#me}` : `mesh.v1.upload.${this.#me}.${what}`;
    const headers = natsHeaders();
    Object.entries(lines).forEach(([key, value]) => headers.set(key, value));
    const msg = await this.#nc.request(to, data, { timeout: 10_000, headers });
    const failed = msg.headers?.has('Nats-Service-Error-Code') === true;
    const reply = failed || what !== 'fetch' ? msg.json<UploadReply & ErrorBody>() : undefined;
    return { code: failed ? reply?.code : undefined, ref: reply?.ref ?? '', data: msg.data };
  }

  begin(body: Uint8Array, more: Partial<Upload> | Record<string, unknown> = {}): Promise<Step> {
    const until = Date.now() + 60_000;
    const facts = { bytes: body.length, digest: bytesDigest(body), type: 'bytes', until, ...more };
    return this.step('begin', JSON.stringify(facts), {});
  }

  chunk(ref: string, n: number | string, data: Uint8Array): Promise<Step> {
    return this.step('chunk', data, { 'Mesh-Body-Ref': ref, 'Mesh-Chunk': String(n) });
  }

  end(ref: string): Promise<Step> {
    return this.step('end', '', { 'Mesh-Body-Ref': ref });
  }

  drop(ref: string): Promise<Step> {
    return this.step('drop', '', { 'Mesh-Body-Ref': ref });
  }

  fetch(ref: string, n: number | string): Promise<Step> {
    return this.step('fetch', '', { 'Mesh-Body-Ref': ref, 'Mesh-Chunk': String(n) });
  }

  /** All steps of an upload; the sealed reference. */
  async upload(body: Uint8Array, more: Partial<Upload> = {}): Promise<string> {
    const { ref } = await this.begin(body, more);
    for (let n = 1, at = 0; at < body.length; n++, at += limits.chunkBytes) {
      await this.chunk(ref, n, body.subarray(at, at + limits.chunkBytes));
    }
    const end = await this.end(ref);
    if (end.code !== undefined) {
      throw new Error(`the upload ended with ${end.code}`);
    }
    return end.ref;
  }
}
