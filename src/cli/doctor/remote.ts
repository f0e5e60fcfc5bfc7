/**
 * What the server and the services say when asked.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { connectBroker, type NatsConnection } from '../../fabric/connection.js';
import { inspectStreams } from '../../fabric/inspect.js';
import { asMeshError } from '../../wire/errors.js';
import { parse, pattern, subject } from '../../wire/generated/subjects.js';
import { limits } from '../../wire/limits.js';
import { asToken } from '../../wire/names.js';
import type { Context } from '../context.js';
import { finding, type Finding } from './finding.js';
import { checkVersion } from './local.js';

const ANSWER_MS = 2_000;

/** Connect as the operator and look around. */
export async function checkRemote({ url, credentials }: Context): Promise<Finding[]> {
  let nc: NatsConnection;
  try {
    nc = await connectBroker({ url, name: credentials.name, seed: credentials.seed });
  } catch (err) {
    const { sentence, help } = asMeshError(err, 'doctor');
    return [finding('connection', false, sentence, 'a connection', help)];
  }
  try {
    const version = checkVersion('server', nc.info?.version ?? '0');
    const [streams, control, gateways] = await Promise.all([
      checkStreams(nc),
      checkControl(nc, credentials.name),
      checkGateways(nc),
    ]);
    return [finding('connection', true, url, 'a connection', ''), version, ...streams, control, gateways];
  } finally {
    await nc.close();
  }
}

async function checkStreams(nc: NatsConnection): Promise<Finding[]> {
  const fix = 'restart control: it brings back what the table says';
  const all = await inspectStreams(nc);
  const bad = all.filter((one) => !one.fine);
  return bad.length === 0
    ? [finding('streams', true, `${all.length} as the table says`, 'as the table says', '')]
    : bad.map(({ name, found, want }) => finding(name, false, found, want, fix));
}

/** Control answers a search; what it finds does not matter. */
async function checkControl(nc: NatsConnection, name: string): Promise<Finding> {
  const to = subject.find({ from: asToken(name, 'the operator') });
  const answered = await nc.request(to, '{"pattern":">"}', { timeout: ANSWER_MS }).then(
    () => true,
    () => false,
  );
  const found = answered ? 'answers' : `no answer in ${ANSWER_MS} ms`;
  return finding('control', answered, found, 'answers', 'start mesh control, or see its log');
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
  return finding('gateways', heard.size > 0, found, 'at least one', 'start mesh gateway, or see its log');
}
