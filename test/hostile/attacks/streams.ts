/**
 * JetStream from below: what can be read, written, wiped and redirected through the server itself.
 */
import { getLast } from '../../../src/fabric/reader.js';
import { anyOf, allOf, type Attack } from '../attack.js';
import { answerTo, heard, linesOf, say, settled } from '../wire.js';
import { fresh, until, type World } from '../world.js';

const SCRATCH = { name: 'SCRATCH', subjects: ['scratch.x'], storage: 'memory' };

/** Requests to JetStream, in the order in which an owner makes them; each has an answer for whoever may ask. */
const REQUESTS: readonly (readonly [subject: string, body: string])[] = [
  ['INFO', ''],
  ['ACCOUNT.PURGE.MESH', ''],
  ['STREAM.NAMES', ''],
  ['STREAM.LIST', ''],
  ['STREAM.INFO.DECISIONS', ''],
  ['STREAM.INFO.KV_mesh_keys', ''],
  ['STREAM.MSG.GET.DECISIONS', '{"seq":1}'],
  ['STREAM.MSG.GET.CALLS', '{"seq":1}'],
  ['STREAM.MSG.GET.KV_mesh_keys', '{"last_by_subj":"$KV.mesh_keys.ring"}'],
  ['STREAM.MSG.GET.KV_mesh_grants', '{"seq":1}'],
  ['DIRECT.GET.KV_mesh_keys', '{"last_by_subj":"$KV.mesh_keys.ring"}'],
  ['DIRECT.GET.OUTCOMES', '{"seq":1}'],
  ['STREAM.CREATE.SCRATCH', JSON.stringify(SCRATCH)],
  ['STREAM.UPDATE.SCRATCH', JSON.stringify({ ...SCRATCH, max_msgs: 9 })],
  ['CONSUMER.CREATE.SCRATCH', '{"stream_name":"SCRATCH","config":{"ack_policy":"none","mem_storage":true}}'],
  ['CONSUMER.NAMES.SCRATCH', ''],
  ['CONSUMER.LIST.CALLS', ''],
  ['CONSUMER.INFO.CALLS.gateway', ''],
  ['STREAM.MSG.DELETE.SCRATCH', '{"seq":1}'],
  ['STREAM.PURGE.SCRATCH', ''],
  ['STREAM.SNAPSHOT.SCRATCH', '{"deliver_subject":"_INBOX.nobody"}'],
  ['STREAM.LEADER.STEPDOWN.SCRATCH', ''],
  ['META.LEADER.STEPDOWN', ''],
  ['STREAM.DELETE.SCRATCH', ''],
];

const asks =
  (w: World, who: string) =>
  ([subject, body]: readonly [string, string]) =>
    answerTo(w.raw(who), `$JS.API.${subject}`, body, {}, 300).then((msg) => msg !== undefined);

/** Answers for whoever may ask; a lone server has no meta leader and no account to purge. */
const answered = REQUESTS.filter(([subject]) => !/META|LEADER|ACCOUNT|SNAPSHOT/.test(subject));

const words = ['decision', 'settle', 'parked', 'dead', 'vote', 'body'] as const;
const streamOf = {
  decision: 'DECISIONS',
  settle: 'OUTCOMES',
  parked: 'PARKED',
  dead: 'DEAD',
  vote: 'VOTES',
  body: 'BODIES',
} as const;
const tails: Readonly<Record<(typeof words)[number], (id: string) => string>> = {
  decision: (id) => `evil.${id}`,
  settle: (id) => `alice.${id}`,
  parked: (id) => `capacity.alice.${id}`,
  dead: (id) => `evil.${id}`,
  vote: (id) => `alice.${id}.x.ann`,
  body: (id) => `alice.${id}.1.0`,
};

