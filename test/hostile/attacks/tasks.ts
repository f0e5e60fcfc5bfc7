/**
 * Tickets, results and tasks: what an agent can do with what it was rightly given, and with what it was not.
 */
import { getLast } from '../../../src/fabric/reader.js';
import { readOutcome } from '../../../src/gateway/records.js';
import type { Ticket } from '../../../src/wire/generated/messages.js';
import { anyOf, type Attack } from '../attack.js';
import { answerTo, heard, say, settled } from '../wire.js';
import type { Task } from '../town.js';
import { fresh, told, until, type World } from '../world.js';

/** While `capability` runs for alice, with the task it was given; then it is released with `value`. */
async function during<T>(
  w: World,
  capability: string,
  act: (task: Task, call: string) => Promise<T>,
  options: object = {},
  value: unknown = { held: true },
): Promise<{ got: T; end: Awaited<ReturnType<typeof told>>; call: string }> {
  const call = fresh();
  const pending = told(w.sdk('alice').call(capability, {}, { id: call, ...options }));
  const got = await act(await w.town.task(call), call);
  await w.town.release(call, value);
  return { got, end: await pending, call };
}

/** A child call of `who` with this ticket; did it run? */
async function child(
  w: World,
  who: string,
  ticket: string | undefined,
  capability = 'pay.out',
  more: Record<string, string> = {},
): Promise<boolean> {
  const n = w.town.next();
  const lines = { 'Mesh-Call': fresh(), ...(ticket === undefined ? {} : { 'Mesh-Ticket': ticket }), ...more };
  await answerTo(w.raw(who), `mesh.v1.ask.${who}.${capability}`, JSON.stringify({ n }), lines, 3_000);
  return w.town.ran(n) > 0;
}

const ownChild = async (w: World): Promise<boolean> =>
  (await during(w, 'evil.hold', ({ ticket }) => child(w, 'evil', ticket))).got;

const payloadOf = (ticket: string): Ticket => JSON.parse(ticket.slice(0, ticket.lastIndexOf('.'))) as Ticket;
const macOf = (ticket: string): string => ticket.slice(ticket.lastIndexOf('.') + 1);
const changed = (ticket: string, more: Partial<Ticket>): string =>
  `${JSON.stringify({ ...payloadOf(ticket), ...more })}.${macOf(ticket)}`;

/** Publish a result as `who`, at the reply subject of a task, perhaps under another name. */
const result = (
  w: World,
  who: string,
  reply: string,
  value: object,
  lines: Record<string, string> = {},
): Promise<void> => say(w.raw(who), reply, JSON.stringify(value), lines);

/** What the register holds of a call of alice's. */
const registered = async (w: World, call: string) => {
  const stored = await until(() => getLast(w.mesh.operator, 'OUTCOMES', `mesh.v1.settle.alice.${call}`));
  return { record: readOutcome(stored.headers), body: Buffer.from(stored.body).toString() };
};

