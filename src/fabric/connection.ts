/**
 * The connection to the broker. The folder `fabric` is the only one that imports the NATS client; the types the others
 * need leave it here.
 */
import {
  connect,
  errors,
  type Authenticator,
  type NatsConnection,
  type Status,
} from '@nats-io/transport-node';
import { MeshError, meshError } from '../wire/errors.js';
import { limits } from '../wire/limits.js';
import { signerOf } from './keys.js';
import { tlsFiles, type TlsFiles } from './tls.js';

export type { Msg, NatsConnection, Status, Subscription } from '@nats-io/transport-node';

/** Whom to connect to, and as whom. */
export interface BrokerOptions {
  readonly url: string;
  /** The user's name: it stands in the inbox prefix that the broker allows this user. */
  readonly name: string;
  /** The user's nkey seed. */
  readonly seed?: string;
  /** What to present beside it, or instead: asked for at every connect. */
  readonly token?: () => string;
  readonly tls?: TlsFiles;
  /**
   * A refusal is no end: it is tried again, ever more seldom. Identity may be away, a token may have just expired, a
   * name may be reinstated. Default: two refusals in a row close the connection.
   */
  readonly patient?: boolean;
  /** Default `_INBOX.{name}`. */
  readonly inboxPrefix?: string;
  /** Shown by the server beside the connection; default is the user's name. */
  readonly label?: string;
  /** Reconnects before the connection closes for good; default: it never does. */
  readonly maxReconnect?: number;
  /** Bound of the first connect; default 5 s. */
  readonly timeoutMs?: number;
  /** Keep trying when the first connect fails. */
  readonly wait?: boolean;
}

/** The inbox prefix of a user: the only place where answers may be sent to it. */
export function inboxOf(name: string): string {
  return `_INBOX.${name}`;
}

/**
 * A no comes at once. One that comes this late (ms) is the server's own: whoever was asked about us has died with the
 * question in hand, and the next one to be asked may say yes.
 */
const LATE_NO_MS = 1_000;

/** Connect. Throws `connection_failed`, or `permission_denied` when the server knows no such user. */
export async function connectBroker(options: BrokerOptions): Promise<NatsConnection> {
  const began = performance.now();
  try {
    return await connectOnce(options);
  } catch (err) {
    const refused = err instanceof MeshError && err.code === 'permission_denied';
    if (refused && performance.now() - began > LATE_NO_MS) {
      return await connectOnce(options);
    }
    throw err;
  }
}

async function connectOnce(options: BrokerOptions): Promise<NatsConnection> {
  const { url, name } = options;
  const authenticator = authenticatorOf(options);
  const tls = tlsFiles(options.tls);
  const delays = new Delays();
  try {
    const nc = await connect({
      servers: url,
      name: options.label ?? name,
      inboxPrefix: options.inboxPrefix ?? inboxOf(name),
      ...(authenticator.length === 0 ? {} : { authenticator }),
      ...(tls === undefined ? {} : { tls }),
      ignoreAuthErrorAbort: options.patient ?? false,
      ...(options.patient === true ? { reconnectDelayHandler: () => delays.nextMs() } : {}),
      timeout: options.timeoutMs ?? 5_000,
      waitOnFirstConnect: options.wait ?? false,
      maxReconnectAttempts: options.maxReconnect ?? -1,
      reconnectTimeWait: 200,
      reconnectJitter: 200,
      // The client's own defaults notice a dead peer after up to six minutes.
      pingInterval: 10_000,
      maxPingOut: 2,
      // A stack per request is paid by every call and read by nobody.
      noAsyncTraces: true,
      // What the server tells about its cluster would replace the address we were given.
      ignoreClusterUpdates: true,
    });
    if (options.patient === true) {
      void delays.follow(nc);
    }
    return nc;
  } catch (err) {
    throw connectError(err, url, name);
  }
}

function authenticatorOf({ seed, token }: BrokerOptions): Authenticator[] {
  const list: Authenticator[] = [];
  if (seed !== undefined) {
    const { publicKey, sign } = signerOf(seed);
    list.push((nonce) => ({ nkey: publicKey, sig: nonce === undefined ? '' : sign(nonce) }));
  }
  if (token !== undefined) {
    list.push(() => ({ auth_token: token() }));
  }
  return list;
}

/** How long to wait before the next try: longer after each refusal, as always after anything else. */
class Delays {
  #refusals = 0;

  nextMs(): number {
    const grown = limits.authBackoffMs * 2 ** Math.min(this.#refusals, 10);
    return Math.min(grown, limits.authBackoffMaxMs) * (1 + Math.random());
  }

  async follow(nc: NatsConnection): Promise<void> {
    for await (const status of nc.status()) {
      if (status.type === 'reconnect') {
        this.#refusals = 0;
      } else if (isRefusal(status)) {
        this.#refusals++;
      }
    }
  }
}

/** The server did not let us in, or put us out for want of a proof. */
export function isRefusal(status: Status): boolean {
  return status.type === 'error' && status.error instanceof errors.AuthorizationError;
}

/** The server cut the connection because its proof has ended. */
export function isExpiry(status: Status): boolean {
  return status.type === 'error' && status.error instanceof errors.UserAuthenticationExpiredError;
}

function connectError(err: unknown, url: string, name: string): MeshError {
  if (err instanceof errors.AuthorizationError || err instanceof errors.UserAuthenticationExpiredError) {
    return meshError('permission_denied', { subject: `the connection as ${name}` }, err);
  }
  const cause = err instanceof Error && err.cause instanceof Error ? err.cause : err;
  const why = cause instanceof Error ? cause.message || cause.name : String(cause);
  return meshError('connection_failed', { url: withoutSecrets(url), why }, err);
}

/** Follow whether the connection is up. */
export function followConnection(nc: NatsConnection): () => boolean {
  let up = true;
  void (async () => {
    for await (const { type } of nc.status()) {
      up = type === 'disconnect' ? false : type === 'reconnect' ? true : up;
    }
  })();
  return () => up && !nc.isClosed();
}

/** Send what is on its way, then close; a server that is gone already is left at once. */
export async function leaveBroker(nc: NatsConnection): Promise<void> {
  await nc.drain().catch(() => nc.close());
}

/** The subject that the server refused to this user, when that is what the status says. */
export function deniedSubject(status: Status): string | undefined {
  const error = status.type === 'error' ? status.error : undefined;
  return error instanceof errors.PermissionViolationError ? error.subject : undefined;
}

/** The url without user and password: errors are printed and sent. */
export function withoutSecrets(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//');
}
