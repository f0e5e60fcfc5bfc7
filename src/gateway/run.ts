/**
 * A gateway process: everything put together, in the order a call passes it.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectBroker, followConnection, leaveBroker, type Msg } from '../fabric/connection.js';
import { readSecrets, ringOf } from '../fabric/keyring.js';
import { LightPublisher } from '../fabric/publisher.js';
import { cork } from '../fabric/cork.js';
import { freshInbox } from '../fabric/raw.js';
import { GrantBook } from '../domain/grants/book.js';
import { Trees } from '../domain/care/trees.js';
import { Registry } from '../domain/registry.js';
import { RevokedNames } from '../domain/revoked.js';
import { Roster } from '../domain/roster.js';
import { Router } from '../domain/routing/router.js';
import { Stats } from '../domain/stats.js';
import { taskToken } from '../domain/ticket.js';
import type { Sightly } from '../sight/page.js';
import { openTracing, type Tracing } from '../sight/tracing.js';
import { pattern } from '../wire/generated/subjects.js';
import type { Log } from '../wire/log.js';
import type { Token } from '../wire/names.js';
import { limits } from '../wire/limits.js';
import type { Stage } from '../wire/stages.js';
import { serveAdoptions } from './adopt.js';
import { Admitter } from './admit.js';
import { serveAsks } from './ask.js';
import { Attempts } from './attempts.js';
import { followAuthority } from './authority.js';
import { serveBodies } from './bodies/serve.js';
import { Slots } from './bodies/slots.js';
import { makeBreakers, shareBreakers } from './breakers.js';
import { Cancels } from './cancels.js';
import type { Core } from './core.js';
import { Decider } from './decide.js';
import { Hedges } from './hedges.js';
import { serveIntroductions } from './introduce.js';
import { OpenSet } from './open.js';
import { park } from './park.js';
import { serveParts } from './parts.js';
import { followStats } from './learn.js';
import { firstPolicy, followPolicy } from './policy.js';
import { Peers } from './peers.js';
import { watchPresence } from './presence.js';
import { serveCancels, serveRecalls } from './recall.js';
import { serveReplays } from './replay.js';
import { Rates } from './rates/rates.js';
import { Results } from './results.js';
import { Retries } from './retries.js';
import { RetryMemory } from './retry-memory.js';
import { Purses } from './budget/purses.js';
import { BeforeDispatch } from './reviews/before-dispatch.js';
import { BeforeOutcome } from './reviews/before-outcome.js';
import { Reviewer } from './reviews/reviewer.js';
import { Settler } from './settle.js';
import { followShadow } from './shadow.js';
import { showGateway } from './shown.js';
import { Sight, type SightOptions } from './sight.js';
import { SplitChain } from './split/judge.js';
import { shareTrees } from './trees.js';
import { Taken } from './taken.js';
import { Taker } from './take.js';
import { serveWakes } from './wake.js';
import { Turns } from './turns.js';
import { inQueue, pacedQueue, usualQueue, WaitingRoom } from './waiting.js';
import { refuseWeakness } from './weakness.js';

/** How to run a gateway. `seed` is the nkey of a user with the role gateway. */
export interface GatewayOptions {
  readonly url: string;
  readonly seed: string;
  /** Name of the user; it prefixes the inbox. */
  readonly name: string;
  readonly log: Log;
  /** Data folder, if it has one: its files are looked at, and whether the server was started on it. */
  readonly dir?: string;
  /** Checks that need not be fine. */
  readonly accept?: readonly string[];
  /** What it looks at of the calls that pass it. */
  readonly sight?: SightOptions;
  /** Stages that interceptors judge; default: none. */
  readonly split?: readonly Stage[];
}

/** A running gateway. */
export interface RunningGateway {
  /** The name it goes by among gateways; new with every start. */
  readonly gateway: string;
  /** On what terms it started: a server to develop with, and what the operator accepts. */
  readonly notes: readonly string[];
  /** What it shows of itself. */
  readonly sight: Sightly;
  /** Take nothing new, give the rest up to `drainMs` to settle, then leave. */
  stop(drainMs?: number): Promise<void>;
}

/**
 * Start a gateway. Resolves when it takes calls.
 * Throws config_invalid, config_missing, connection_failed, permission_denied, start_refused.
 */
