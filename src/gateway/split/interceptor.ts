/**
 * An interceptor: a process that judges one stage of the chain for all gateways that ask. It has a user of its own, which
 * may publish answers of this stage and read policy, cards, keys of grants and who was put out. Any number may run; each question goes to
 * one of them.
 */
import { connectBroker, followConnection, leaveBroker, type Msg } from '../../fabric/connection.js';
import { watchCards } from '../../fabric/cards.js';
import { watchGrants } from '../../fabric/grants.js';
import { watchRevoked } from '../../fabric/identity-watch.js';
import { stageRing } from '../../fabric/keyring.js';
import { headersOf } from '../../fabric/raw.js';
import { send } from '../../fabric/sender.js';
import type { NatsConnection } from '../../fabric/connection.js';
import type { World } from '../../chain/draft.js';
import { GrantBook } from '../../domain/grants/book.js';
import { RevokedNames } from '../../domain/revoked.js';
import { Registry } from '../../domain/registry.js';
import { Roster } from '../../domain/roster.js';
import { Router } from '../../domain/routing/router.js';
import { Histogram } from '../../sight/histogram.js';
import { Meter } from '../../sight/meter.js';
import type { Sightly } from '../../sight/page.js';
import { askedDigest } from '../../wire/asked.js';
import { meshError } from '../../wire/errors.js';
import { parse, subject } from '../../wire/generated/subjects.js';
import type { Check, StageAnswer } from '../../wire/generated/messages.js';
import { header, headerBlock, headerLine } from '../../wire/headers.js';
import type { Log } from '../../wire/log.js';
import { isToken, type Token } from '../../wire/names.js';
import { isStage, STAGES, type Stage } from '../../wire/stages.js';
import type { Policy } from '../../domain/policy.js';
import { firstPolicy, followPolicy } from '../policy.js';
import { note } from '../authority.js';
import { isBlind } from '../fallen.js';
import { answer } from './answer.js';

/** How to run an interceptor. `seed` is the nkey of the user that has the name of the stage. */
export interface InterceptorOptions {
  readonly url: string;
  readonly seed: string;
  /** The stage, which is the name of its user too. */
  readonly name: string;
  readonly log: Log;
}

/** A running interceptor. */
export interface RunningInterceptor {
  readonly stage: Stage;
  /** What it shows of itself. */
  readonly sight: Sightly;
  stop(): Promise<void>;
}

interface Own extends World {
  /** That of the stage. */
  readonly name: Token;
  readonly nc: NatsConnection;
  readonly log: Log;
  policy: Policy;
  knowsRevokedMs: () => number;
}

interface Counts {
  readonly verdicts: Map<StageAnswer['verdict'], number>;
  readonly time: Histogram;
}

const EMPTY = new Uint8Array(0);

/**
 * Start an interceptor. Resolves when it answers.
 * Throws usage for a stage that is none, config_invalid, config_missing, connection_failed, permission_denied.
 */
export async function runInterceptor(options: InterceptorOptions): Promise<RunningInterceptor> {
  const { name: stage, url, seed, log } = options;
  if (!isStage(stage)) {
    throw meshError('usage', { why: `${stage} is not a stage: there are ${STAGES.join(', ')}` });
  }
  const nc = await connectBroker({ url, name: stage, seed });
  const connected = followConnection(nc);
  const own = await worldOf(nc, stage, log);
  const stops = [await followPolicy(own), await followCards(own), await followRevoked(own)];
  const counts: Counts = { verdicts: new Map(), time: new Histogram(true) };
  const at = subject.check({ stage: own.name, gateway: '*' as Token });
  const callback = (err: unknown, msg: Msg) => (err === null ? hear(own, stage, counts, msg) : undefined);
  const sub = nc.subscribe(at, { queue: 'interceptor', callback });
  await nc.flush();
  log.info({ stage }, 'interceptor answers');
  return {
    stage,
    sight: show(stage, counts, connected),
    async stop() {
      // What was asked before is answered before the connection closes.
      await sub.drain();
      stops.forEach((stop) => stop());
      await leaveBroker(nc);
    },
  };
}

