/**
 * The subject table: every subject of wire v1, as data.
 *
 * A token in braces is a parameter; `{capability+}` is one to eight tokens and stands last. `says` and `hears`
 * name roles; for the roles `caller`, `agent` and `interceptor` the token named in `self` is bound to the user's own
 * name, and the broker enforces it. `npm run generate` derives the typed builders, the permission set of each role and
 * `docs/reference/subjects.md` from this file.
 */
export type Role =
  'caller' | 'agent' | 'gateway' | 'interceptor' | 'control' | 'viewer' | 'operator' | 'identity';
export type Kind = 'stream' | 'service' | 'core' | 'republished';

export interface SubjectRow {
  readonly pattern: string;
  readonly kind: Kind;
  /** Which token must be the speaker's or hearer's own name when it is a caller, an agent or an interceptor. */
  readonly self?: 'from' | 'agent' | 'stage';
  readonly says: readonly Role[];
  readonly hears: readonly Role[];
  /** Caller, agent and interceptor may hear it only as a member of this queue group. */
  readonly queue?: string;
  /** The JSON Schema of the payload or of the header record, by file name in `schemas/`. */
  readonly schema?: string;
  readonly stream?: 'CALLS' | 'DECISIONS' | 'OUTCOMES' | 'PARKED' | 'VOTES' | 'DEAD' | 'BODIES';
  /** Written only through the secret ingress: the server maps `_k.{secret}.{word}.…` to the pattern. */
  readonly ingress?: true;
  /** Wire v1 keeps the subject; nothing speaks on it yet, and nobody has a permission for it. */
  readonly reserved?: true;
  /** What a message on this subject proves. */
  readonly proves: string;
}

