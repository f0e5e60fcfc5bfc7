/**
 * Reply subjects: whoever sends a message may name one, and the server or the mesh then speaks there with its own rights.
 */
import type { NatsConnection } from '../../../src/fabric/connection.js';
import { anyOf, type Attack } from '../attack.js';
import { answerTo, heard, say, settled } from '../wire.js';
import { fresh, told, until, type World } from '../world.js';

/** A call of this user that is stored, so that the acknowledgement of the server goes to `reply`. */
const inject = (w: World, who: string, reply: string): Promise<void> =>
  say(w.raw(who), `mesh.v1.call.${who}.pay.nothing`, '{}', { 'Mesh-Call': fresh() }, reply);

/** The acknowledgement arrives where the sender asked for it: the injection itself is real. */
async function acknowledged(w: World, who: string): Promise<boolean> {
  const at = `_INBOX.${who}.${fresh()}`;
  return arrives(w.raw(who), at, () => inject(w, who, at));
}

/** Something arrives here soon after this. */
async function arrives(nc: NatsConnection, subject: string, act: () => Promise<void>): Promise<boolean> {
  let count = 0;
  const sub = nc.subscribe(subject, { callback: (err) => void (count += Number(err === null)) });
  await nc.flush();
  await act();
  await until(() => count > 0, 2_000).catch(() => undefined);
  sub.unsubscribe();
  return count === 1;
}

const ranOnAcks = (w: World): number =>
  w.town.runs.filter(({ body }) => JSON.stringify(body ?? null).includes('CALLS')).length;

async function injected(w: World, replies: readonly string[]): Promise<boolean> {
  const before = ranOnAcks(w);
  for (const reply of replies) {
    await inject(w, 'mallory', reply);
    await inject(w, 'evil', reply);
  }
  await w.settle();
  return ranOnAcks(w) > before;
}

/** Where nobody checks: a stream whose acknowledgement lands on a subject that somebody serves. */
const naiveAck =
  (name: string) =>
  async (w: World): Promise<boolean> => {
    const naive = await w.naive();
    await naive.stream({ name, subjects: [`${name}.in`], storage: 'memory' });
    return arrives(naive.other, `${name}.task`, () =>
      say(naive.attacker, `${name}.in`, '{}', {}, `${name}.task`),
    );
  };

/** A call that waits; does it still complete after this? */
async function stillCompletes(w: World, act: (call: string) => Promise<void>): Promise<boolean> {
  const call = fresh();
  const pending = told(w.sdk('alice').call('pay.hold', {}, { id: call }));
  await w.town.task(call);
  await act(call);
  await settled(w.raw('evil'), w.raw('mallory'), w.raw('gateway'), w.raw('victim'), w.raw('alice'));
  await w.town.release(call);
  const { value } = await pending;
  return JSON.stringify(value) === '{"held":true}';
}

/** Requests to services of the mesh whose answer shall go elsewhere. */
const diverted =
  (services: readonly (readonly [who: string, subject: string, body: string])[]) => (w: World) =>
    anyOf(services, ([who, subject, body]) =>
      anyOf(
        ['_INBOX.alice.planted', 'mesh.v1.call.alice.pay.diverted', `_INBOX.${who}x.y`],
        async (reply) => {
          const got = await heard(w.mesh.operator, reply, undefined, async () => {
            await say(w.raw(who), subject, body, { 'Mesh-Instance': 'i1' }, reply);
            await w.settle();
          });
          return got.length > 0;
        },
      ),
    );

const naiveService = async (w: World): Promise<boolean> => {
  const naive = await w.naive();
  const serve = naive.other.subscribe('service', { callback: (_, m) => void m.respond('answer') });
  const got = await heard(naive.other, 'inbox.alice', undefined, async () => {
    await say(naive.attacker, 'service', '', {}, 'inbox.alice');
    await settled(naive.attacker, naive.other);
  });
  serve.unsubscribe();
  return got.length === 1;
};

const answers = async (nc: NatsConnection, subject: string, body = '{}'): Promise<boolean> =>
  (await answerTo(nc, subject, body, {}, 5_000)) !== undefined;