async function worldOf(nc: NatsConnection, stage: Stage, log: Log): Promise<Own> {
  const ring = await stageRing(nc, stage);
  const policy = await firstPolicy(nc);
  const registry = new Registry();
  // It chooses nobody: no guard of a stage asks who is alive.
  const router = new Router(registry, new Roster(() => '' as Token), () => 'round-robin');
  const grants = new GrantBook(() => own.policy.issuers);
  const name = stage as string as Token;
  const revoked = new RevokedNames();
  const knowsRevokedMs = () => -Infinity; // until it watches
  const own: Own = { name, nc, log, ring, policy, registry, router, grants, revoked, knowsRevokedMs };
  return own;
}

async function followCards({ nc, registry, log }: Own): Promise<() => void> {
  const cards = await watchCards(nc, (change) => {
    try {
      if (change.kind === 'put') {
        registry.put(change.agent, change.card);
      } else {
        registry.remove(change.agent);
      }
    } catch (err) {
      log.error({ agent: change.agent, err: String(err) }, 'a card in the registry could not be read');
    }
  });
  return () => cards.stop();
}

async function followRevoked(own: Own): Promise<() => void> {
  const grants = await watchGrants(own.nc, (change) => note(own.grants, change));
  const names = await watchRevoked(own.nc, (name, record) =>
    record === undefined ? own.revoked.remove(name) : own.revoked.put(name, record.untilMs),
  );
  own.knowsRevokedMs = () => Math.min(grants.provenMs(), names.provenMs());
  return () => {
    grants.stop();
    names.stop();
  };
}

function hear(own: Own, stage: Stage, { verdicts, time }: Counts, msg: Msg): void {
  const began = performance.now();
  const text = headersOf(msg).get(header.check);
  const p = parse.check(msg.subject);
  const check = text === undefined || p === undefined ? undefined : readCheck(text);
  // What the server writes has no such header, and is no question. Who cannot see what was revoked says nothing (D10).
  if (text === undefined || p === undefined || check === undefined || isBlind(own)) {
    return;
  }
  const said = answer(stage, own, { check, body: msg.data, digest: askedDigest(text, msg.data) });
  const to = subject.stage({ stage: own.name, gateway: p.gateway as Token, nonce: check.nonce as Token });
  try {
    send(own.nc, to, EMPTY, headerBlock(headerLine(header.stage, JSON.stringify(said))));
  } catch (err) {
    own.log.warn({ err: String(err) }, 'an answer could not be sent'); // the gateway asks again, or refuses
  }
  verdicts.set(said.verdict, (verdicts.get(said.verdict) ?? 0) + 1);
  time.observe(performance.now() - began);
}

function readCheck(text: string): Check | undefined {
  try {
    const check = JSON.parse(text) as Check | null;
    return isToken(check?.nonce) && typeof check.known === 'object' ? check : undefined;
  } catch {
    return undefined;
  }
}

function show(stage: Stage, { verdicts, time }: Counts, connected: () => boolean): Sightly {
  const meter = new Meter('interceptor');
  const answers = {
    name: 'mesh_stage_answers_total',
    help: 'Answers of this interceptor; behind: not judged.',
    labels: ['stage', 'verdict'],
  };
  meter.counter(answers, () =>
    [...verdicts].map(([verdict, value]) => ({ labels: { stage, verdict }, value })),
  );
  const help = 'Time of an answer, without the way.';
  meter.histograms({ name: 'mesh_stage_work_seconds', help }, 'stage', () => new Map([[stage, time]]));
  return {
    metrics: async () => ({ type: meter.type, text: await meter.page() }),
    missing: () => (connected() ? [] : ['it is not connected to the server']),
  };
}
