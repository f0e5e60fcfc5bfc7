/**
 * A control process: registrar, supervisor, views, and the eyes on plain responders. Several may run; one leads.
 */
import { randomBytes } from 'node:crypto';
import { BudgetStore } from '../fabric/budgets.js';
import { watchCards } from '../fabric/cards.js';
import { connectBroker, followConnection, leaveBroker } from '../fabric/connection.js';
import { ensureSecrets, ringOf, tellStages } from '../fabric/keyring.js';
import { Lease } from '../fabric/lease.js';
import { LightPublisher } from '../fabric/publisher.js';
import { freshInbox } from '../fabric/raw.js';
import { ensureStreams, openBucket } from '../fabric/streams.js';
import { Registry } from '../domain/registry.js';
import { RevokedNames } from '../domain/revoked.js';
import { Roster } from '../domain/roster.js';
import { Stats } from '../domain/stats.js';
import { taskToken } from '../domain/ticket.js';
import type { Sightly } from '../sight/page.js';
import { limits } from '../wire/limits.js';
import type { Log } from '../wire/log.js';
import type { Token } from '../wire/names.js';
import { serveAdmin } from './admin.js';
import { serveApprovals } from './approvals/serve.js';
import { followAuthority } from './authority.js';
import { Books } from './budgets/books.js';
import { ThresholdWatch } from './budgets/thresholds.js';
import { Closer } from './budgets/closer.js';
import type { Control } from './core.js';
import { FallbackWatch } from './fallbacks.js';
import { tellKeys } from './grants.js';
import { serveMicro } from './micro.js';
import { watchPlain } from './plain.js';
import { firstPolicy, followPolicy } from './policy.js';
import { serveRegistrar } from './registrar.js';
import { followLearned } from './learned.js';
import { showControl } from './shown.js';
import { freeSlots } from './slots.js';
import { Supervisor } from './supervisor.js';
import { serveViews } from './views.js';

const LEASE_MS = 2_000;
const KEEP_MS = 600;

/** How to run control. `seed` is the nkey of a user with the role control. */
export interface ControlOptions {
  readonly url: string;
  readonly seed: string;
  readonly name: string;
  readonly policyFile: string;
  /** Data folder whose users and issuer gateways are told of. */
  readonly dir?: string;
  readonly log: Log;
}

/** A running control process. */
export interface RunningControl {
  /** What it shows of itself. */
  readonly sight: Sightly;
  stop(): Promise<void>;
}

/**
 * Start control: makes streams, buckets and keys when they are missing, then serves.
 * Throws config_invalid, config_missing, connection_failed, permission_denied.
 */
export async function runControl(options: ControlOptions): Promise<RunningControl> {
  const { control, lease } = await startCore(options);
  const connected = followConnection(control.nc);
  const cards = await watchCards(control.nc, (change) => {
    if (change.kind === 'put') {
      control.registry.put(change.agent, change.card);
    } else {
      control.registry.remove(change.agent);
    }
  });
  const supervisor = new Supervisor(control);
  supervisor.start();
  await control.books.start();
  const thresholds = new ThresholdWatch(control);
  thresholds.start();
  const fallbacks = new FallbackWatch(control);
  const closer = new Closer(control, () => new Set(supervisor.gateways().map(({ gateway }) => gateway)));
  supervisor.alsoNeeded = () => closer.marks();
  await closer.start();
  const stops = [
    await followAuthority(control, (concerns) => supervisor.parked.review(concerns)),
    await tellKeys(control, options.dir),
    serveRegistrar(control),
    serveMicro(control),
    watchPlain(control),
    followLearned(control),
    await freeSlots(control),
    serveAdmin(control),
    serveApprovals(control),
    serveViews(control, supervisor),
    await followPolicy(control, options.policyFile),
  ];
  const keep = setInterval(() => void lease.keep(), KEEP_MS);
  await lease.keep();

  return {
    sight: showControl(control, supervisor, connected, thresholds, fallbacks),
    async stop() {
      clearInterval(keep);
      supervisor.stop();
      thresholds.stop();
      fallbacks.stop();
      control.books.stop();
      closer.stop();
      stops.forEach((stop) => stop());
      cards.stop();
      await lease.release().catch(() => undefined); // it lapses by itself
      control.pub.close();
      await leaveBroker(control.nc);
    },
  };
}

async function startCore(options: ControlOptions): Promise<{ control: Control; lease: Lease }> {
  const nc = await connectBroker({ url: options.url, name: options.name, seed: options.seed });
  const secrets = await ensureSecrets(nc);
  await ensureStreams(nc, secrets.ingress);
  await openBucket(nc, 'mesh_registry', true);
  await openBucket(nc, 'mesh_state', true);
  await openBucket(nc, 'mesh_identity', true);
  await openBucket(nc, 'mesh_policy', true);
  await openBucket(nc, 'mesh_breaker', true);
  await openBucket(nc, 'mesh_rate', true);
  const policy = await firstPolicy(nc, options.policyFile);
  await openBucket(nc, 'mesh_grants', true);
  await openBucket(nc, 'mesh_budget', true);
  const ring = await ringOf(nc, secrets);
  await tellStages(nc, ring);
  const id = `control-${randomBytes(5).toString('hex')}`;
  const pub = new LightPublisher(nc, freshInbox(nc), limits.ackTimeoutMs);
  const lease = new Lease(nc, pub, 'mesh_state', 'supervisor', id, LEASE_MS);
  const control: Control = {
    id,
    nc,
    pub,
    ring,
    ingress: secrets.ingress,
    policy,
    books: new Books(new BudgetStore(nc, pub)),
    lookAtPolicy: () => undefined,
    registry: new Registry(),
    roster: new Roster((agent, instance) => taskToken(ring, agent, instance) as Token),
    stats: new Stats(),
    revoked: new RevokedNames(),
    log: options.log,
    leads: () => lease.held,
  };
  return { control, lease };
}
