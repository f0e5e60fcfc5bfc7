/**
 * The policy of a gateway: read from its bucket before anything else, and replaced between two calls. A new one that
 * does not compile changes nothing, and neither does a bucket that is out of reach.
 */
import type { NatsConnection } from '../fabric/connection.js';
import { readStoredPolicy, watchPolicy } from '../fabric/policy-store.js';
import { Newest } from '../domain/newest.js';
import { compilePolicy, type Policy } from '../domain/policy.js';
import { meshError } from '../wire/errors.js';
import type { Log } from '../wire/log.js';

/** Whose policy it is: replaced as a whole. */
export interface UnderPolicy {
  readonly nc: NatsConnection;
  readonly log: Log;
  policy: Policy;
}

/** What a compile error calls the text. */
const PLACE = 'the policy of the mesh';

/** The policy to begin with. Throws config_missing when control has written none, config_invalid. */
export async function firstPolicy(nc: NatsConnection): Promise<Policy> {
  const stored = await readStoredPolicy(nc);
  if (stored === undefined) {
    throw meshError('config_missing', { what: 'a policy (control has written none yet)' });
  }
  return compilePolicy(stored.text, PLACE);
}

/** Follow the policy. Returns how to stop. */
export function followPolicy(core: UnderPolicy): Promise<() => void> {
  const newest = new Newest<string>((text) => replace(core, text), {
    now: () => performance.now(),
    after: (ms, run) => setTimeout(run, ms).unref(),
  });
  return watchPolicy(core.nc, ({ text, digest }) => {
    if (digest !== core.policy.digest) {
      newest.offer(text);
    }
  });
}

function replace(core: UnderPolicy, text: string): void {
  try {
    core.policy = compilePolicy(text, PLACE);
    core.log.info({ policy: core.policy.digest }, 'policy replaced');
  } catch (err) {
    core.log.error({ err: String(err) }, 'the new policy is refused, the old one stays');
  }
}
