/**
 * Streams and KV buckets, as data. Sizes in bytes, times in milliseconds. Rules that hold for all:
 * no stream that anyone but the gateway may publish to allows rollup, schedules or TTL (each of them lets a
 * publisher wipe or redirect it); a stream with `ingress` captures only the secret ingress subject.
 */
export interface StreamRow {
  readonly retention: 'workqueue' | 'limits';
  readonly maxBytes: number;
  readonly maxMsgSize: number;
  readonly duplicateWindowMs: number;
  readonly ingress: boolean;
  /** One message per subject, a second is refused: the register of first writes. */
  readonly oncePerSubject?: true;
  readonly ttlPerMessage?: true;
  /** Prefix under which the server republishes what it stored. */
  readonly republish?: string;
  readonly why: string;
}

const MiB = 1024 * 1024;

export const streams = {
  CALLS: {
    retention: 'workqueue',
    maxBytes: 512 * MiB,
    maxMsgSize: 1088 * 1024,
    duplicateWindowMs: 100,
    ingress: false,
    why: 'Accepted and not decided yet. A full queue refuses new calls; nothing in it ages away.',
  },
  DECISIONS: {
    retention: 'limits',
    maxBytes: 4096 * MiB,
    maxMsgSize: 1152 * 1024,
    duplicateWindowMs: 120_000,
    ingress: true,
    why: 'The write-ahead record. The supervisor purges what is settled; the window H makes a second decision harmless.',
  },
  OUTCOMES: {
    retention: 'limits',
    maxBytes: 4096 * MiB,
    maxMsgSize: 1152 * 1024,
    duplicateWindowMs: 100,
    ingress: true,
    oncePerSubject: true,
    ttlPerMessage: true,
    republish: 'mesh.v1.outcome',
    why: 'The register of outcomes: first write wins, each kept until birth + life + grace of its call.',
  },
  PARKED: {
    retention: 'limits',
    maxBytes: 256 * MiB,
    maxMsgSize: 1152 * 1024,
    duplicateWindowMs: 100,
    ingress: true,
    oncePerSubject: true,
    why: 'Calls that wait for capacity; deleted one by one when they go on.',
  },
  VOTES: {
    retention: 'limits',
    maxBytes: 64 * MiB,
    maxMsgSize: 16 * 1024,
    duplicateWindowMs: 100,
    ingress: true,
    oncePerSubject: true,
    ttlPerMessage: true,
    why: 'What approvers said of held calls: each once, kept a little longer than its call may wait.',
  },
  DEAD: {
    retention: 'limits',
    maxBytes: 256 * MiB,
    maxMsgSize: 1152 * 1024,
    duplicateWindowMs: 120_000,
    ingress: true,
    why: 'Calls the mesh gave up on, with their history.',
  },
  BODIES: {
    retention: 'limits',
    maxBytes: 2048 * MiB,
    maxMsgSize: 320 * 1024,
    duplicateWindowMs: 100,
    ingress: true,
    oncePerSubject: true,
    ttlPerMessage: true,
    why: 'Large bodies in chunks: each written once, kept until the time that its owner asked for.',
  },
} as const satisfies Record<string, StreamRow>;

export interface BucketRow {
  readonly maxBytes: number;
  /** How long the server keeps the marker of an expired or deleted key. */
  readonly markerTtlMs: number;
  readonly why: string;
}

export const buckets = {
  mesh_registry: {
    maxBytes: 64 * MiB,
    markerTtlMs: 60_000,
    why: 'Cards (card.{agent}) and leases (lease.{agent}.{instance}). Written by the registrar only.',
  },
  mesh_state: {
    maxBytes: 16 * MiB,
    markerTtlMs: 60_000,
    why: 'Election of the supervisor, low-water mark, calls suspected of crashing gateways, ids of replays under way.',
  },
  mesh_keys: {
    maxBytes: 1 * MiB,
    markerTtlMs: 60_000,
    why: 'The key ring of the macs and the ingress secret (ring): read by gateways and control only. What an interceptor needs of it stands under the name of its stage.',
  },
  mesh_identity: {
    maxBytes: 32 * MiB,
    markerTtlMs: 60_000,
    why: 'Keys of users (key.{key}, name.{name}), enrolment tokens by digest, names and keys that are revoked (revoked.{name or key}).',
  },
  mesh_rate: {
    maxBytes: 1 * MiB,
    markerTtlMs: 60_000,
    why: 'Who holds which sixteenth of all limits (slot.{n}): leases of gateways.',
  },
  mesh_policy: {
    maxBytes: 4 * MiB,
    markerTtlMs: 60_000,
    why: 'The policy in force: written by control, watched by gateways.',
  },
  mesh_breaker: {
    maxBytes: 16 * MiB,
    markerTtlMs: 60_000,
    why: 'Breakers that are not simply closed ({scope}.{agent}.{capability}), each until an hour after its last change: changed by gateways, by compare-and-set, and by control for operators.',
  },
  mesh_budget: {
    maxBytes: 256 * MiB,
    markerTtlMs: 60_000,
    why: 'The ledger: what is spent of each budget in each window and what is allotted to which gateway (node.{key}), and what each gateway has settled of that (purse.{id}).',
  },
  mesh_grants: {
    maxBytes: 64 * MiB,
    markerTtlMs: 60_000,
    why: 'What grants are judged by: public keys of members (holder.{name}) and issuers (issuer.{name}), what was revoked (revoked.id.{id}, revoked.holder.{name}; each until no such grant can be left), all written by control only; and the texts of grants that gateways keep for their holders (introduced.{digest}).',
  },
} as const satisfies Record<string, BucketRow>;

