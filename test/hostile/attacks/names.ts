/**
 * Speaking and hearing where one has no name: what the permissions of the shipped configuration stop.
 */
import { table, type SubjectRow } from '../../../subjects/table.js';
import { anyOf, allOf, type Attack } from '../attack.js';
import { answerTo, getsThrough, heard, listensIn, say, settled } from '../wire.js';
import { fresh, type World } from '../world.js';

const rows = Object.entries(table) as [string, SubjectRow][];
/** Subjects under a name, that a role may speak on. */
const ownedBy = (role: 'caller' | 'agent') =>
  rows.filter(([, row]) => row.self !== undefined && row.says.includes(role));
/** Subjects that no member speaks on. */
const meshOnly = rows.filter(
  ([, row]) =>
    row.says.length > 0 && row.ingress !== true && !row.says.some((r) => r === 'caller' || r === 'agent'),
);

/** A subject of this pattern: `me` in its own place, and something plausible in all others. */
function subjectFor(row: SubjectRow, me: string, w: World): string {
  const filled: Record<string, string> = {
    agent: 'victim',
    from: 'alice',
    instance: 'ghost',
    token: w.secrets.victimToken,
    call: '0'.repeat(26),
    gateway: 'gw-ghost',
    seq: '1',
    mac: '0'.repeat(32),
    what: row.pattern.includes('.view.') ? 'state' : 'forget',
  };
  return row.pattern.replace(/\{([a-z]+)\+?\}/g, (_, word: string) => {
    if (word === row.self) {
      return me;
    }
    return word === 'capability' ? 'pay.nothing' : (filled[word] ?? 'x');
  });
}

const entitled = (row: SubjectRow): string =>
  row.says.includes('interceptor')
    ? 'judge'
    : (row.says.find((role) => role === 'gateway' || role === 'control' || role === 'operator') ?? '');

/** Registered for a subject that a member must not hear: who may, and what makes a sound there. */
interface Sound {
  readonly subject: string;
  readonly queue?: string;
  readonly speak: (w: World, mark: string) => Promise<void>;
  readonly hearer: string;
  /** What the hearer listens to, when it is another subject. */
  readonly rightly?: string;
}

const sounds = (w: World): Sound[] => [
  {
    subject: 'mesh.v1.task.victim.>',
    queue: 'mesh',
    hearer: 'victim',
    speak: (_, m) => say(w.raw('gateway'), `mesh.v1.task.victim.x.${m}`),
  },
  {
    subject: 'mesh.v1.outcome.alice.*',
    hearer: 'alice',
    speak: async (_, m) => void (await w.sdk('alice').call('pay.out', { n: 0 }, { id: m })),
  },
  {
    subject: 'mesh.v1.stream.alice.*',
    hearer: 'alice',
    speak: (_, m) => say(w.raw('gateway'), `mesh.v1.stream.alice.${m}`),
  },
  {
    subject: 'mesh.v1.stop.victim.*',
    hearer: 'victim',
    speak: (_, m) => say(w.raw('gateway'), `mesh.v1.stop.victim.${m}`),
  },
  {
    subject: 'mesh.v1.result.*.*.*.*',
    hearer: 'gateway',
    speak: (_, m) => say(w.raw('victim'), `mesh.v1.result.victim.any.1.${m}`),
  },
  ...['mesh.v1.>', '>', 'mesh.*.call.>', '*.*.call.*.*.*', 'mesh.v1.call.alice.>'].map((subject) => ({
    subject,
    hearer: 'operator',
    rightly: 'mesh.v1.>',
    speak: (_: World, m: string) => say(w.raw('alice'), `mesh.v1.call.alice.pay.${m}`),
  })),
];

const hears = (w: World, who: string) => (one: Sound) =>
  listensIn(w.raw(who), one.subject, (m) => one.speak(w, m), one.queue);

