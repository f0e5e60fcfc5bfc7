/**
 * What the server tells at its monitoring port: things that nobody can see over NATS.
 */
import { meshError } from '../wire/errors.js';
import { isLoopback } from './own-server.js';

interface Listener {
  readonly port?: number;
  readonly host?: string;
  readonly tls_required?: boolean;
}

interface Varz {
  readonly auth_timeout?: number;
  readonly max_control_line?: number;
  readonly host?: string;
  readonly tls_required?: boolean;
  readonly http_host?: string;
  readonly http_port?: number;
  readonly https_port?: number;
  readonly jetstream?: { readonly config?: { readonly sync_always?: boolean } };
  readonly websocket?: Listener;
  readonly mqtt?: Listener;
  readonly leaf?: Listener;
  readonly cluster?: Listener & { readonly cluster_port?: number; readonly addr?: string };
}

/** What is judged of it. */
export interface Monitored {
  readonly listensTo: string;
  readonly loopback: boolean;
  readonly authTimeoutS: number;
  readonly maxControlLine: number;
  readonly syncAlways: boolean;
  readonly listeners: readonly string[];
  readonly plain: readonly string[];
}

const ANSWER_MS = 5_000;

/** Read it. Throws `connection_failed`. */
export async function readMonitor(url: string): Promise<Monitored> {
  try {
    const said = await fetch(new URL('/varz', url), { signal: AbortSignal.timeout(ANSWER_MS) });
    if (!said.ok) {
      throw new Error(`it answers ${said.status}`);
    }
    return readVarz((await said.json()) as Varz);
  } catch (err) {
    const cause = err instanceof Error && err.cause instanceof Error ? err.cause : err;
    throw meshError(
      'connection_failed',
      { url, why: cause instanceof Error ? cause.message : String(cause) },
      err,
    );
  }
}

function readVarz(varz: Varz): Monitored {
  const host = varz.http_host ?? '';
  const { websocket, mqtt, leaf, cluster } = varz;
  const on = (one: Listener | undefined): boolean => (one?.port ?? 0) > 0;
  const others = Object.entries({ websocket, mqtt, leafnodes: leaf }).filter(([, one]) => on(one));
  const plain = [
    ...(varz.tls_required === true || isLoopback(varz.host ?? '') ? [] : ['clients']),
    ...((cluster?.cluster_port ?? 0) > 0 && cluster?.tls_required !== true ? ['cluster'] : []),
  ];
  return {
    listensTo: `${host}:${varz.https_port || varz.http_port}`,
    loopback: isLoopback(host),
    authTimeoutS: varz.auth_timeout ?? Number.POSITIVE_INFINITY,
    maxControlLine: varz.max_control_line ?? Number.POSITIVE_INFINITY,
    syncAlways: varz.jetstream?.config?.sync_always === true,
    listeners: others.map(([name]) => name),
    plain,
  };
}
