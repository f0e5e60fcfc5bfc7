/**
 * Gathering what a busy connection sends. The client writes to its socket once for every chunk it has read; under
 * load the chunks are small and many, and each write wakes the server for a few messages. With much in flight a
 * short wait puts them into one write. With little in flight nothing waits.
 */
import type { NatsConnection } from '@nats-io/transport-node';
import { limits } from '../wire/limits.js';

interface Internals {
  readonly protocol: { flushPending(): void };
}

/** Let the connection gather while `inFlight()` is above `corkAbove`. */
export function cork(nc: NatsConnection, inFlight: () => number): void {
  const { protocol } = nc as unknown as Internals;
  const flush = protocol.flushPending.bind(protocol);
  let waiting = false;
  const later = () => {
    waiting = false;
    flush();
  };
  protocol.flushPending = () => {
    if (waiting) {
      return;
    }
    if (inFlight() <= limits.corkAbove) {
      return flush();
    }
    waiting = true;
    setTimeout(later, limits.corkMs);
  };
}