export const names: Attack[] = [
  {
    id: 'speak-as-another',
    position: 'caller',
    attack:
      'Publish a call, an ask, a cancel, a recall, an upload, a vote … under the name of another member.',
    mechanism: 'The own name is a token of every subject that a member may publish on',
    enforcedBy: 'broker',
    attempt: (w) =>
      anyOf(ownedBy('caller'), ([, row]) =>
        getsThrough(w.raw('mallory'), w.mesh.operator, subjectFor(row, 'alice', w)),
      ),
    control: (w) =>
      allOf(ownedBy('caller'), ([, row]) =>
        getsThrough(w.raw('alice'), w.mesh.operator, subjectFor(row, 'alice', w)),
      ),
    naive: 'open broker',
  },
  {
    id: 'be-another-agent',
    position: 'agent',
    attack: 'Send results, cards, beats, leaves and numbers of another agent.',
    mechanism:
      'What tells of an agent (result, progress, hello, beat, bye, stats) carries its name, and only it may publish there',
    enforcedBy: 'broker',
    attempt: (w) =>
      anyOf(ownedBy('agent'), ([, row]) =>
        getsThrough(w.raw('evil'), w.mesh.operator, subjectFor(row, 'victim', w)),
      ),
    control: (w) =>
      allOf(ownedBy('agent'), ([, row]) =>
        getsThrough(w.raw('victim'), w.mesh.operator, subjectFor(row, 'victim', w)),
      ),
    naive: 'open broker',
  },
  {
    id: 'speak-for-the-mesh',
    position: 'agent',
    attack:
      'Publish what only gateways, control and operators say: tasks (with the right token), stops, adoptions, wakes, replays, commands.',
    mechanism: 'Roles have allow-lists: no member may publish a word of the mesh itself',
    enforcedBy: 'broker',
    attempt: (w) =>
      anyOf(meshOnly, ([, row]) =>
        anyOf(['evil', 'mallory'], (who) =>
          getsThrough(w.raw(who), w.mesh.operator, subjectFor(row, 'operator', w)),
        ),
      ),
    control: (w) =>
      allOf(meshOnly, ([, row]) =>
        getsThrough(w.raw(entitled(row)), w.mesh.operator, subjectFor(row, entitled(row), w)),
      ),
    naive: 'open broker',
  },
  {
    id: 'command-under-own-name',
    position: 'operator',
    attack:
      'As a viewer or a caller, send operator commands under the own name: revoke, register, push a policy.',
    mechanism:
      'Commands belong to the role operator; another role has no such subject, not even under its own name',
    enforcedBy: 'broker',
    attempt: (w) =>
      anyOf(['vera', 'mallory', 'evil'], (who) =>
        getsThrough(w.raw(who), w.mesh.operator, `mesh.v1.admin.${who}.forget`),
      ),
    control: (w) => getsThrough(w.mesh.operator, w.mesh.operator, 'mesh.v1.admin.operator.nothing'),
    naive: 'open broker',
  },
  {
    id: 'agent-at-the-approvals',
    position: 'agent',
    attack: 'As an agent with a role that approves, list held calls and vote on one, under the own name.',
    mechanism: 'No agent has a subject at the approval service',
    enforcedBy: 'broker',
    attempt: async (w) => (await answerTo(w.raw('evil'), 'mesh.v1.approval.evil.ls', '{}')) !== undefined,
    control: async (w) =>
      (await answerTo(w.raw('ann'), 'mesh.v1.approval.ann.ls', '{}', {}, 2_000)) !== undefined,
    naive: 'open broker',
  },
  {
    id: 'listen-in',
    position: 'agent',
    attack:
      'Subscribe to what others are told, exactly, by wildcards, and by wildcards that overlap what one may hear.',
    mechanism:
      'Subscriptions are allow-lists of exact subjects below the own name; nothing is allowed widely and denied again',
    enforcedBy: 'broker',
    attempt: (w) => anyOf(['evil', 'mallory'], (who) => anyOf(sounds(w), hears(w, who))),
    control: (w) =>
      allOf(sounds(w), (one) => hears(w, one.hearer)({ ...one, subject: one.rightly ?? one.subject })),
    naive: 'open broker',
  },
  {
    id: 'read-inboxes',
    position: 'caller',
    attack: "Subscribe to all inboxes, to another member's, and to those of gateways and control.",
    mechanism: 'Inboxes lie below _INBOX.{name}, and each user may subscribe to its own only',
    enforcedBy: 'broker',
    attempt: (w) =>
      anyOf(
        ['_INBOX.>', '_INBOX.alice.>', '_INBOX.*.x.*', '_INBOX.gateway.>', '_INBOX.control.>'],
        (subject) =>
          listensIn(w.raw('mallory'), subject, (m) =>
            say(
              w.raw('gateway'),
              `${subject.includes('gateway') ? '_INBOX.gateway' : subject.includes('control') ? '_INBOX.control' : '_INBOX.alice'}.x.${m}`,
            ),
          ),
      ),
    control: (w) =>
      listensIn(w.raw('alice'), '_INBOX.alice.>', (m) => say(w.raw('gateway'), `_INBOX.alice.x.${m}`)),
    naive: 'open broker',
  },
  {
    id: 'take-tasks-twice',
    position: 'agent',
    attack:
      'Hear the own tasks without the queue, or in a queue of an own name, so that two instances do one task.',
    mechanism: 'The right to hear tasks is bound to one queue group',
    enforcedBy: 'broker',
    attempt: (w) =>
      anyOf([undefined, 'other'], (queue) =>
        listensIn(
          w.raw('evil'),
          'mesh.v1.task.evil.>',
          (m) => say(w.raw('gateway'), `mesh.v1.task.evil.x.${m}`),
          queue,
        ),
      ),
    control: (w) =>
      listensIn(
        w.raw('evil'),
        'mesh.v1.task.evil.>',
        (m) => say(w.raw('gateway'), `mesh.v1.task.evil.x.${m}`),
        'mesh',
      ),
    naive: 'open broker',
  },
  {
    id: 'join-the-gateways',
    position: 'agent',
    attack:
      'Join the queue groups of gateways and control, and take asks, recalls and hellos before they are judged.',
    mechanism: 'Members have no subscription on what gateways and control serve, in no queue group',
    enforcedBy: 'broker',
    attempt: (w) =>
      anyOf(
        [
          ['mesh.v1.ask.*.>', 'gateway', 'alice', 'mesh.v1.ask.alice.pay.'],
          ['mesh.v1.hello.*.*', 'control', 'victim', 'mesh.v1.hello.victim.'],
          ['mesh.v1.recall.*.*', 'gateway', 'alice', 'mesh.v1.recall.alice.'],
        ] as const,
        async ([subject, queue, speaker, to]) =>
          await anyOf(['evil', 'mallory'], (who) => steals(w, who, subject, queue, speaker, to)),
      ),
    control: (w) => steals(w, 'gateway', 'mesh.v1.ask.*.>', 'gateway', 'alice', 'mesh.v1.ask.alice.pay.'),
    naive: 'open broker',
  },
  {
    id: 'answer-elsewhere',
    position: 'pair',
    attack: 'Get a request delivered whose reply subject is a subject of a third party, and answer it there.',
    mechanism:
      'No user may publish to a reply subject only because a request named it (allow_responses is not used)',
    enforcedBy: 'broker',
    attempt: async (w) => {
      // Crony cannot even send it; the mesh itself is made to, as the worst case.
      const mark = fresh();
      const evil = w.raw('evil');
      const got = await heard(w.mesh.operator, 'mesh.v1.call.alice.pay.reply', undefined, async () => {
        const sub = evil.subscribe('_INBOX.evil.answer', { callback: (_, m) => void m.respond(mark) });
        await evil.flush();
        await say(w.raw('gateway'), '_INBOX.evil.answer', '', {}, 'mesh.v1.call.alice.pay.reply');
        await settled(evil, evil);
        sub.unsubscribe();
      });
      return got.some((m) => m.string() === mark);
    },
    control: async (w) => {
      const call = fresh();
      const pending = w.sdk('alice').call('evil.hold', {}, { id: call });
      await w.town.release(call);
      return JSON.stringify(await pending) === '{"held":true}'; // the answer that it was asked for arrives
    },
    naive: {
      where: 'with allow_responses',
      attempt: async (w) => {
        const { responder, attacker, other } = await w.naive();
        const got = await heard(other, 'their.subject', undefined, async () => {
          const sub = responder.subscribe('ask.me', { callback: (_, m) => void m.respond('planted') });
          await responder.flush();
          await say(attacker, 'ask.me', '', {}, 'their.subject');
          await settled(responder, attacker);
          sub.unsubscribe();
        });
        return got.some((m) => m.string() === 'planted');
      },
    },
  },
  {
    id: 'find-more-than-granted',
    position: 'caller',
    attack: 'Ask for the catalogue, and read of capabilities that one may not call.',
    mechanism: 'What is found is cut down to what the asker may call, by the policy of now',
    enforcedBy: 'control',
    attempt: async (w) => {
      const found = await w.sdk('eve').find('>');
      return found.capabilities.some(({ name }) => name.startsWith('held.') || name.startsWith('evil.'));
    },
    control: async (w) =>
      (await w.sdk('boss').find('>')).capabilities.some(({ name }) => name === 'held.one'),
  },
];

/** Does somebody in this queue group hear one of twenty? */
async function steals(
  w: World,
  who: string,
  subject: string,
  queue: string,
  speaker: string,
  to: string,
): Promise<boolean> {
  const got = await heard(w.raw(who), subject, queue, async () => {
    for (let i = 0; i < 20; i++) {
      await say(w.raw(speaker), `${to}${fresh()}`);
    }
  });
  return got.length > 0;
}
