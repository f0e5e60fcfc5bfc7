/**
 * What every part of a gateway shares: its name, its connection, its secrets and its view of the mesh.
 */
import type { NatsConnection } from '../fabric/connection.js';
import type { LightPublisher } from '../fabric/publisher.js';
import type { KeyRing } from '../wire/keyring.js';
import type { GrantBook } from '../domain/grants/book.js';
import type { ChainVerdict } from '../chain/chain.js';
import type { Draft } from '../chain/draft.js';
import type { Policy } from '../domain/policy.js';
import type { ShadowReport } from '../domain/shadow.js';
import type { Breakers } from '../domain/care/breakers.js';
import type { Trees } from '../domain/care/trees.js';
import type { RevokedNames } from '../domain/revoked.js';
import type { Registry } from '../domain/registry.js';
import type { Roster } from '../domain/roster.js';
import type { Router } from '../domain/routing/router.js';
import type { Stats } from '../domain/stats.js';
import type { Slots } from './bodies/slots.js';
import type { Purses } from './budget/purses.js';
import type { Rates } from './rates/rates.js';
import type { Log } from '../wire/log.js';
import type { Token } from '../wire/names.js';
import type { Observer } from './observed.js';
import type { Sight } from './sight.js';

/** Judges by a candidate policy what was judged by the live one. */
export interface ShadowJudge {
  /** The live policy has spoken. */
  judged(draft: Draft, verdict: ChainVerdict): void;
  /** What was counted. */
  report(): ShadowReport;
}

/** Shared by all parts of one gateway process. */
export interface Core {
  /** Unique to this process; the result subjects carry it. */
  readonly name: Token;
  readonly nc: NatsConnection;
  readonly pub: LightPublisher;
  readonly ring: KeyRing;
  /** The secret of the ingress subjects. */
  readonly ingress: string;
  /** Replaced as a whole when the policy of the mesh changes. */
  policy: Policy;
  /** A candidate that is judged beside it; nearly always there is none. */
  shadow?: ShadowJudge | undefined;
  /** What grants are judged by, and those proven before. */
  readonly grants: GrantBook;
  /** Who was put out. */
  readonly revoked: RevokedNames;
  /** Everything that was revoked before this is known here (monotonic ms). */
  knowsRevokedMs: () => number;
  readonly registry: Registry;
  readonly roster: Roster;
  readonly router: Router;
  /** What was learned of agents, here and by the other gateways. */
  readonly stats: Stats;
  /** What is counted of the limits of the policy. */
  readonly rates: Rates;
  /** Bounds the reading of large bodies. */
  readonly reads: Slots;
  readonly log: Log;
  readonly sight: Sight;
  /** What is counted of trees of calls. */
  readonly trees: Trees;
  /** Agents that get no calls for now. */
  readonly breakers: Breakers;
  /** Told how attempts ended; without any nothing is noted. */
  readonly observers: Set<Observer>;
  /** What it has to spend. */
  readonly budget: Purses;
  /** The server answered what was asked at this moment (monotonic ms): before that, nobody took this gateway for dead. */
  confirmedMs: number;
  /** How full the streams that decide on that are, in percent. */
  fill: Readonly<Record<string, number>>;
  /** Set when a stream is nearly full: new calls are refused with this, those of low priority first. */
  overload: { readonly stream: string; readonly percent: number } | undefined;
}