export async function runGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { core, tracing, notes } = await startCore(options);
  const connected = followConnection(core.nc);
  const taken = new Taken(core);
  const open = new OpenSet((call) => attempts.due(call));
  const settler = new Settler(core, open, taken);
  const cancels = new Cancels();
  const decider = new Decider(core, open, settler, cancels);
  const split = options.split?.length ? new SplitChain(core, options.split) : undefined;
  cork(core.nc, () => open.size + decider.inAir + (split?.size ?? 0));
  const attempts = new Attempts(core, open, decider, settler);
  const admitter = new Admitter(core, decider, cancels, split);
  const waiting = new WaitingRoom(
    (w) => admitter.retry(w, (queue) => waiting.add(inQueue(w, queue))),
    (w) => park(core, w),
    (w) => (core.rates.isPaced(w.incoming) ? pacedQueue(w) : usualQueue(w)),
  );
  const reviewer = new Reviewer(core, admitter, waiting);
  const asking = new BeforeDispatch(core, admitter, waiting, reviewer);
  admitter.review = (...call) => asking.hold(...call);
  const answers = new BeforeOutcome(core, reviewer, settler);
  const review: BeforeOutcome['hold'] = (call, answer) => answers.hold(call, answer);
  const memory = new RetryMemory(core);
  const retries = new Retries(core, open, taken, memory);
  const hedges = new Hedges(core, open, decider, attempts, memory);
  decider.hedgeAfterMs = (call) => hedges.afterMs(call);
  attempts.hedge = (call) => hedges.give(call);
  const results = new Results(core, open, settler, attempts, retries, taken, () => waiting.poke(), review);
  const turns = new Turns((from) => core.policy.traffic.queueOf(from));
  const taker = new Taker(core, open, admitter, waiting, turns);
  const peers = new Peers(core, open, decider, waiting, turns, (msg) => results.take(msg));
  retries.others = () => peers.others;

  const stopPolicy = await followPolicy(core);
  const stopShadow = await followShadow(core);
  const stopBreakers = await shareBreakers(core);
  const stopStats = followStats(core);
  const stopPresence = await watchPresence(core, {
    gone: (instances) => attempts.gone(instances),
    free: () => waiting.poke(),
  });
  const stopAuthority = await followAuthority({ core, open, attempts, settler, waiting });
  await split?.start();
  open.wheel.start();
  core.budget.start(decider.flying, () => waiting.poke());
  waiting.start();
  const stopResults = hearResults(core, results);
  const stopReviews = reviewer.start();
  await peers.start();
  await hearARound();
  const stops = [
    serveAdoptions(core, open, attempts, settler),
    serveAsks(core, open, admitter, waiting, turns),
    serveWakes(core, open, admitter),
    serveReplays(core, open, admitter),
    serveRecalls(core, open, waiting),
    serveBodies(core),
    serveIntroductions(core),
    shareTrees(core),
    stopBreakers,
    serveParts({ core, open, attempts, settler }),
    serveCancels({ core, open, waiting, attempts, settler, admitter, cancels }),
  ];
  await core.rates.start({ core, open, gateways: () => peers.others, poke: () => waiting.poke() });
  taker.start();
  core.log.info({ gateway: core.name }, 'gateway takes calls');

  return {
    gateway: core.name,
    notes,
    sight: showGateway({ core, open, waiting, turns, decider, taker, split, tracing, connected }),
    async stop(drainMs = 2_000) {
      taker.stop();
      stops.forEach((stop) => stop());
      const until = Date.now() + drainMs;
      while (
        Date.now() < until &&
        open.size + waiting.size + turns.size + decider.inAir + (split?.size ?? 0) > 0
      ) {
        await sleep(20);
      }
      split?.stop();
      waiting.stop();
      taken.flush();
      await core.rates.stop();
      await core.budget.stop();
      await peers.stop();
      stopResults();
      stopReviews();
      stopPresence();
      stopAuthority();
      stopPolicy();
      stopShadow();
      stopStats();
      open.wheel.stop();
      core.pub.close();
      await tracing?.flush();
      await leaveBroker(core.nc);
    },
  };
}

async function startCore(
  options: GatewayOptions,
): Promise<{ core: Core; tracing: Tracing | undefined; notes: readonly string[] }> {
  const nc = await connectBroker({ url: options.url, name: options.name, seed: options.seed });
  const secrets = await readSecrets(nc);
  const ring = await ringOf(nc, secrets);
  const policy = await firstPolicy(nc);
  const notes = await refuseWeakness(nc, options);
  const name = `gw-${randomBytes(5).toString('hex')}` as Token;
  const registry = new Registry();
  const roster = new Roster((agent, instance) => taskToken(ring, agent, instance) as Token);
  const stats = new Stats();
  const { sight = {} } = options;
  const onTrouble = (why: string) => options.log.warn({ why }, 'spans do not reach the collector');
  const tracing = openTracing({ service: 'capmesh-gateway', instance: name, onTrouble });
  const pub = new LightPublisher(nc, freshInbox(nc));
  const core: Core = {
    name,
    nc,
    pub,
    ring,
    ingress: secrets.ingress,
    policy,
    grants: new GrantBook(() => core.policy.issuers),
    revoked: new RevokedNames(),
    knowsRevokedMs: () => -Infinity,
    registry,
    roster,
    router: new Router(registry, roster, (capability) => core.policy.routingOf(capability), {
      stats,
      seed: randomBytes(2).readUInt16LE(),
    }),
    stats,
    reads: new Slots(limits.bodyReads, limits.bodyReadsWaiting),
    log: options.log,
    sight: new Sight(sight, options.log, tracing),
    budget: new Purses({ name, nc, pub, log: options.log, confirmedMs: () => core.confirmedMs }),
    confirmedMs: -Infinity,
    observers: new Set(),
    trees: new Trees(),
    breakers: makeBreakers(name, () => core),
    rates: new Rates(() => core.policy.traffic),
    fill: {},
    overload: undefined,
  };
  return { core, tracing, notes };
}

function hearResults(core: Core, results: Results): () => void {
  const callback = (err: unknown, msg: Msg) => (err === null ? results.take(msg) : undefined);
  const [own, any] = [pattern.result.split('.'), pattern.result.split('.')];
  own[4] = core.name;
  any[4] = 'any';
  // Plain, because the server tells "nobody listens" only to a plain subscription of the publisher.
  const subs = [
    core.nc.subscribe(own.join('.'), { callback }),
    core.nc.subscribe(any.join('.'), { queue: 'gateway', callback }),
  ];
  return () => subs.forEach((s) => s.unsubscribe());
}

/** One round of beats: whoever is alive has been heard after it. */
function hearARound(): Promise<void> {
  return sleep(limits.beatMs + 100);
}
