/**
 * What the services of control share.
 */
import type { Msg, NatsConnection } from '../fabric/connection.js';
import type { LightPublisher } from '../fabric/publisher.js';
import { headersOf, rawHeaders } from '../fabric/raw.js';
import type { Policy } from '../domain/policy.js';
import type { Registry } from '../domain/registry.js';
import type { RevokedNames } from '../domain/revoked.js';
import type { Roster } from '../domain/roster.js';
import type { Stats } from '../domain/stats.js';
import { asMeshError } from '../wire/errors.js';
import { encodeHeaders, header } from '../wire/headers.js';
import type { KeyRing } from '../wire/keyring.js';
import type { Log } from '../wire/log.js';
import type { Books } from './budgets/books.js';

/** Shared by the services of one control process. */
export interface Control {
  /** Unique to this process. */
  readonly id: string;
  readonly nc: NatsConnection;
  readonly pub: LightPublisher;
  readonly ring: KeyRing;
  /** The secret of the ingress subjects. */
  readonly ingress: string;
  /** Replaced as a whole when the policy of the mesh changes. */
  policy: Policy;
  /** Replace it now if its file has changed, and not only at the next look. */
  lookAtPolicy: () => void;
  readonly registry: Registry;
  readonly roster: Roster;
  /** What gateways learned of agents. */
  readonly stats: Stats;
  /** Who was put out. */
  readonly revoked: RevokedNames;
  readonly log: Log;
  /** The ledger of budgets, as this process follows it. */
  readonly books: Books;
  /** True while this process is the supervisor. */
  leads: () => boolean;
}

/** Who asks, and with what: the reply lies below the asker's own inbox. */
export interface Asked {
  readonly msg: Msg;
  readonly reply: string;
}

/**
 * Serve requests on a subject. `who` reads the asker's name from it; requests whose reply is not below that name's
 * inbox are dropped. What `answer` returns is sent as JSON, what it throws as an error.
 */
export function serve(
  control: Control,
  subject: string,
  who: (subject: string) => string | undefined,
  answer: (msg: Msg, from: string) => Promise<unknown>,
): () => void {
  const sub = control.nc.subscribe(subject, {
    queue: 'control',
    callback: (err, msg) => {
      const from = err === null ? who(msg.subject) : undefined;
      if (from === undefined || msg.reply?.startsWith(`_INBOX.${from}.`) !== true) {
        return;
      }
      const { reply } = msg;
      answer(msg, from).then(
        (value) => control.nc.publish(reply, JSON.stringify(value ?? null)),
        (cause: unknown) => {
          const error = asMeshError(cause, subject);
          control.log.warn({ subject: msg.subject, err: String(error) }, 'refused');
          const headers = encodeHeaders([
            [header.serviceErrorCode, error.code],
            [header.serviceError, error.class],
          ]);
          control.nc.publish(reply, JSON.stringify(error.toBody()), { headers: rawHeaders(headers) });
        },
      );
    },
  });
  return () => sub.unsubscribe();
}

/** The instance that a presence message says it is from, if its header agrees with its subject. */
export function saidBy(msg: Msg, instance: string | undefined): boolean {
  return instance !== undefined && headersOf(msg).get(header.instance) === instance;
}
