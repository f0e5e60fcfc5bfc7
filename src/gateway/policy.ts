/**
 * The policy of a gateway: read from its bucket before anything else, and replaced between two calls. It is compiled in
 * slices, between calls. A new one that does not compile changes nothing, and neither does a bucket that is out of
 * reach.
 */
import type { NatsConnection } from '../fabric/connection.js';
import { eventLoop } from '../fabric/event-loop.js';
import { readStoredPolicy, watchPolicy, type StoredPolicy } from '../fabric/policy-store.js';
import { Newest } from '../domain/newest.js';
import type { PolicyData } from '../domain/policy-data.js';
import { compileData, type Policy } from '../domain/policy.js';
import { inSlices } from '../domain/slices.js';
import { meshError } from '../wire/errors.js';
import type { Log } from '../wire/log.js';

/** Whose policy it is: replaced as a whole. */
export interface UnderPolicy {
  readonly nc: NatsConnection;
  readonly log: Log;
  policy: Policy;
}

type Stored = StoredPolicy<PolicyData>;

/** The policy to begin with. Throws config_missing when control has written none that we read, config_invalid. */
export async function firstPolicy(nc: NatsConnection): Promise<Policy> {
  const stored = await readStoredPolicy<PolicyData>(nc);
  if (stored?.v !== 2) {
    const why = stored === undefined ? 'control has written none yet' : 'control is of an older version';
    throw meshError('config_missing', { what: `a policy (${why})` });
  }
  return await compileStored(stored);
}

/** Follow the policy. Returns how to stop. */
export function followPolicy(core: UnderPolicy): Promise<() => void> {
  const newest = new Newest<Stored>((stored) => replace(core, stored), eventLoop);
  return watchPolicy<PolicyData>(core.nc, (stored) => newest.offer(stored));
}

async function replace(core: UnderPolicy, stored: Stored): Promise<void> {
  if (stored.digest === core.policy.digest) {
    return;
  }
  try {
    core.policy = await compileStored(stored, core.policy);
    core.log.info({ policy: core.policy.digest }, 'policy replaced');
  } catch (err) {
    core.log.error({ err: String(err) }, 'the new policy is refused, the old one stays');
  }
}

/** Compile it while calls go on. Rejects with config_invalid. */
export function compileStored(
  { data, digest }: Pick<Stored, 'data' | 'digest'>,
  before?: Policy,
): Promise<Policy> {
  return inSlices(compileData(data, digest, before), eventLoop);
}