async function writes(w: World, who: string, word: (typeof words)[number], prefix: string): Promise<boolean> {
  const tail = tails[word](fresh());
  // As a request, so that an acknowledgement is waited for where there is one.
  const lines = { 'Mesh-Record': '{}', 'Mesh-Outcome': '{}' };
  await answerTo(w.raw(who), `${prefix}.${word}.${tail}`, '{}', lines, 1_000);
  return w.stored(streamOf[word], `mesh.v1.${word}.${tail}`);
}

/** A call of mallory's with these headers; true when it was stored in CALLS. */
async function accepted(w: World, lines: Record<string, string>): Promise<boolean> {
  const id = fresh();
  const ack = await answerTo(w.raw('mallory'), 'mesh.v1.call.mallory.pay.nothing', '{}', {
    'Mesh-Call': id,
    ...lines,
  });
  return ack?.string().includes('"seq"') === true && !ack.string().includes('"error"');
}

const stateOf = async (w: World, stream: string) =>
  (await w.mesh.operator.request(`$JS.API.STREAM.INFO.${stream}`, '')).json<{
    config: Record<string, unknown>;
    state: { messages: number; first_seq: number; last_seq: number };
  }>();

export const streams: Attack[] = [
  {
    id: 'jetstream-api',
    position: 'agent',
    attack: 'Read decisions, outcomes and keys, make, change, purge and delete streams and consumers.',
    mechanism: 'Callers and agents have no right on $JS.API at all',
    enforcedBy: 'broker',
    attempt: (w) => anyOf(['evil', 'mallory', 'vera'], (who) => anyOf(REQUESTS, asks(w, who))),
    control: (w) => allOf(answered, asks(w, 'control')),
    naive: 'open broker',
  },
  {
    id: 'push-consumer',
    position: 'agent',
    attack: "Make a consumer that delivers stored messages to another agent's task subject.",
    mechanism:
      'Nobody but control and operators can make consumers, so the server delivers nowhere on the wish of a member',
    enforcedBy: 'broker',
    attempt: async (w) => {
      const to = `mesh.v1.task.victim.${w.secrets.victimToken}.pay.out`;
      const config = { deliver_subject: to, ack_policy: 'none', mem_storage: true, inactive_threshold: 1e9 };
      const got = await heard(w.mesh.operator, to, undefined, async () => {
        await answerTo(
          w.raw('evil'),
          '$JS.API.CONSUMER.CREATE.DECISIONS',
          JSON.stringify({ stream_name: 'DECISIONS', config }),
        );
        await settled(w.raw('evil'), w.mesh.operator);
      });
      return got.length > 0;
    },
    control: async (w) => {
      const n = w.town.next();
      await w.sdk('alice').call('pay.out', { n }); // tasks come from gateways
      return w.town.ran(n) === 1;
    },
    naive: 'open broker',
  },
  {
    id: 'forge-acks',
    position: 'agent',
    attack: 'Acknowledge, terminate and pull deliveries of the gateways, by guessing the numbers in $JS.ACK.',
    mechanism: 'Members hold no acknowledgement right: the queue of calls is acknowledged by gateways alone',
    enforcedBy: 'broker',
    attempt: async (w) => {
      const got = await heard(w.mesh.operator, 'mesh.v1.stolen', undefined, async () => {
        for (const verb of ['+TERM', '+ACK', '+NXT']) {
          await say(w.raw('evil'), '$JS.ACK.CALLS.gateway.1.1.1.1.1', verb, {}, 'mesh.v1.stolen');
        }
      });
      // An acknowledgement is a publish like any other: whoever listens there would have heard it.
      const heardAck = await heard(w.raw('control'), '$JS.EVENT.ADVISORY.>', undefined, () =>
        settled(w.raw('evil')),
      );
      return got.length + heardAck.filter((m) => m.subject.includes('TERMINATED')).length > 0;
    },
    control: async (w) => {
      const n = w.town.next();
      await w.sdk('alice').call('pay.out', { n });
      const { state } = await stateOf(w, 'CALLS');
      return w.town.ran(n) === 1 && state.messages === 0; // what is decided was acknowledged
    },
    naive: {
      where: 'on a work queue whose workers may acknowledge',
      attempt: async (w) => {
        const naive = await w.naive();
        await naive.stream({
          name: 'QUEUE',
          subjects: ['queue.x'],
          retention: 'workqueue',
          storage: 'memory',
        });
        await naive.api('CONSUMER.CREATE.QUEUE.worker', {
          stream_name: 'QUEUE',
          config: { name: 'worker', durable_name: 'worker', ack_policy: 'explicit' },
        });
        await say(naive.other, 'queue.x', 'work');
        const next = '$JS.API.CONSUMER.MSG.NEXT.QUEUE.worker';
        const got = await heard(naive.other, 'worker.inbox', undefined, () =>
          say(naive.other, next, '{"batch":1}', {}, 'worker.inbox'),
        );
        w.note(`delivered: ${got.length}`);
        await say(naive.attacker, '$JS.ACK.QUEUE.worker.1.1.1.1.0', '+TERM');
        return until(async () => (await naive.count('QUEUE')) === 0, 2_000).catch(() => false);
      },
    },
  },
  {
    id: 'write-the-registry',
    position: 'agent',
    attack:
      'Write cards, leases, keys, grants and the policy straight into their buckets, and wipe one with a rollup.',
    mechanism: 'Members write to no bucket: cards and leases are written by control, after it judged them',
    enforcedBy: 'broker',
    attempt: (w) =>
      anyOf(
        [
          'mesh_registry.card.ghost',
          'mesh_keys.ring',
          'mesh_policy.live',
          'mesh_grants.holder.evil',
          'mesh_identity.name.ghost',
        ],
        async (key) => {
          const mark = fresh();
          const bucket = `KV_${key.split('.')[0]}`;
          await answerTo(w.raw('evil'), `$KV.${key}.planted`, mark, { 'Nats-Rollup': 'sub' });
          return (await getLast(w.mesh.operator, bucket as never, `$KV.${key}.planted`)) !== undefined;
        },
      ),
    control: async (w) => {
      await answerTo(w.raw('control'), '$KV.mesh_state.note.ghost', 'x', {}, 2_000);
      return (
        (await getLast(w.mesh.operator, 'KV_mesh_state' as never, '$KV.mesh_state.note.ghost')) !== undefined
      );
    },
    naive: {
      where: 'in a bucket where each member may write its own key',
      attempt: async (w) => {
        const naive = await w.naive();
        await naive.stream({
          name: 'KV_cards',
          subjects: ['$KV.cards.>'],
          allow_rollup_hdrs: true,
          storage: 'memory',
        });
        await say(naive.other, '$KV.cards.victim', 'card');
        await say(naive.attacker, '$KV.cards.evil', 'card', { 'Nats-Rollup': 'all' });
        return until(async () => (await naive.count('KV_cards')) === 1, 2_000).catch(() => false);
      },
    },
  },
  {
    id: 'write-public-names',
    position: 'agent',
    attack:
      'Publish decisions, outcomes, votes, parked and dead records and chunks of bodies under their public names.',
    mechanism:
      'The streams of records capture a secret ingress only; their public names are made by the server (subject transform)',
    enforcedBy: 'broker',
    // Even whoever may publish there changes nothing: the gateway's own connection is tried as well.
    attempt: async (w) => {
      const open = await anyOf(['evil', 'gateway', 'control'], (who) =>
        anyOf(words, (word) => writes(w, who, word, 'mesh.v1')),
      );
      return open;
    },
    control: (w) =>
      allOf(
        words.filter((word) => word !== 'vote' && word !== 'body'),
        (word) => writes(w, 'gateway', word, `_k.${w.secrets.ingress}`),
      ),
    naive: {
      where: 'where streams capture the public names',
      attempt: async (w) => {
        const naive = await w.naive();
        await naive.stream({ name: 'RECORDS', subjects: ['mesh.v1.settle.*.*'], storage: 'memory' });
        await answerTo(naive.attacker, 'mesh.v1.settle.alice.x', '{"status":"completed"}');
        return (await naive.count('RECORDS')) === 1;
      },
    },
  },
  {
    id: 'write-by-the-ingress',
    position: 'stolen',
    attack: 'With the secret of the ingress in hand, write outcomes, decisions and records through it.',
    mechanism: 'Below _k only gateways and control may publish: the secret alone is no right',
    enforcedBy: 'broker',
    attempt: (w) =>
      anyOf(['evil', 'mallory', 'vera'], (who) =>
        anyOf(words, (word) => writes(w, who, word, `_k.${w.secrets.ingress}`)),
      ),
    control: (w) => writes(w, 'gateway', 'settle', `_k.${w.secrets.ingress}`),
    naive: 'open broker',
  },
  {
    id: 'guess-the-ingress',
    position: 'caller',
    attack:
      'Make the server write into the register with a reply subject below the ingress, the secret being guessed.',
    mechanism:
      'The ingress is a subject of 128 random bits, so server-written bytes cannot be steered into a record',
    enforcedBy: 'broker',
    attempt: (w) =>
      anyOf(['x', '*', '>', '0'.repeat(32)], async (guess) => {
        const id = fresh();
        const reply = `_k.${guess}.settle.alice.${id}`;
        await say(
          w.raw('mallory'),
          'mesh.v1.call.mallory.pay.nothing',
          '{}',
          { 'Mesh-Call': fresh() },
          reply,
        );
        await settled(w.raw('mallory'), w.raw('control'));
        return w.stored('OUTCOMES', `mesh.v1.settle.alice.${id}`);
      }),
    control: (w) => writes(w, 'gateway', 'settle', `_k.${w.secrets.ingress}`),
    naive: {
      where: 'where the name of the ingress is known',
      attempt: async (w) => {
        const naive = await w.naive();
        await naive.stream({ name: 'QUEUED', subjects: ['queued.x'], storage: 'memory' });
        await naive.stream({ name: 'REGISTER', subjects: ['register.*'], storage: 'memory' });
        await say(naive.attacker, 'queued.x', '{}', {}, 'register.alice'); // the acknowledgement becomes a record
        return until(async () => (await naive.count('REGISTER')) === 1, 2_000).catch(() => false);
      },
    },
  },
  {
    id: 'second-outcome',
    position: 'stolen',
    attack: 'Overwrite an outcome that stands, with all rights of a gateway.',
    mechanism: 'The register holds one message for each subject, and the server refuses the second',
    enforcedBy: 'broker',
    attempt: async (w) => {
      const { call } = await w.sdk('alice').callForOutcome('pay.out', { n: 0 });
      const at = `settle.alice.${call}`;
      const before = await getLast(w.mesh.operator, 'OUTCOMES', `mesh.v1.${at}`);
      await answerTo(w.raw('gateway'), `_k.${w.secrets.ingress}.${at}`, '"stolen"', { 'Mesh-Outcome': '{}' });
      return (await getLast(w.mesh.operator, 'OUTCOMES', `mesh.v1.${at}`))?.seq !== before?.seq;
    },
    control: (w) => writes(w, 'gateway', 'settle', `_k.${w.secrets.ingress}`),
    naive: {
      where: 'in a stream that keeps the last message of a subject',
      attempt: async (w) => {
        const naive = await w.naive();
        await naive.stream({
          name: 'LAST',
          subjects: ['last.*'],
          max_msgs_per_subject: 1,
          storage: 'memory',
        });
        await answerTo(naive.other, 'last.a', 'true');
        await answerTo(naive.attacker, 'last.a', 'stolen');
        const { message } = await naive.api<{ message: { data: string } }>('STREAM.MSG.GET.LAST', {
          last_by_subj: 'last.a',
        });
        return Buffer.from(message.data, 'base64').toString() === 'stolen';
      },
    },
  },
  {
    id: 'wipe-by-header',
    position: 'caller',
    attack: "Wipe or age away others' calls with a header on one's own: Nats-Rollup, Nats-TTL.",
    mechanism: 'CALLS allows no rollup and no time to live: such a message is not stored',
    enforcedBy: 'broker',
    attempt: (w) =>
      anyOf(
        [{ 'Nats-Rollup': 'all' }, { 'Nats-Rollup': 'sub' }, { 'Nats-TTL': '1s' }, { 'nats-rollup': 'all' }],
        async (lines) => {
          const { config } = await stateOf(w, 'CALLS');
          return (
            (await accepted(w, lines as Record<string, string>)) &&
            (config['allow_rollup_hdrs'] === true || config['allow_msg_ttl'] === true)
          );
        },
      ),
    control: (w) => accepted(w, {}),
    naive: {
      where: 'in a stream that allows rollups',
      attempt: async (w) => {
        const naive = await w.naive();
        await naive.stream({
          name: 'ROLLS',
          subjects: ['rolls.*'],
          allow_rollup_hdrs: true,
          storage: 'memory',
        });
        await say(naive.other, 'rolls.alice', 'hers');
        await say(naive.other, 'rolls.alice', 'hers too');
        await say(naive.attacker, 'rolls.mallory', 'mine', { 'Nats-Rollup': 'all' });
        return until(async () => (await naive.count('ROLLS')) === 1, 2_000).catch(() => false);
      },
    },
  },
  {
    id: 'schedule-elsewhere',
    position: 'caller',
    attack: 'Let the server publish to a subject that one may not, with Nats-Schedule-Target.',
    mechanism: 'No stream that members publish to allows message schedules',
    enforcedBy: 'broker',
    attempt: async (w) => {
      const target = 'mesh.v1.call.alice.pay.scheduled';
      const got = await heard(w.mesh.operator, target, undefined, async () => {
        await accepted(w, {
          'Nats-Schedule': `@at ${new Date(Date.now() + 100).toISOString()}`,
          'Nats-Schedule-Target': target,
        });
        await w.settle();
      });
      const { config } = await stateOf(w, 'CALLS');
      return got.length > 0 || config['allow_msg_schedules'] === true;
    },
    control: (w) => accepted(w, {}),
    naive: {
      where: 'in a stream that allows schedules',
      attempt: async (w) => {
        const naive = await w.naive();
        await naive.stream({
          name: 'SCHED',
          subjects: ['sched.>', 'target.>'],
          allow_msg_schedules: true,
          allow_msg_ttl: true,
          storage: 'memory',
        });
        const at = new Date(Date.now() + 100).toISOString();
        await say(naive.attacker, 'sched.mallory', '{}', {
          'Nats-Schedule': `@at ${at}`,
          'Nats-Schedule-Target': 'target.alice',
        });
        return until(async () => {
          const { message } = await naive.api<{ message?: object }>('STREAM.MSG.GET.SCHED', {
            last_by_subj: 'target.alice',
          });
          return message !== undefined;
        }, 4_000).catch(() => false);
      },
    },
  },
  {
    id: 'poison-the-dedup',
    position: 'caller',
    attack:
      "Publish first under the message id that another's call will have, so that it is dropped as a duplicate.",
    mechanism: 'Calls carry no Nats-Msg-Id, and those of decisions are made by gateways behind the ingress',
    enforcedBy: 'broker',
    attempt: async (w) => {
      const id = fresh();
      const n = w.town.next();
      for (const guess of [id, `alice.${id}`, `alice.${id}.1`]) {
        await say(w.raw('mallory'), 'mesh.v1.call.mallory.pay.nothing', '{}', {
          'Mesh-Call': fresh(),
          'Nats-Msg-Id': guess,
        });
      }
      const told = await w
        .sdk('alice')
        .call('pay.out', { n }, { id })
        .then(
          () => true,
          () => false,
        );
      return !told || w.town.ran(n) !== 1;
    },
    control: async (w) => {
      const n = w.town.next();
      await w.sdk('alice').call('pay.out', { n });
      return w.town.ran(n) === 1;
    },
    naive: {
      where: 'where calls are deduplicated by their id',
      attempt: async (w) => {
        const naive = await w.naive();
        await naive.stream({ name: 'DEDUP', subjects: ['dedup.*'], storage: 'memory' });
        await answerTo(naive.attacker, 'dedup.mallory', 'nonsense', { 'Nats-Msg-Id': 'order-1' });
        const ack = await naive.other.request('dedup.alice', 'hers', {
          timeout: 1_000,
          headers: linesOf({ 'Nats-Msg-Id': 'order-1' }),
        });
        return /"duplicate": ?true/.test(ack.string());
      },
    },
  },
  {
    id: 'system-account',
    position: 'agent',
    attack: 'Ask the system account: servers, connections, users; kick somebody; listen to its events.',
    mechanism:
      'The system account is another account; only control imports the one service that cuts a connection',
    enforcedBy: 'broker',
    attempt: (w) =>
      anyOf(['evil', 'mallory', 'vera'], async (who) => {
        const asked = await anyOf(
          [
            '$SYS.REQ.SERVER.PING',
            '$SYS.REQ.SERVER.PING.CONNZ',
            '$SYS.REQ.ACCOUNT.PING.CONNZ',
            '$SYS.REQ.ACCOUNT.MESH.CONNZ',
            '$SYS.REQ.USER.INFO',
            '$SYS.REQ.SERVER.X.KICK',
            '$SYS.REQ.SERVER.X.RELOAD',
          ],
          async (subject) => (await answerTo(w.raw(who), subject, '{}', {}, 200)) !== undefined,
        );
        const events = await heard(w.raw(who), '$SYS.>', undefined, () =>
          w.mesh.broker('temp').then((nc) => nc.close()),
        );
        return asked || events.length > 0;
      }),
    control: async (w) =>
      (await answerTo(w.raw('control'), '$SYS.REQ.ACCOUNT.PING.CONNZ', '{}', {}, 2_000)) !== undefined,
    naive: 'open broker',
  },
  {
    id: 'answer-for-services',
    position: 'agent',
    attack: 'Answer service discovery ($SRV) in the name of another agent, or ask it.',
    mechanism: 'Agents have no right on $SRV: control answers for all, from what it knows itself',
    enforcedBy: 'broker',
    attempt: async (w) => {
      const fake = await heard(
        w.raw('evil'),
        '$SRV.>',
        undefined,
        async () => void (await answerTo(w.mesh.operator, '$SRV.PING', '', {}, 500)),
      );
      return fake.length > 0 || (await answerTo(w.raw('evil'), '$SRV.PING', '')) !== undefined;
    },
    control: async (w) => (await answerTo(w.mesh.operator, '$SRV.PING', '', {}, 2_000)) !== undefined,
    naive: 'open broker',
  },
  {
    id: 'trace-to-others',
    position: 'caller',
    attack:
      'Let the server send its message trace to the tasks, the calls or the inbox of another (Nats-Trace-Dest).',
    mechanism: 'The server sends a trace only where the sender may publish itself',
    enforcedBy: 'broker',
    attempt: (w) =>
      anyOf(
        [
          'mesh.v1.call.alice.pay.traced',
          '_INBOX.alice.trace',
          `mesh.v1.task.victim.${w.secrets.victimToken}.pay.out`,
        ],
        async (dest) => {
          const got = await heard(w.mesh.operator, dest, undefined, async () => {
            await say(w.raw('mallory'), 'mesh.v1.call.mallory.pay.nothing', '{}', {
              'Mesh-Call': fresh(),
              'Nats-Trace-Dest': dest,
            });
            await w.settle();
          });
          return got.some((m) => m.string().includes('"server"'));
        },
      ),
    control: (w) => accepted(w, {}),
    naive: 'open broker',
  },
];
