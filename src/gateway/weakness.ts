/**
 * What a gateway looks at before it takes its first call, with its own rights: the server, strangers, what it may do,
 * the streams, the policy, and the files of its folder. What `mesh doctor` shows beside it is judged by the same list.
 */
import type { PolicyData } from '../domain/policy-data.js';
import type { Facts } from '../domain/weakness/facts.js';
import { sentenceOf } from '../domain/weakness/finding.js';
import { judge } from '../domain/weakness/list.js';
import type { NatsConnection } from '../fabric/connection.js';
import { inspectStreams } from '../fabric/inspect.js';
import { openFiles } from '../fabric/modes.js';
import { isLoopback, isOwnServer } from '../fabric/own-server.js';
import { readStoredPolicy } from '../fabric/policy-store.js';
import { rightsOf, tryStrangers } from '../fabric/probe.js';
import { renderedUsers } from '../fabric/users.js';
import { meshError } from '../wire/errors.js';
import type { Log } from '../wire/log.js';

/** What is looked at, and for whom. */
export interface LookOptions {
  readonly url: string;
  /** Name of the user that the gateway is. */
  readonly name: string;
  readonly log: Log;
  readonly dir?: string;
  readonly accept?: readonly string[];
}

/**
 * Look, tell, and refuse; what is to be known of the start. Closes the connection and throws start_refused when
 * something is too weak; what is only a warning goes to the log, also what the operator accepts.
 */
export async function refuseWeakness(nc: NatsConnection, options: LookOptions): Promise<string[]> {
  const facts = await look(nc, options);
  const findings = judge(facts, options.accept);
  const refusing = findings.filter(({ state }) => state === 'refuse');
  if (refusing.length > 0) {
    await nc.close();
    const what = [...new Set(refusing.map(({ id }) => id))].join(', ');
    throw meshError('start_refused', { what, findings: refusing.map(sentenceOf) });
  }
  const dev = facts.dev === true;
  // On a server to develop with a warning says nothing new.
  const told = findings.filter(({ state, accepted }) => state === 'warn' && (accepted === true || !dev));
  told.forEach((one) =>
    options.log.warn({ check: one.id, accepted: one.accepted === true }, sentenceOf(one)),
  );
  const accepted = told.filter((one) => one.accepted === true);
  return [...(dev ? [DEVELOP] : []), ...accepted.map((one) => `accepted: ${sentenceOf(one)}`)];
}

const DEVELOP = 'a server to develop with: mesh up started it here, on loopback';

async function look(nc: NatsConnection, { url, name, dir }: LookOptions): Promise<Facts> {
  const [strangers, rights, streams, stored, rendered] = await Promise.all([
    tryStrangers(url),
    rightsOf(nc, name, 'gateway'),
    inspectStreams(nc),
    readStoredPolicy<PolicyData>(nc),
    dir === undefined ? undefined : renderedUsers(dir),
  ]);
  const { version = '', tls_required: tls = false } = nc.info ?? {};
  return {
    dev: dir !== undefined && isOwnServer(dir, url),
    server: { version, loopback: isLoopback(url), tls },
    strangers,
    rights: [rights],
    streams,
    policy: stored?.v === 2 ? stored : null,
    ...(dir === undefined ? {} : { open: openFiles(dir) }),
    ...(rendered === undefined ? {} : { rendered }),
  };
}
