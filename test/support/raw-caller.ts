/**
 * A caller without the SDK: any bytes on any of its subjects, and what came back.
 */
import { headers as natsHeaders } from '@nats-io/transport-node';
import { connectBroker, type Msg, type NatsConnection } from '../../src/fabric/connection.js';
import type { Credentials } from '../../src/fabric/users.js';
import { newCallId } from '../../src/agent/index.js';

export interface RawCall {
  readonly capability: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

export interface RawOutcome {
  readonly status: string;
  readonly code: string | undefined;
  readonly error: Record<string, unknown> | undefined;
  readonly body: string;
  /** The record of the outcome as it came, or nothing. */
  readonly record: string;
}

const WAIT_MS = 8_000;

export class RawCaller {
  readonly nc: NatsConnection;
  readonly #me: string;
  readonly #waiting = new Map<string, (o: RawOutcome) => void>();
  #nextSeq: ((o: RawOutcome) => void) | undefined;

  private constructor(nc: NatsConnection, me: string) {
    this.nc = nc;
    this.#me = me;
    nc.subscribe(`mesh.v1.outcome.${me}.*`, {
      callback: (err, msg) => (err === null ? this.#take(msg) : undefined),
    });
  }

  static async open(url: string, creds: Credentials): Promise<RawCaller> {
    const nc = await connectBroker({ url, name: creds.name, seed: creds.seed });
    const caller = new RawCaller(nc, creds.name);
    await nc.flush();
    return caller;
  }

  /** Publish to the call subject and wait for the outcome of this call (or of the next unreadable one). */
  call(c: RawCall): Promise<RawOutcome> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no outcome for ${c.capability}`)), WAIT_MS);
      const done = (o: RawOutcome) => {
        clearTimeout(timer);
        resolve(o);
      };
      const id = c.headers['Mesh-Call'] ?? '';
      if (/^[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(id)) {
        this.#waiting.set(id, done);
      } else {
        this.#nextSeq = done;
      }
      this.nc.publish(`mesh.v1.call.${this.#me}.${c.capability}`, c.body, { headers: built(c.headers) });
    });
  }

  /** The same as a request whose reply is the outcome. */
  async ask(c: RawCall): Promise<RawOutcome> {
    const to = `mesh.v1.ask.${this.#me}.${c.capability}`;
    return read(await this.nc.request(to, c.body, { timeout: WAIT_MS, headers: built(c.headers) }));
  }

  close(): Promise<void> {
    return this.nc.close();
  }

  /** Present a card as raw bytes; the error that came back. */
  static async hello(url: string, creds: Credentials, card: string): Promise<Record<string, unknown>> {
    const nc = await connectBroker({ url, name: creds.name, seed: creds.seed });
    try {
      const instance = `i-${newCallId()}`;
      const h = built({ 'Mesh-Instance': instance });
      const reply = await nc.request(`mesh.v1.hello.${creds.name}.${instance}`, card, {
        timeout: WAIT_MS,
        headers: h,
      });
      return reply.json();
    } finally {
      await nc.close();
    }
  }

  #take(msg: Msg): void {
    const id = msg.subject.split('.')[4] ?? '';
    const waiting = this.#waiting.get(id);
    if (waiting !== undefined) {
      this.#waiting.delete(id);
      waiting(read(msg));
    } else if (id.startsWith('seq-')) {
      this.#nextSeq?.(read(msg));
    }
  }
}

/** Headers as the client library has them. */
export function built(lines: Readonly<Record<string, string>>) {
  const h = natsHeaders();
  for (const [name, value] of Object.entries(lines)) {
    h.set(name, value);
  }
  return h;
}

function read(msg: Msg): RawOutcome {
  const record = msg.headers?.get('Mesh-Outcome') ?? '';
  const outcome = record === '' ? undefined : (JSON.parse(record) as { status: string; code?: string });
  const body = msg.string();
  const code = outcome?.code ?? msg.headers?.get('Nats-Service-Error-Code') ?? undefined;
  const failed = outcome?.status !== 'completed' && body !== '';
  return {
    status: outcome?.status ?? 'error',
    code: code === '' ? undefined : code,
    error: failed ? (JSON.parse(body) as Record<string, unknown>) : undefined,
    body,
    record,
  };
}
