/**
 * The bucket `mesh_budget`: values that several gateways change, each by compare-and-set.
 */
import type { NatsConnection } from '@nats-io/transport-node';
import { encodeHeaders, header, HeaderBlock } from '../wire/headers.js';
import type { LightPublisher } from './publisher.js';
import { steadyWatch, type SteadyWatch } from './steady-watch.js';

/** A value with the revision that a change must name. */
export interface Versioned<T> {
  readonly value: T | undefined;
  readonly revision: number;
}

/**
 * What became of a change. `conflict`: somebody else changed it, ours is surely not stored. `unsure`: it may be stored,
 * now or later, as long as nobody else changes the value.
 */
export type Changed =
  | { readonly kind: 'stored'; readonly revision: number }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'unsure' };

const BUCKET = 'mesh_budget';
const ASK_MS = 2_000;
const WRONG_REVISION = 10071;

/** Reads and changes values of the ledger. */
export class BudgetStore {
  readonly #nc: NatsConnection;
  readonly #pub: LightPublisher;

  constructor(nc: NatsConnection, pub: LightPublisher) {
    this.#nc = nc;
    this.#pub = pub;
  }

  /** What stands under a key, asked of the leader. Rejects when nobody answers. */
  async get<T>(key: string): Promise<Versioned<T>> {
    const wanted = JSON.stringify({ last_by_subj: `$KV.${BUCKET}.${key}` });
    const msg = await this.#nc.request(`$JS.API.STREAM.MSG.GET.KV_${BUCKET}`, wanted, { timeout: ASK_MS });
    const { message, error } = msg.json<{
      error?: { code: number; description: string };
      message?: { seq: number; hdrs?: string; data?: string };
    }>();
    if (message === undefined && error?.code !== 404) {
      throw new Error(`${BUCKET}: ${error?.description ?? 'no answer'}`);
    }
    const headers = new HeaderBlock(Buffer.from(message?.hdrs ?? '', 'base64'));
    const gone = headers.get('KV-Operation') !== undefined || headers.get('Nats-Marker-Reason') !== undefined;
    const value =
      message?.data === undefined || gone
        ? undefined
        : (JSON.parse(Buffer.from(message.data, 'base64').toString()) as T);
    return { value, revision: message?.seq ?? 0 };
  }

  /** Put a value in the place of this revision (0: of none). It is kept for `keepMs` from now. */
  async put(key: string, value: object, revision: number, keepMs: number): Promise<Changed> {
    return await this.#write(key, Buffer.from(JSON.stringify(value)), revision, [
      [header.ttl, `${Math.max(1, Math.ceil(keepMs / 1_000))}s`],
    ]);
  }

  /** Take a value away. */
  async remove(key: string, revision: number): Promise<Changed> {
    return await this.#write(key, new Uint8Array(0), revision, [['KV-Operation', 'DEL']]);
  }

  /** Watch the keys under a filter. Resolves once those that stand there were told. */
  watch<T>(
    filter: string,
    onValue: (key: string, value: T | undefined, revision: number) => void,
  ): Promise<SteadyWatch> {
    return steadyWatch(this.#nc, BUCKET, filter, (key, m) => onValue(key, m?.json<T>(), m?.seq ?? 0));
  }

  async #write(
    key: string,
    body: Uint8Array,
    revision: number,
    more: readonly [string, string][],
  ): Promise<Changed> {
    const headers = encodeHeaders([...more, ['Nats-Expected-Last-Subject-Sequence', revision]]);
    const ack = await this.#pub.publishAsync(`$KV.${BUCKET}.${key}`, body, headers);
    switch (ack.kind) {
      case 'stored':
        return { kind: 'stored', revision: ack.seq };
      case 'refused':
        return { kind: ack.code === WRONG_REVISION ? 'conflict' : 'unsure' };
      default:
        return { kind: 'unsure' };
    }
  }
}
