/**
 * Agents in the words of NATS services (ADR-32): each instance is a service, each capability an endpoint.
 */
import type { Offer } from '../domain/card.js';
import type { Registered } from '../domain/registry.js';
import type { Instance } from '../domain/roster.js';
import type { Stats } from '../wire/generated/messages.js';
import { subject } from '../wire/generated/subjects.js';
import type { Token } from '../wire/names.js';

/** The verbs that are answered. */
export type Verb = 'PING' | 'INFO' | 'STATS';

/** One live instance of a registered agent. */
export interface Service {
  readonly registered: Registered;
  readonly instance: Instance;
}

/** ADR-32 wants a version of the service; an agent has none, so this is the one of the wire it speaks. */
const WIRE_VERSION = '1.0.0';
/** Who takes asks: the subject of an endpoint is where its capability can be asked for. */
const ASK_QUEUE = 'gateway';
/** What Go programs read as "no such time". */
const NO_TIME = '0001-01-01T00:00:00Z';
/** Keeps nanoseconds within what JSON carries exactly: a hundred days of work. */
const WORKED_US_MAX = 9_000_000_000_000;

/** The answer to PING, and the beginning of every other. */
export function pingOf({ registered, instance }: Service): object {
  return { type: typeOf('ping'), ...identityOf({ registered, instance }) };
}

/** The answer to INFO. */
export function infoOf({ registered, instance }: Service): object {
  return {
    type: typeOf('info'),
    ...identityOf({ registered, instance }),
    description: plain(registered.card.description ?? ''),
    endpoints: registered.offers.map((offer) => ({
      ...endpointOf(offer),
      metadata: {
        capability: offer.name,
        version: `${offer.major}.${offer.minor}`,
        idempotent: String(offer.idempotent),
        description: plain(offer.description),
      },
    })),
  };
}

/** The answer to STATS. Without numbers of its own the instance is shown with none, not with zeros. */
export function statsOf({ registered, instance }: Service, stats: Stats | undefined): object {
  return {
    type: typeOf('stats'),
    ...identityOf({ registered, instance }),
    started: stats === undefined ? NO_TIME : new Date(Math.min(stats.since, Date.now())).toISOString(),
    endpoints: stats === undefined ? [] : registered.offers.map((offer) => countsOf(offer, stats)),
  };
}

function countsOf(offer: Offer, stats: Stats): object {
  const count = stats.capabilities.find(({ name }) => name === offer.name);
  const { tasks = 0, failed = 0, workedUs = 0, lastError = '' } = count ?? {};
  const workedNs = Math.min(workedUs, WORKED_US_MAX) * 1_000;
  return {
    ...endpointOf(offer),
    num_requests: tasks,
    num_errors: failed,
    last_error: plain(lastError),
    processing_time: workedNs,
    average_processing_time: tasks === 0 ? 0 : Math.round(workedNs / tasks),
  };
}

function typeOf(verb: string): string {
  return `io.nats.micro.v1.${verb}_response`;
}

function identityOf({ registered, instance }: Service): object {
  return {
    name: instance.agent,
    id: instance.id,
    version: WIRE_VERSION,
    metadata: {
      card: registered.digest,
      state: instance.draining ? 'draining' : 'ready',
      inFlight: String(instance.reported),
      concurrency: String(instance.concurrency),
      ...(registered.card.plain === true ? { plain: 'true' } : {}),
    },
  };
}

/** The name of an endpoint has no dots; the capability stands in its metadata, and in the subject. */
function endpointOf({ name }: Offer): object {
  return {
    name: name.replaceAll('.', '-'),
    subject: subject.ask({ from: '*' as Token, capability: name }),
    queue_group: ASK_QUEUE,
  };
}

/** Text of an agent on its way to a terminal: nothing in it moves the cursor. */
function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}
