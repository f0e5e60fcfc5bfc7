/**
 * What a gateway reads before the chain judges a call, because guards never wait: a body by reference, and grants that
 * are named by their digest and were introduced elsewhere a moment ago.
 */
import type { Incoming } from '../chain/draft.js';
import { getIntroduced } from '../fabric/grants.js';
import { isGrantDigest } from '../domain/grants/introduced.js';
import { header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
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

const NONE: readonly string[] = [];
const IN_TICKET = '"introduced":[';
const DIGESTS = /"digest":"([A-Za-z0-9_-]{43})"/g;

/** Digests that the call names and this gateway has not heard of. Nothing of its ticket is proven here. */
function unheardOf(core: Core, { headers }: Incoming): readonly string[] {
  const named: string[] = [];
  const grant = headers.get(header.grant);
  if (grant !== undefined && isGrantDigest(grant)) {
    named.push(grant);
  }
  const ticket = headers.get(header.ticket);
  const at = ticket?.indexOf(IN_TICKET) ?? -1;
  if (ticket !== undefined && at >= 0) {
    const digests = [...ticket.slice(at).matchAll(DIGESTS)].slice(0, limits.grantsCarried);
    named.push(...digests.map(([, digest]) => digest as string));
  }
  const unheard = named.filter((digest) => core.grants.introduced.get(digest) === undefined);
  return unheard.length === 0 ? NONE : unheard;
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