export const replies: Attack[] = [
  {
    id: 'ack-as-task',
    position: 'pair',
    attack: "Make the server write into another agent's tasks, stops and flow, the task token being known.",
    mechanism: 'An agent starts nothing without a ticket in the headers, and the server writes none',
    enforcedBy: 'agent',
    attempt: (w) => {
      const inst = w.sdk('victim').instance;
      return injected(w, [
        `mesh.v1.task.victim.${w.secrets.victimToken}.pay.out`,
        `mesh.v1.probe.victim.${inst}`,
        `mesh.v1.flow.victim.${fresh()}`,
      ]);
    },
    control: (w) => acknowledged(w, 'mallory'),
    naive: { where: 'where a responder runs whatever arrives', attempt: naiveAck('acktask') },
  },
  {
    id: 'ack-as-call',
    position: 'caller',
    attack: "Make the server write into another caller's calls.",
    mechanism:
      'What lies in CALLS without a Mesh-Call header is refused under its sequence and never executed',
    enforcedBy: 'gateway',
    attempt: (w) => injected(w, ['mesh.v1.call.alice.pay.out', 'mesh.v1.ask.alice.pay.out']),
    control: (w) => acknowledged(w, 'mallory'),
    naive: { where: 'where every message is a call', attempt: naiveAck('ackcall') },
  },
  {
    id: 'ack-as-outcome',
    position: 'caller',
    attack: 'Make the server write onto the outcome, and the partial outputs, that another caller waits for.',
    mechanism:
      'A caller believes an outcome only with the mark of the register (Nats-Stream), which the server sets',
    enforcedBy: 'agent',
    attempt: async (w) =>
      !(await stillCompletes(w, async (call) => {
        await inject(w, 'mallory', `mesh.v1.outcome.alice.${call}`);
        await inject(w, 'mallory', `mesh.v1.stream.alice.${call}`);
      })),
    control: (w) => stillCompletes(w, () => Promise.resolve()),
    naive: { where: 'where a caller believes what arrives', attempt: naiveAck('ackout') },
  },
  {
    id: 'ack-as-cancel',
    position: 'caller',
    attack: "Make the server write onto the cancel of another's call.",
    mechanism: 'A cancel counts only with the id in its header, which an acknowledgement does not have',
    enforcedBy: 'gateway',
    attempt: async (w) =>
      !(await stillCompletes(w, (call) => inject(w, 'mallory', `mesh.v1.cancel.alice.${call}`))),
    control: async (w) => {
      const call = fresh();
      const pending = told(w.sdk('alice').call('pay.hold', {}, { id: call }));
      await w.town.task(call);
      await say(w.raw('alice'), `mesh.v1.cancel.alice.${call}`, '', { 'Mesh-Call': call });
      return (await pending).status === 'cancelled';
    },
    naive: { where: 'where any message is a cancel', attempt: naiveAck('ackcancel') },
  },
  {
    id: 'ack-as-leave',
    position: 'agent',
    attack: 'Make the server write the leave or the beat of another agent.',
    mechanism: 'Presence counts only with the instance in its header',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      await inject(w, 'evil', `mesh.v1.bye.victim.${w.sdk('victim').instance}`);
      await inject(w, 'evil', `mesh.v1.beat.victim.ghost`);
      await settled(w.raw('evil'), w.raw('gateway'));
      return (
        (await told(w.sdk('alice').call('pay.out', { n: 0 }, { timeoutMs: 2_000 }))).status !== 'completed'
      );
    },
    control: async (w) => {
      const leaver = await w.mesh.connect('bank2');
      await leaver.serve('pay.leave', () => 'here');
      const before = await told(w.sdk('alice').call('pay.leave'));
      await say(w.raw('bank2'), `mesh.v1.bye.bank2.${leaver.instance}`, '', {
        'Mesh-Instance': leaver.instance,
      });
      await settled(w.raw('bank2'), w.raw('gateway'));
      const after = await told(w.sdk('alice').call('pay.leave', {}, { timeoutMs: 300 }));
      await leaver.close(0);
      return before.value === 'here' && after.status !== 'completed';
    },
    naive: { where: 'where presence is a bare message', attempt: naiveAck('ackleave') },
  },
  {
    id: 'ask-answered-elsewhere',
    position: 'caller',
    attack: "Let gateways answer asks, recalls and fetches into another's inbox or calls.",
    mechanism: 'A gateway answers only below the inbox of whoever the subject says asked',
    enforcedBy: 'gateway',
    attempt: diverted([
      ['mallory', 'mesh.v1.ask.mallory.pay.out', '{}'],
      ['mallory', `mesh.v1.recall.mallory.${'0'.repeat(26)}`, ''],
      ['mallory', 'mesh.v1.fetch.mallory', ''],
      ['mallory', 'mesh.v1.upload.mallory.begin', '{}'],
    ]),
    control: (w) => answers(w.raw('mallory'), 'mesh.v1.ask.mallory.pay.out'),
    naive: { where: 'where a service answers as it is told', attempt: naiveService },
  },
  {
    id: 'control-answers-elsewhere',
    position: 'agent',
    attack: "Let control answer finds, hellos and votes into another's inbox or calls.",
    mechanism: "Control answers only below the asker's own inbox",
    enforcedBy: 'control',
    attempt: diverted([
      ['evil', 'mesh.v1.find.evil', '{}'],
      ['evil', 'mesh.v1.hello.evil.i1', '{}'],
      ['ann', 'mesh.v1.approval.ann.ls', '{}'],
      ['vera', 'mesh.v1.view.vera.state', '{}'],
    ]),
    control: (w) => answers(w.raw('evil'), 'mesh.v1.find.evil'),
    naive: { where: 'where a service answers as it is told', attempt: naiveService },
  },
];
