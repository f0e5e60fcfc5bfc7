/**
 * What the mesh knows of its users, in the bucket `mesh_identity`: keys, names, enrolment tokens, revocations. Read
 * through the leader of the stream each time: a revocation that was stored is seen by the next question.
 */
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { meshError } from '../wire/errors.js';
import { openBucket } from './streams.js';

/** A value with the sequence it was stored under. */
export interface StoredValue {
  readonly value: unknown;
  readonly seq: number;
}

/** How a value is written. */
export interface PutOptions {
  /** Only if the key stands at this sequence; 0: only if it is new. */
  readonly after?: number;
  /** Seconds until the server drops it. */
  readonly ttlSeconds?: number;
}

const STREAM = 'KV_mesh_identity';
const SUBJECT = '$KV.mesh_identity.';
const WAIT_MS = 1_000;
const WRONG_SEQUENCE = 10_071;
const NOT_FOUND = 10_037;

interface Reply {
  readonly message?: { readonly seq: number; readonly data?: string; readonly hdrs?: string };
  readonly seq?: number;
  readonly error?: { readonly err_code: number; readonly description: string };
}

/** Reads and writes the bucket with the rights of the connection. */
export class IdentityStore {
  readonly #nc: NatsConnection;

  constructor(nc: NatsConnection) {
    this.#nc = nc;
  }

  /** The value of a key, or nothing. Throws `unavailable`: not knowing is not the same as nothing. */
  async get(key: string): Promise<StoredValue | undefined> {
    const request = JSON.stringify({ last_by_subj: SUBJECT + key });
    const { message, error } = await this.#ask(`$JS.API.STREAM.MSG.GET.${STREAM}`, request);
    if (message === undefined) {
      if (error?.err_code === NOT_FOUND) {
        return undefined;
      }
      throw away(error?.description ?? 'no answer');
    }
    const head = Buffer.from(message.hdrs ?? '', 'base64').toString('latin1');
    if (/^(?:KV-Operation|Nats-Marker-Reason):/m.test(head)) {
      return undefined;
    }
    const text = Buffer.from(message.data ?? '', 'base64').toString('utf8');
    return { value: JSON.parse(text) as unknown, seq: message.seq };
  }

  /** Write a key; false when it does not stand where `after` says. Throws `unavailable`. */
  put(key: string, value: unknown, { after, ttlSeconds }: PutOptions = {}): Promise<boolean> {
    return this.#publish(key, JSON.stringify(value), {
      ...(after === undefined ? {} : { 'Nats-Expected-Last-Subject-Sequence': String(after) }),
      ...(ttlSeconds === undefined ? {} : { 'Nats-TTL': String(Math.ceil(ttlSeconds)) }),
    });
  }

  /** Take a key away. Throws `unavailable`. */
  async remove(key: string): Promise<void> {
    await this.#publish(key, '', { 'KV-Operation': 'DEL' });
  }

  async #publish(key: string, body: string, said: Readonly<Record<string, string>>): Promise<boolean> {
    const head = headers();
    Object.entries(said).forEach(([name, value]) => head.set(name, value));
    const { error } = await this.#ask(SUBJECT + key, body, head);
    if (error !== undefined && error.err_code !== WRONG_SEQUENCE) {
      throw away(error.description);
    }
    return error === undefined;
  }

  async #ask(to: string, body: string, head?: ReturnType<typeof headers>): Promise<Reply> {
    try {
      const options = { timeout: WAIT_MS, ...(head === undefined ? {} : { headers: head }) };
      return (await this.#nc.request(to, body, options)).json<Reply>();
    } catch (err) {
      throw away(err instanceof Error ? err.message : String(err), err);
    }
  }
}

function away(why: string, cause?: unknown): Error {
  return meshError('unavailable', { waitedMs: WAIT_MS, why }, cause);
}

/** An enrolment token that nobody has used yet. */
export interface Invitation {
  readonly key: string;
  readonly name: string;
  /** Epoch ms; missing when it has no end. */
  readonly untilMs: number | undefined;
}

/** All of them, for whoever may read the bucket (operators). Bounded by the size of the bucket. */
export async function readInvitations(nc: NatsConnection): Promise<Invitation[]> {
  const bucket = await openBucket(nc, 'mesh_identity');
  const keys: string[] = [];
  for await (const key of await bucket.keys('enrol.>')) {
    keys.push(key);
  }
  const found: Invitation[] = [];
  for (const key of keys) {
    const entry = await bucket.get(key);
    const value = entry?.operation === 'PUT' ? entry.json<Partial<EnrolmentRecord>>() : undefined;
    if (value !== undefined && value.usedBy === undefined) {
      const { name, untilMs } = value;
      found.push({ key, name: String(name), untilMs: typeof untilMs === 'number' ? untilMs : undefined });
    }
  }
  return found;
}

interface EnrolmentRecord {
  readonly name: string;
  readonly untilMs: number;
  readonly usedBy: string;
}
