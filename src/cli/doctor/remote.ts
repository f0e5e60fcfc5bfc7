/**
 * What the server and the services say when asked.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PolicyData } from '../../domain/policy-data.js';
import type { Facts } from '../../domain/weakness/facts.js';
import type { Finding } from '../../domain/weakness/finding.js';
import { connectBroker, type NatsConnection } from '../../fabric/connection.js';
import { readInvitations } from '../../fabric/identity-store.js';
import { inspectStreams } from '../../fabric/inspect.js';
import { isLoopback, isOwnServer } from '../../fabric/own-server.js';
import { readStoredPolicy } from '../../fabric/policy-store.js';
import { tryStrangers } from '../../fabric/probe.js';
import { asMeshError } from '../../wire/errors.js';
import { parse, pattern, subject } from '../../wire/generated/subjects.js';
import { limits } from '../../wire/limits.js';
import { asToken } from '../../wire/names.js';
import type { Context } from '../context.js';
import { mend } from './mend.js';
import { lookAtIdentity, lookAtRights } from './users.js';

const ANSWER_MS = 2_000;

/** What was seen of a mesh that runs: facts to judge, and whether its services answer. */
export interface Seen {
  readonly facts: Facts;
  readonly findings: readonly Finding[];
}

/** Connect as the operator and look around. */
export async function lookAtMesh(context: Context): Promise<Seen> {
  const { url, credentials } = context;
  let nc: NatsConnection;
  try {
    nc = await connectBroker({ url, name: credentials.name, seed: credentials.seed });
  } catch (err) {
    const { sentence, help } = asMeshError(err, 'doctor');
    return { facts: {}, findings: [mend('connection', 'connection', false, sentence, 'a connection', help)] };
  }
  try {
    const [facts, ...findings] = await Promise.all([
      lookWith(nc, context),
      checkControl(nc, credentials.name),
      checkGateways(nc),
    ]);
    return {
      facts,
      findings: [mend('connection', 'connection', true, url, 'a connection', ''), ...findings],
    };
  } finally {
    await nc.close();
  }
}

async function lookWith(nc: NatsConnection, { url, dir }: Context): Promise<Facts> {
  const [strangers, streams, stored, open, users, identity] = await Promise.all([
    tryStrangers(url),
    inspectStreams(nc),
    readStoredPolicy<PolicyData>(nc),
    readInvitations(nc),
    lookAtRights(dir, url),
    lookAtIdentity(nc, dir),
  ]);
  const { version = '', tls_required: tls = false } = nc.info ?? {};
  return {
    dev: isOwnServer(dir, url),
    server: { version, loopback: isLoopback(url), tls },
    strangers,
    streams,
    policy: stored?.v === 2 ? stored : null,
    invitations: { nowMs: Date.now(), open },
    ...users,
    ...identity,
  };
}

/** Control answers a search; what it finds does not matter. */
async function checkControl(nc: NatsConnection, name: string): Promise<Finding> {
  const to = subject.find({ from: asToken(name, 'the operator') });
  const answered = await nc.request(to, '{"pattern":">"}', { timeout: ANSWER_MS }).then(
    () => true,
    () => false,
  );
  const found = answered ? 'answers' : `no answer in ${ANSWER_MS} ms`;
  return mend('control', 'control', answered, found, 'answers', 'start mesh control, or see its log');
}

/** Gateways tell each other that they are there; we listen for a few of these beats. */
async function checkGateways(nc: NatsConnection): Promise<Finding> {
  const heard = new Set<string>();
  const sub = nc.subscribe(pattern.peer, {
    callback: (err, msg) => {
      const gateway = err === null ? parse.peer(msg.subject)?.gateway : undefined;
      if (gateway !== undefined) {
        heard.add(gateway);
      }
    },
  });
  await sleep(3 * limits.peerBeatMs);
  sub.unsubscribe();
  const found = heard.size === 0 ? 'none was heard' : `${heard.size} heard: ${[...heard].join(', ')}`;
  const fix = 'start mesh gateway, or see its log';
  return mend('gateways', 'gateways', heard.size > 0, found, 'at least one', fix);
}