/** What it takes to watch a bucket: consumers whose name and filter fit `create`. */
const watching = (bucket: string, create: string): string[] => [
  `$JS.API.CONSUMER.CREATE.KV_${bucket}.${create}`,
  ...['INFO', 'MSG.NEXT', 'DELETE'].map((what) => `$JS.API.CONSUMER.${what}.KV_${bucket}.>`),
];

/**
 * Rights of each role beside the subject table: the broker's own API. Agents and callers have none.
 * `{me}` is the user's name.
 */
export const brokerRights = {
  caller: { publish: [], subscribe: ['_INBOX.{me}.>'] },
  agent: { publish: [], subscribe: ['_INBOX.{me}.>'] },
  viewer: { publish: [], subscribe: ['_INBOX.{me}.>'] },
  operator: {
    publish: [
      '$JS.API.>',
      '$JS.ACK.>',
      '$SYS.REQ.USER.INFO',
      '$SYS.REQ.ACCOUNT.PING.CONNZ', // how many processes of identity answer
      '$SRV.>',
    ],
    subscribe: ['_INBOX.>', 'mesh.v1.>', '$JS.EVENT.>'],
  },
  gateway: {
    publish: [
      '_k.>',
      '_INBOX.>',
      '$JS.API.INFO',
      '$JS.API.CONSUMER.INFO.CALLS.gateway',
      '$JS.API.CONSUMER.MSG.NEXT.CALLS.gateway',
      '$JS.ACK.CALLS.gateway.>',
      '$JS.ACK.*.*.CALLS.gateway.>',
      '$JS.API.STREAM.INFO.*',
      '$JS.API.DIRECT.GET.>',
      '$JS.API.STREAM.MSG.GET.*',
      '$JS.API.STREAM.MSG.DELETE.PARKED',
      '$JS.API.STREAM.PURGE.BODIES',
      ...watching('mesh_registry', '>'),
      ...watching('mesh_policy', '>'),
      ...watching('mesh_rate', '>'),
      ...watching('mesh_grants', '>'),
      ...watching('mesh_breaker', '>'),
      ...watching('mesh_budget', '>'),
      // Who was put out, and nothing else of that bucket.
      ...watching('mesh_identity', '*.$KV.mesh_identity.revoked.*'),
      '$JS.FC.>',
      '$KV.mesh_state.suspect.>',
      '$KV.mesh_rate.slot.*',
      '$KV.mesh_grants.introduced.*',
      '$KV.mesh_breaker.>',
      '$KV.mesh_budget.>',
      '$SYS.REQ.USER.INFO', // it does not start when it may more than this
    ],
    subscribe: ['_INBOX.>'],
  },
  interceptor: {
    publish: [
      '$JS.API.INFO',
      '$JS.API.DIRECT.GET.KV_mesh_keys.$KV.mesh_keys.{me}',
      '$JS.API.DIRECT.GET.KV_mesh_policy.$KV.mesh_policy.live',
      '$JS.API.STREAM.INFO.KV_mesh_registry',
      '$JS.API.STREAM.INFO.KV_mesh_policy',
      '$JS.API.STREAM.INFO.KV_mesh_grants',
      ...watching('mesh_registry', '>'),
      ...watching('mesh_policy', '>'),
      ...watching('mesh_grants', '>'),
      '$JS.API.STREAM.INFO.KV_mesh_identity',
      ...watching('mesh_identity', '*.$KV.mesh_identity.revoked.*'),
      '$SYS.REQ.USER.INFO', // mesh doctor asks what it may do
    ],
    subscribe: ['_INBOX.{me}.>'],
  },
  control: {
    publish: [
      '_k.>',
      '_INBOX.>',
      '$JS.API.>',
      '$JS.ACK.>',
      '$JS.FC.>',
      '$KV.>',
      '$SYS.REQ.USER.INFO',
      '$SYS.REQ.ACCOUNT.PING.CONNZ',
      '$SYS.REQ.SERVER.*.KICK',
    ],
    // It answers for all agents: what NATS knows of services (ADR-32) is never their own word about who they are.
    subscribe: ['_INBOX.>', '$JS.EVENT.ADVISORY.>', '$SRV.>'],
  },
  identity: {
    publish: [
      '$SYS.REQ.USER.INFO',
      '$SYS._INBOX.>', // where the server waits for the answer to its callout
      '$JS.API.STREAM.MSG.GET.KV_mesh_identity',
      '$KV.mesh_identity.key.>',
      '$KV.mesh_identity.name.>',
      '$KV.mesh_identity.enrol.>',
    ],
    subscribe: ['_INBOX.{me}.>', '$SYS.REQ.USER.AUTH identity'],
  },
} as const;
