/**
 * What control does when authority falls: parked calls that rest on it are judged again at once. Their gateways would
 * find out when somebody is free, or never before their deadline.
 */
import { watchGrants } from '../fabric/grants.js';
import { watchRevoked } from '../fabric/identity-watch.js';
import type { ParkedRecord } from '../wire/generated/messages.js';
import { header } from '../wire/headers.js';
import type { Control } from './core.js';

/** Has the parked calls judged again that are concerned. */
export type Review = (concerns: (record: ParkedRecord) => boolean) => void;

const LOOK_MS = 200;

/** Follow it: who was put out, what was revoked, whose keys changed, and the policy. Returns how to stop. */
export async function followAuthority(control: Control, review: Review): Promise<() => void> {
  const names = await watchRevoked(control.nc, (name, record) => {
    if (record === undefined) {
      return control.revoked.remove(name);
    }
    control.revoked.put(name, record.untilMs);
    review((parked) => parked.from === name || restsOnOthers(parked));
  });
  const grants = await watchGrants(control.nc, ({ kind }) =>
    kind === 'introduced' ? undefined : review(restsOnOthers),
  );
  let { digest } = control.policy;
  const timer = setInterval(() => {
    if (digest !== control.policy.digest) {
      ({ digest } = control.policy);
      review(() => true);
    }
  }, LOOK_MS);
  return () => {
    clearInterval(timer);
    names.stop();
    grants.stop();
  };
}

/** Whose authority stands in what it carries: a grant, or the ticket of a task. */
function restsOnOthers({ headers }: ParkedRecord): boolean {
  return headers[header.ticket] !== undefined || headers[header.grant] !== undefined;
}
