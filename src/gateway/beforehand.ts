/**
 * What a gateway reads before the chain judges a call, because guards never wait: a body by reference, and grants that
 * are named by their digest and were introduced elsewhere a moment ago.
 */
import type { Incoming } from '../chain/draft.js';
import { namedGrants } from '../chain/named.js';
import { getIntroduced } from '../fabric/grants.js';
import { header } from '../wire/headers.js';
import { findBody } from './bodies/check.js';
import type { Core } from './core.js';

/** Undefined: there is nothing to read. Rejects when it could not be read this time. */
export function beforehand(core: Core, incoming: Incoming): Promise<Incoming> | undefined {
  const unheard = unheardOf(core, incoming);
  const byRef = incoming.headers.get(header.bodyRef) !== undefined;
  if (unheard.length === 0) {
    return byRef ? findBody(core, incoming) : undefined;
  }
  return hear(core, unheard).then(() => (byRef ? findBody(core, incoming) : incoming));
}

/** Digests that the call names and this gateway has not heard of. */
function unheardOf(core: Core, { headers }: Incoming): readonly string[] {
  const named = namedGrants(headers);
  return named.length === 0
    ? named
    : named.filter((digest) => core.grants.introduced.get(digest) === undefined);
}

async function hear(core: Core, digests: readonly string[]): Promise<void> {
  await Promise.all(
    digests.map(async (digest) => {
      const found = await getIntroduced(core.nc, digest);
      if (found !== undefined) {
        core.grants.introduced.set(digest, found);
      }
    }),
  );
}
