/**
 * A watch that knows how far it sees: it asks the server again and again whether everything was told, and begins anew
 * when it does not learn. Who decides by what it tells can refuse to decide when it has been blind for too long.
 */
import type { NatsConnection } from '@nats-io/transport-node';
import type { BucketName } from '../wire/generated/streams.js';
import { watchKeys, type KeyWatch, type OnKey } from './watch.js';

/** A watch that is kept up. */
export interface SteadyWatch {
  stop(): void;
  /** Everything that was stored before this has been told (monotonic ms). */
  provenMs(): number;
}

const LOOK_MS = 500;
const ANSWER_MS = 1_000;
const OPEN_MS = 3_000;
/** Looks in a row that find something untold: then the watch is stuck. */
const BEHIND = 2;

/** Watch. Resolves once all keys that stand there were told. Rejects when the bucket is not there. */
export async function steadyWatch(
  nc: NatsConnection,
  bucket: BucketName,
  filter: string,
  onKey: OnKey,
): Promise<SteadyWatch> {
  let provenMs = performance.now();
  let generation = 0;
  const open = async (): Promise<KeyWatch> => {
    const own = ++generation;
    // What an older watch still tells may be older than what was told since.
    return await watchKeys(nc, bucket, filter, (key, m) => (own === generation ? onKey(key, m) : undefined));
  };
  let watch: KeyWatch | undefined = await open();
  let behind = 0;
  let busy = false;
  const look = async (): Promise<void> => {
    const began = performance.now();
    const current = await within(ANSWER_MS, watch?.current()).catch(() => undefined);
    behind = current === false ? behind + 1 : 0;
    if (current === true) {
      provenMs = began;
    } else if ((current === undefined || behind > BEHIND) && !nc.isClosed()) {
      watch?.stop();
      watch = undefined;
      const opening = open();
      watch = await within(OPEN_MS, opening).catch((err: unknown) => {
        void opening.then((late) => late.stop()).catch(() => undefined);
        throw err;
      });
      behind = 0;
      provenMs = began;
    }
  };
  const timer = setInterval(() => {
    if (!busy) {
      busy = true;
      void look()
        .catch(() => undefined) // blind until the next look
        .finally(() => (busy = false));
    }
  }, LOOK_MS);
  return {
    stop() {
      clearInterval(timer);
      generation++;
      watch?.stop();
    },
    provenMs: () => provenMs,
  };
}

async function within<T>(ms: number, work: Promise<T> | undefined): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