export const table = {
  call: {
    pattern: 'mesh.v1.call.{from}.{capability+}',
    kind: 'stream',
    self: 'from',
    says: ['caller', 'agent'],
    hears: [],
    stream: 'CALLS',
    proves:
      'The publish acknowledgement says accepted: exactly one outcome will follow. Nothing here is decided yet.',
  },
  ask: {
    pattern: 'mesh.v1.ask.{from}.{capability+}',
    kind: 'service',
    self: 'from',
    says: ['caller', 'agent'],
    hears: ['gateway'],
    proves:
      'The reply is the outcome, sent after it was stored. Without a Mesh-Call header it has no safe retry.',
  },
  decision: {
    pattern: 'mesh.v1.decision.{agent}.{capability+}',
    kind: 'stream',
    says: ['gateway'],
    hears: [],
    schema: 'decision',
    stream: 'DECISIONS',
    ingress: true,
    proves:
      'The verdict is durable, before anything was dispatched. Refusals stand under the agent name "none".',
  },
  check: {
    pattern: 'mesh.v1.check.{stage}.{gateway}',
    kind: 'service',
    self: 'stage',
    says: ['gateway'],
    hears: ['interceptor'],
    queue: 'interceptor',
    schema: 'check',
    proves:
      'A gateway asks the interceptors of this stage about a call. An interceptor is a user that has the name of its stage.',
  },
  stage: {
    pattern: 'mesh.v1.stage.{stage}.{gateway}.{nonce}',
    kind: 'core',
    self: 'stage',
    says: ['interceptor'],
    hears: ['gateway'],
    schema: 'stage',
    proves:
      'The guards of this stage have spoken about the call that was asked about with this nonce, and about nothing else.',
  },
  task: {
    pattern: 'mesh.v1.task.{agent}.{token}.{capability+}',
    kind: 'core',
    self: 'agent',
    says: ['gateway'],
    hears: ['agent'],
    queue: 'mesh',
    schema: 'ticket',
    proves: 'The decision named in the reply subject is durable. The token is unguessable, one per instance.',
  },
  result: {
    pattern: 'mesh.v1.result.{agent}.{gateway}.{seq}.{mac}',
    kind: 'core',
    self: 'agent',
    says: ['agent'],
    hears: ['gateway'],
    proves: 'This agent answers the decision it was given: only the gateway could have made the mac.',
  },
  taken: {
    pattern: 'mesh.v1.taken.{agent}.{instance}',
    kind: 'core',
    self: 'agent',
    says: ['gateway'],
    hears: ['agent'],
    schema: 'taken',
    proves: 'The outcomes of the listed decisions are durable; their results need not be sent again.',
  },
  probe: {
    pattern: 'mesh.v1.probe.{agent}.{instance}',
    kind: 'core',
    self: 'agent',
    says: ['gateway'],
    hears: ['agent'],
    schema: 'taken',
    proves:
      'A gateway adopted these decisions and asks for a sign: the agent answers for each it knows, as a result.',
  },
  settle: {
    pattern: 'mesh.v1.settle.{from}.{call}',
    kind: 'stream',
    says: ['gateway'],
    hears: [],
    schema: 'outcome',
    stream: 'OUTCOMES',
    ingress: true,
    proves: 'The one outcome of the call: the first write wins and the server refuses a second.',
  },
  outcome: {
    pattern: 'mesh.v1.outcome.{from}.{call}',
    kind: 'republished',
    self: 'from',
    says: [],
    hears: ['caller', 'agent'],
    schema: 'outcome',
    proves: 'The outcome was stored. Sent at most once by the server itself (Nats-Stream: OUTCOMES).',
  },
  recall: {
    pattern: 'mesh.v1.recall.{from}.{call}',
    kind: 'service',
    self: 'from',
    says: ['caller', 'agent'],
    hears: ['gateway'],
    schema: 'recall',
    proves: 'The reply is the stored outcome, "running", or "not_seen" (retry the same id).',
  },
  cancel: {
    pattern: 'mesh.v1.cancel.{from}.{call}',
    kind: 'core',
    self: 'from',
    says: ['caller', 'agent'],
    hears: ['gateway', 'control'],
    proves: 'A request to stop. The outcome still decides.',
  },
  stop: {
    pattern: 'mesh.v1.stop.{agent}.{call}',
    kind: 'core',
    self: 'agent',
    says: ['gateway'],
    hears: ['agent'],
    proves: 'The caller asked to stop this call; the agent should answer soon, with what it has.',
  },
  progress: {
    pattern: 'mesh.v1.progress.{agent}.{gateway}.{seq}.{mac}',
    kind: 'core',
    self: 'agent',
    says: ['agent'],
    hears: ['gateway'],
    proves:
      'A numbered partial output, or a question, of a decision this agent was given; never the outcome.',
  },
  stream: {
    pattern: 'mesh.v1.stream.{from}.{call}',
    kind: 'core',
    self: 'from',
    says: ['gateway'],
    hears: ['caller', 'agent'],
    proves: 'A partial output or a question that passed the gateway; never the outcome.',
  },
  credit: {
    pattern: 'mesh.v1.credit.{from}.{call}',
    kind: 'core',
    self: 'from',
    says: ['caller', 'agent'],
    hears: ['gateway'],
    proves:
      'The caller has used the partial outputs up to Mesh-Part and takes more; with a body it answers that question.',
  },
  flow: {
    pattern: 'mesh.v1.flow.{agent}.{call}',
    kind: 'core',
    self: 'agent',
    says: ['gateway'],
    hears: ['agent'],
    proves: 'What the caller said by credit, passed on to the agent that works on the call.',
  },
  hello: {
    pattern: 'mesh.v1.hello.{agent}.{instance}',
    kind: 'service',
    self: 'agent',
    says: ['agent'],
    hears: ['control'],
    schema: 'card',
    proves: 'An instance presents its card. The reply carries its task token, or the refusal.',
  },
  beat: {
    pattern: 'mesh.v1.beat.{agent}.{instance}',
    kind: 'core',
    self: 'agent',
    says: ['agent', 'control'],
    hears: ['gateway', 'control'],
    schema: 'beat',
    proves: 'The instance was alive when it sent this; the lease lasts until its time-to-live has passed.',
  },
  bye: {
    pattern: 'mesh.v1.bye.{agent}.{instance}',
    kind: 'core',
    self: 'agent',
    says: ['agent', 'control'],
    hears: ['gateway', 'control'],
    proves: 'The instance left on purpose; it takes no further task.',
  },
  measure: {
    pattern: 'mesh.v1.measure.{agent}.{instance}',
    kind: 'core',
    self: 'agent',
    says: ['control'],
    hears: ['agent'],
    proves: 'Control asks the instance what it has counted.',
  },
  stats: {
    pattern: 'mesh.v1.stats.{agent}.{instance}',
    kind: 'core',
    self: 'agent',
    says: ['agent'],
    hears: ['control'],
    schema: 'stats',
    proves: 'What this instance counted since it started: its own word, believed of itself only.',
  },
  find: {
    pattern: 'mesh.v1.find.{from}',
    kind: 'service',
    self: 'from',
    says: ['caller', 'agent', 'viewer', 'operator'],
    hears: ['control'],
    schema: 'find',
    proves: 'The reply lists capabilities that match a pattern, only those the asker may call.',
  },
  view: {
    pattern: 'mesh.v1.view.{from}.{what}',
    kind: 'service',
    self: 'from',
    says: ['viewer', 'operator'],
    hears: ['control'],
    schema: 'view',
    proves:
      'The reply is a page of what control can see: agents, calls, one call with its tree, dead and parked calls, state.',
  },
  parked: {
    pattern: 'mesh.v1.parked.{why}.{from}.{call}',
    kind: 'stream',
    says: ['gateway'],
    hears: [],
    schema: 'parked',
    stream: 'PARKED',
    ingress: true,
    proves: 'The call waits durably for capacity; the supervisor holds its timer.',
  },
  approval: {
    pattern: 'mesh.v1.approval.{from}.{what}',
    kind: 'service',
    self: 'from',
    says: ['caller', 'operator'],
    hears: ['control'],
    schema: 'approval',
    proves:
      'This user asks for the calls that wait for an approval (ls, show), or votes on one (approve, deny). No agent can speak here.',
  },
  vote: {
    pattern: 'mesh.v1.vote.{from}.{call}.{digest}.{by}',
    kind: 'stream',
    says: ['control'],
    hears: [],
    stream: 'VOTES',
    ingress: true,
    proves: 'This approver has voted on this digest, once: the server refuses a second vote.',
  },
  dead: {
    pattern: 'mesh.v1.dead.{capability+}',
    kind: 'stream',
    says: ['gateway'],
    hears: [],
    schema: 'dead',
    stream: 'DEAD',
    ingress: true,
    proves: 'The mesh gave up on the call; the record carries its history.',
  },
  upload: {
    pattern: 'mesh.v1.upload.{from}.{what}',
    kind: 'service',
    self: 'from',
    says: ['caller', 'agent'],
    hears: ['gateway'],
    schema: 'upload',
    proves:
      'The reply says what is durable of a large body: begin (room for it), chunk, end (all of it, with this digest), drop.',
  },
  fetch: {
    pattern: 'mesh.v1.fetch.{from}',
    kind: 'service',
    self: 'from',
    says: ['caller', 'agent'],
    hears: ['gateway'],
    proves: 'The reply is one chunk of a body whose reference a gateway sealed for this reader.',
  },
  introduce: {
    pattern: 'mesh.v1.introduce.{from}',
    kind: 'service',
    self: 'from',
    says: ['caller', 'agent'],
    hears: ['gateway'],
    proves:
      'The payload is the text of a grant. The reply says that the mesh keeps it until it is over: from then on its digest stands for it in Mesh-Grant.',
  },
  body: {
    pattern: 'mesh.v1.body.{from}.{body}.{bytes}.{chunk}',
    kind: 'stream',
    says: ['gateway'],
    hears: [],
    stream: 'BODIES',
    ingress: true,
    proves:
      'One chunk of a large body of this owner, written once. Chunk 0 reserves the bytes that the subject names.',
  },
  peer: {
    pattern: 'mesh.v1.peer.{gateway}',
    kind: 'core',
    says: ['gateway'],
    hears: ['gateway', 'control'],
    schema: 'peer',
    proves: 'The gateway was alive; decisions below its low-water mark are not open with it.',
  },
  seen: {
    pattern: 'mesh.v1.seen.{gateway}',
    kind: 'core',
    says: ['gateway'],
    hears: ['gateway', 'control'],
    schema: 'seen',
    proves:
      'What this gateway saw of agents since it told last: how attempts ended, how long they took, what they cost.',
  },
  tree: {
    pattern: 'mesh.v1.tree.{gateway}',
    kind: 'core',
    says: ['gateway'],
    hears: ['gateway'],
    schema: 'tree',
    proves:
      'What this gateway counted of trees of calls that repeat themselves; others add it to what they count.',
  },
  share: {
    pattern: 'mesh.v1.share.{gateway}',
    kind: 'core',
    says: ['gateway'],
    hears: ['gateway'],
    schema: 'share',
    proves:
      'A gateway asks all others (all) for a part of a limit that it is short of, or lends to this one what it does without.',
  },
  adopt: {
    pattern: 'mesh.v1.adopt',
    kind: 'service',
    says: ['control'],
    hears: ['gateway'],
    schema: 'adopt',
    proves:
      'The supervisor hands over open decisions of a gateway whose lease lapsed; the reply names the heir.',
  },
  wake: {
    pattern: 'mesh.v1.wake',
    kind: 'service',
    says: ['control'],
    hears: ['gateway'],
    schema: 'wake',
    proves: 'The supervisor asks one gateway to try a parked call again, or to expire it.',
  },
  replay: {
    pattern: 'mesh.v1.replay',
    kind: 'service',
    says: ['control'],
    hears: ['gateway'],
    schema: 'replay',
    proves:
      'An operator wants a dead call run again. It names a sequence in DEAD and no call of its own, so nothing can be called that its caller did not call.',
  },
  open: {
    pattern: 'mesh.v1.open',
    kind: 'service',
    says: ['gateway', 'control'],
    hears: ['gateway', 'control'],
    schema: 'open',
    proves: 'Each hearer answers whether it holds the call open; control also names who must answer.',
  },
  shadow: {
    pattern: 'mesh.v1.shadow',
    kind: 'service',
    says: ['control'],
    hears: ['gateway'],
    proves: 'Each gateway that judges by a candidate policy answers what it counted.',
  },
  admin: {
    pattern: 'mesh.v1.admin.{from}.{what}',
    kind: 'service',
    self: 'from',
    says: ['operator'],
    hears: ['control'],
    schema: 'admin',
    proves:
      'An operator command (register, enrol, revoke or forget an agent; replay or discard a dead call, release or cancel a parked one); the reply says what was done.',
  },
} as const satisfies Record<string, SubjectRow>;