export const tasks: Attack[] = [
  {
    id: 'drop-the-ticket',
    position: 'agent',
    attack: 'Leave the ticket out of a child call, and so be rid of the chain above.',
    mechanism: 'A call without a ticket begins a tree, which agents may not (mayRoot)',
    enforcedBy: 'gateway',
    attempt: async (w) => (await during(w, 'evil.hold', () => child(w, 'evil', undefined))).got,
    control: ownChild,
  },
  {
    id: 'forge-a-ticket',
    position: 'agent',
    attack:
      'Change a ticket that one has: another agent, another chain, a later deadline, other grants; or make one up.',
    mechanism: 'A ticket has a mac over all its bytes, with a key that only gateways and control can read',
    enforcedBy: 'gateway',
    attempt: async (w) =>
      (
        await during(w, 'evil.hold', ({ ticket }) =>
          anyOf(
            [
              changed(ticket, { chain: ['boss'] }),
              changed(ticket, { deadline: Date.now() + 500_000 }),
              changed(ticket, { chain: ['boss'], agent: 'evil', root: `boss.${fresh()}` }),
              changed(ticket, { labels: { vip: '1' } }),
              `${ticket.slice(0, -1)}${ticket.endsWith('0') ? '1' : '0'}`,
              `${JSON.stringify(payloadOf(ticket))}.${'0'.repeat(32)}`,
              `${JSON.stringify(payloadOf(ticket))}.`,
              changed(ticket, { kid: 'k9' }),
            ],
            (forged) => child(w, 'evil', forged),
          ),
        )
      ).got,
    control: ownChild,
    naive: {
      where: 'where a ticket is read and not checked',
      attempt: async (w) => {
        const { got } = await during(w, 'evil.hold', ({ ticket }) =>
          Promise.resolve(payloadOf(changed(ticket, { chain: ['boss'] })).chain[0]),
        );
        return got === 'boss';
      },
    },
  },
  {
    id: 'lend-a-ticket',
    position: 'pair',
    attack: 'Give the own ticket to an accomplice who may call more, or take theirs.',
    mechanism: 'A ticket belongs to the agent that is named in it: whoever else presents it is refused',
    enforcedBy: 'gateway',
    attempt: async (w) => (await during(w, 'crony.hold', ({ ticket }) => child(w, 'evil', ticket))).got,
    control: ownChild,
    naive: {
      where: 'where a ticket is a bearer token',
      attempt: async (w) =>
        (
          await during(w, 'crony.hold', ({ ticket }) =>
            child(w, 'crony', ticket, 'pay.out').then(() => payloadOf(ticket).agent !== 'evil'),
          )
        ).got,
    },
  },
  {
    id: 'ticket-of-another-mesh',
    position: 'stolen',
    attack: 'Present a ticket that another mesh has sealed for an agent of the same name.',
    mechanism: 'Every mesh has keys and an epoch of its own, and both stand in the ticket',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const other = await w.open();
      const { got } = await during(other, 'evil.hold', ({ ticket }) => child(w, 'evil', ticket));
      return got;
    },
    control: ownChild,
  },
  {
    id: 'outlive-the-task',
    position: 'former',
    attack: 'Go on making child calls with a ticket whose deadline has passed.',
    mechanism: 'A ticket ends with the deadline of its task',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const { got } = await during(
        w,
        'evil.hold',
        async ({ ticket }) => {
          await until(() => Date.now() > payloadOf(ticket).deadline);
          return child(w, 'evil', ticket);
        },
        { timeoutMs: 400 },
      );
      return got;
    },
    control: ownChild,
  },
  {
    id: 'child-outlives-parent',
    position: 'agent',
    attack: 'Ask for a child call with a later deadline than the task has.',
    mechanism: "A child's deadline is at most its parent's, whatever it asks for",
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const { got } = await during(w, 'evil.hold', async ({ ticket }) => {
        const call = fresh();
        const lines = {
          'Mesh-Call': call,
          'Mesh-Ticket': ticket,
          'Mesh-Deadline': String(Date.now() + 500_000),
        };
        const asked = answerTo(w.raw('evil'), 'mesh.v1.ask.evil.crony.hold', '{}', lines, 5_000);
        const given = payloadOf((await w.town.task(call)).ticket).deadline;
        await w.town.release(call);
        await asked;
        return given > payloadOf(ticket).deadline;
      });
      return got;
    },
    control: ownChild,
  },
  {
    id: 'change-the-labels',
    position: 'agent',
    attack: 'Overwrite in a child call the labels that came down the tree.',
    mechanism: 'Labels of the ticket win over those of the call',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const { got } = await during(
        w,
        'evil.hold',
        async ({ ticket }) => {
          const call = fresh();
          const lines = { 'Mesh-Call': call, 'Mesh-Ticket': ticket, 'Mesh-Labels': 'tenant=south,own=1' };
          const asked = answerTo(w.raw('evil'), 'mesh.v1.ask.evil.crony.hold', '{}', lines, 5_000);
          const { labels } = payloadOf((await w.town.task(call)).ticket);
          await w.town.release(call);
          await asked;
          return labels?.['tenant'] !== 'north' || labels['own'] !== '1';
        },
        { labels: { tenant: 'north' } },
      );
      return got;
    },
    control: async (w) =>
      (
        await during(w, 'evil.hold', ({ ticket }) => Promise.resolve(payloadOf(ticket).labels?.['tenant']), {
          labels: { tenant: 'north' },
        })
      ).got === 'north',
  },
  {
    id: 'answer-for-another',
    position: 'pair',
    attack:
      'Answer a task of another agent under the own name, with the number and the mac that it was given.',
    mechanism:
      'The mac of a result covers the decision, and a result counts only from the agent that the decision names',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const { end } = await during(w, 'pay.hold', async ({ reply }) => {
        await result(w, 'evil', reply.replace('.result.victim.', '.result.evil.'), { stolen: true });
        await result(
          w,
          'evil',
          reply.replace('.result.victim.', '.result.evil.').replace(/\.[^.]+\.(\d+\.[0-9a-f]+)$/, '.any.$1'),
          { stolen: true },
        );
        await result(
          w,
          'evil',
          reply.replace('.result.victim.', '.progress.evil.'),
          { stolen: true },
          { 'Mesh-Part': '1' },
        );
        await settled(w.raw('evil'), w.raw('gateway'));
      });
      return JSON.stringify(end.value) !== '{"held":true}';
    },
    control: async (w) => {
      const { end } = await during(w, 'evil.hold', async ({ reply }) => {
        await result(w, 'evil', reply, { early: true }); // the agent's own answer, sent past its SDK
        await settled(w.raw('evil'), w.raw('gateway'));
      });
      return JSON.stringify(end.value) === '{"early":true}';
    },
  },
  {
    id: 'guess-a-result',
    position: 'agent',
    attack: 'Answer decisions one was never given, by counting sequences and guessing macs.',
    mechanism: 'The mac in the reply subject is 128 bits that only a gateway can make',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const { end } = await during(w, 'evil.hold', async ({ reply }) => {
        const [seq = '1', mac = ''] = reply.split('.').slice(-2);
        const stem = reply.split('.').slice(0, -2).join('.');
        for (const guess of [
          '0'.repeat(32),
          mac.toUpperCase(),
          mac.slice(1),
          `${mac}0`,
          mac.split('').toReversed().join(''),
        ]) {
          await result(w, 'evil', `${stem}.${seq}.${guess}`, { guessed: true });
        }
        for (let n = Math.max(1, Number(seq) - 20); n <= Number(seq) + 5; n++) {
          await result(w, 'evil', `${stem}.${n === Number(seq) ? n + 6 : n}.${mac}`, { guessed: true });
        }
        await settled(w.raw('evil'), w.raw('gateway'));
        await w.settle();
      });
      return JSON.stringify(end.value) !== '{"held":true}';
    },
    control: async (w) => {
      const { end } = await during(w, 'evil.hold', ({ reply }) => result(w, 'evil', reply, { early: true }));
      return JSON.stringify(end.value) === '{"early":true}';
    },
  },
  {
    id: 'answer-twice',
    position: 'agent',
    attack: 'Answer again with something else after the outcome stands.',
    mechanism:
      'The first valid result is the outcome; what comes later is told that it was taken, and changes nothing',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const { call, got } = await during(w, 'evil.hold', async (task) => {
        await result(w, 'evil', task.reply, { first: true });
        return task;
      });
      await result(w, 'evil', got.reply, { second: true });
      await result(w, 'evil', got.reply.replace(/\.[^.]+\.(\d+\.[0-9a-f]+)$/, '.any.$1'), { second: true });
      await w.settle();
      const recalled = await answerTo(w.raw('alice'), `mesh.v1.recall.alice.${call}`, '', {}, 2_000);
      return (await registered(w, call)).body !== '{"first":true}' || recalled?.string() !== '{"first":true}';
    },
    control: async (w) => {
      const { call } = await during(w, 'evil.hold', ({ reply }) => result(w, 'evil', reply, { first: true }));
      return (await registered(w, call)).body === '{"first":true}';
    },
  },
  {
    id: 'answer-too-late',
    position: 'agent',
    attack: 'Answer long after the deadline, and have it counted.',
    mechanism: 'A result counts until a second after the deadline; then the outcome is unknown, for good',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const call = fresh();
      const pending = told(w.sdk('alice').call('evil.deaf', {}, { id: call, timeoutMs: 300 }));
      const { reply } = await w.town.task(call);
      const { record } = await registered(w, call); // nobody answers, so it ends by itself
      await result(w, 'evil', reply, { late: true });
      await w.settle();
      await pending;
      return record?.status !== 'unknown' || (await registered(w, call)).body.includes('late');
    },
    control: async (w) => {
      const { end } = await during(w, 'evil.hold', ({ reply }) => result(w, 'evil', reply, { early: true }));
      return end.status === 'completed';
    },
  },
  {
    id: 'result-beyond-the-card',
    position: 'agent',
    attack: 'Answer with what the own card does not promise: other types, prototype keys, bytes, a bomb.',
    mechanism:
      'Results are read with the same bounds as calls and held against the output schema of the card',
    enforcedBy: 'gateway',
    attempt: (w) =>
      anyOf(
        ['{"m":1}', '{"n":1,"__proto__":{"x":1}}', '[', '{"n":1,"n":2}', '['.repeat(50_000)],
        async (body) => {
          const call = fresh();
          const pending = told(w.sdk('alice').call('evil.wait', {}, { id: call }));
          const { reply } = await w.town.task(call);
          await say(w.raw('evil'), reply, body);
          await settled(w.raw('evil'), w.raw('gateway'));
          await w.town.release(call, { n: 1 });
          return (await pending).status === 'completed';
        },
      ),
    control: async (w) => (await told(w.sdk('alice').call('evil.out', { n: 1 }))).status === 'completed',
  },
  {
    id: 'result-with-a-mark',
    position: 'agent',
    attack:
      'Put the records of a gateway on a result: Mesh-Outcome, Nats-Stream, another agent, another status.',
    mechanism:
      'The record of an outcome is made by the gateway; of the headers of a result only a few are read',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const record = { status: 'completed', agent: 'victim', from: 'boss', seq: 1 };
      const lines = {
        'Mesh-Outcome': JSON.stringify(record),
        'Nats-Stream': 'OUTCOMES',
        'Nats-Msg-Id': 'x',
        'Nats-Rollup': 'all',
        'Nats-TTL': '1',
        'Mesh-Agent': 'victim',
      };
      const { call } = await during(w, 'evil.hold', ({ reply }) =>
        result(w, 'evil', reply, { marked: true }, lines),
      );
      const { record: kept } = await registered(w, call);
      return kept?.agent !== 'evil' || kept.call !== call;
    },
    control: async (w) => {
      const { call } = await during(w, 'evil.hold', ({ reply }) =>
        result(w, 'evil', reply, { marked: true }, { 'Mesh-Status': 'failed' }),
      );
      return (await registered(w, call)).record?.status === 'failed'; // what an agent may say is read
    },
  },
  {
    id: 'task-after-its-deadline',
    position: 'stolen',
    attack: 'With the rights of a gateway that was asleep, send a task whose deadline has passed.',
    mechanism: 'The SDK looks at the deadline itself before it starts a handler',
    enforcedBy: 'agent',
    attempt: (w) => resend(w, -1_000),
    control: (w) => resend(w, 20_000),
    naive: {
      where: 'with a plain responder',
      attempt: async (w) => {
        const naive = await w.naive();
        const got = await heard(naive.other, 'plain.task', undefined, () =>
          say(naive.attacker, 'plain.task', '', { 'Mesh-Deadline': '1' }),
        );
        return got.length === 1;
      },
    },
  },
  {
    id: 'task-twice-at-once',
    position: 'stolen',
    attack: 'With the rights of a gateway, send a task again while it runs.',
    mechanism: 'An instance that runs a key already says busy to the same key',
    enforcedBy: 'agent',
    attempt: async (w) => {
      const { call } = await during(w, 'pay.hold', async ({ subject, msg }, id) => {
        const headers = msg.headers as never;
        for (let i = 0; i < 3; i++) {
          w.raw('gateway').publish(subject, msg.data, { headers, reply: `_INBOX.gateway.${id}` });
        }
        await settled(w.raw('gateway'), w.raw('victim'));
        await w.settle();
      });
      return w.town.runs.filter((run) => run.call === call).length !== 1;
    },
    control: async (w) => {
      const { call } = await during(w, 'pay.hold', () => Promise.resolve());
      return w.town.runs.filter((run) => run.call === call).length === 1;
    },
  },
];

/** A task of its own making, as a gateway could send it, with a deadline so many ms from now. Did it run? */
async function resend(w: World, ms: number): Promise<boolean> {
  const n = w.town.next();
  const ticket: Partial<Ticket> = {
    agent: 'victim',
    from: 'alice',
    call: fresh(),
    attempt: 1,
    deadline: Date.now() + ms,
    root: 'alice.x',
    chain: ['alice'],
  };
  const lines = {
    'Mesh-Ticket': `${JSON.stringify(ticket)}.x`,
    'Mesh-Key': fresh(),
    'Mesh-Deadline': String(ticket.deadline),
  };
  const to = `mesh.v1.task.victim.${w.secrets.victimToken}.pay.out`;
  await say(w.raw('gateway'), to, JSON.stringify({ n }), lines, `_INBOX.gateway.${fresh()}`);
  await w.settle();
  return w.town.ran(n) > 0;
}
