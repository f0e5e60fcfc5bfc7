/**
 * What a caller with valid credentials tries through the front door: names, identity, ids, what it may not call.
 */
import { compilePolicy } from '../../../src/domain/policy.js';
import { createUserKey } from '../../../src/fabric/keys.js';
import { rawHeaders } from '../../../src/fabric/raw.js';
import { header } from '../../../src/wire/headers.js';
import { limits } from '../../../src/wire/limits.js';
import { anyOf, allOf, type Attack } from '../attack.js';
import { POLICY } from '../policy.js';
import { answerTo, codeIn, heard, linesOf, say, settled } from '../wire.js';
import { newCallId } from '../../../src/agent/index.js';
import { fresh, told, until, type World } from '../world.js';

/** Did this call run, when this user makes it? */
async function runs(
  w: World,
  who: string,
  capability: string,
  more: object = {},
  options: object = {},
): Promise<boolean> {
  const n = w.town.next();
  const { code } = await told(w.sdk(who).call(capability, { n, ...more }, options));
  w.note(`${who} ${capability}: ${code}`);
  return w.town.ran(n) > 0;
}

/** Through the agent `shop`, which may do it by itself. */
const viaShop = async (w: World, who: string, capability: string): Promise<boolean> => {
  const n = w.town.next();
  await told(w.sdk(who).call('shop.via', { capability, body: { n } }));
  return w.town.ran(n) > 0;
};

const codeOf = async (w: World, who: string, capability: string): Promise<string> =>
  (await told(w.sdk(who).call(capability, {}))).code;

const policy = compilePolicy(POLICY.replace('{{corp}}', createUserKey().publicKey), 'p');

const SMUGGLED = [
  'Nats-Rollup',
  'Nats-TTL',
  'Nats-Msg-Id',
  'Nats-Expected-Stream',
  'Nats-Expected-Last-Sequence',
  'Nats-Incr',
  'Nats-Batch-Id',
  'Nats-Batch-Sequence',
  'Nats-Schedule',
  'Nats-Schedule-Target',
  'Nats-Stream',
  'Nats-Sequence',
  'Nats-Subject',
  'Nats-Time-Stamp',
  'Nats-Request-Info',
  'Nats-Service-Error-Code',
  'Nats-Marker-Reason',
  'Mesh-Key',
  'Mesh-Attempt',
  'Mesh-Status',
  'Mesh-Outcome',
  'Mesh-Record',
  'Mesh-From',
  'Mesh-Instance',
  'Mesh-Usage',
];

/** Headers of a task of mallory's, made with these lines. */
async function taskLines(w: World, lines: Record<string, string>): Promise<string> {
  const call = fresh();
  const asked = w.raw('mallory').request('mesh.v1.ask.mallory.evil.hold', '{}', {
    timeout: 5_000,
    headers: linesOf({ 'Mesh-Call': call, ...lines }),
  });
  const { msg } = await w.town.task(call);
  const text = [...(msg.headers ?? [])].map(([name, values]) => `${name}: ${values.join(' ')}`).join('\n');
  await w.town.release(call);
  await asked;
  return text;
}

export const calls: Attack[] = [
  {
    id: 'call-what-is-not-granted',
    position: 'caller',
    attack: 'Call a capability that no role and no rule gives.',
    mechanism: 'Default deny: what nothing in the policy allows is refused before it is resolved',
    enforcedBy: 'gateway',
    attempt: (w) =>
      anyOf(
        [
          ['mallory', 'pay.label'],
          ['clerk', 'pay.out'],
          ['eve', 'pay.out'],
        ] as const,
        ([who, what]) => runs(w, who, what),
      ),
    control: (w) => runs(w, 'alice', 'pay.label'),
  },
  {
    id: 'probe-the-catalogue',
    position: 'caller',
    attack:
      'Learn which capabilities exist from the errors of calls that are refused anyway, or from hints of near names.',
    mechanism: 'The guard granted stands before all that knows the catalogue, so both are told the same',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const there = await told(w.sdk('mallory').call('pay.label', {}));
      const not = await told(w.sdk('mallory').call('pay.nothing', {}));
      const strip = (text: string | undefined) => (text ?? '').replaceAll(/pay\.(label|nothing)/g, 'pay.x');
      return there.code !== not.code || strip(there.error?.message) !== strip(not.error?.message);
    },
    control: async (w) =>
      (await codeOf(w, 'boss', 'pay.nothing')) === 'capability_unknown' &&
      (await codeOf(w, 'boss', 'pay.label')) === 'completed',
    naive: {
      where: 'where the catalogue is asked first',
      attempt: async (w) =>
        (await codeOf(w, 'boss', 'pay.label')) !== (await codeOf(w, 'boss', 'pay.nothing')),
    },
  },
  {
    id: 'confused-deputy',
    position: 'caller',
    attack: 'Let a strong agent do what one may not do oneself.',
    mechanism:
      'Everybody in the chain must be allowed: authority is the intersection, not that of the last speaker',
    enforcedBy: 'gateway',
    attempt: (w) => viaShop(w, 'eve', 'pay.out'),
    control: (w) => viaShop(w, 'alice', 'pay.out'),
    naive: {
      where: 'where only the last speaker is asked',
      attempt: () => Promise.resolve(policy.mayCall('shop', 'pay.out')),
    },
  },
  {
    id: 'rule-through-an-agent',
    position: 'caller',
    attack: 'Get round a rule that refuses one by name, by letting an agent make the call.',
    mechanism: 'Rules are asked for everybody in the chain, not only for the caller',
    enforcedBy: 'gateway',
    attempt: (w) => viaShop(w, 'eve', 'pay.label'),
    control: (w) => viaShop(w, 'alice', 'pay.label'),
    naive: {
      where: 'where a rule asks who speaks',
      attempt: () => Promise.resolve(policy.mayCall('shop', 'pay.label')),
    },
  },
  {
    id: 'label-oneself-in',
    position: 'caller',
    attack: 'Put a label on a call that a rule allows for.',
    mechanism: 'A rule that names nobody lets nobody in: labels are the word of the caller',
    enforcedBy: 'gateway',
    attempt: (w) => runs(w, 'mallory', 'pay.secret', {}, { labels: { tenant: 'north' } }),
    control: (w) => runs(w, 'alice', 'pay.secret', {}, { labels: { tenant: 'north' } }),
  },
  {
    id: 'identity-in-a-header',
    position: 'caller',
    attack: 'Say in headers that one is somebody else: Nats-Request-Info, Mesh-From, forwarded users.',
    mechanism: 'Who calls is a token of the subject that the server enforces; no header is asked',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const n = w.town.next();
      const id = fresh();
      const claims = JSON.stringify({ acc: 'MESH', user: 'boss', from: 'boss' });
      const lines = {
        'Mesh-Call': id,
        'Nats-Request-Info': claims,
        'Mesh-From': 'boss',
        'Mesh-Chain': 'boss',
        'X-Forwarded-User': 'boss',
        Authorization: 'Bearer boss',
      };
      await answerTo(w.raw('mallory'), 'mesh.v1.ask.mallory.pay.label', JSON.stringify({ n }), lines, 3_000);
      const [decision] = await until(() => w.books.decided(id).length > 0 && w.books.decided(id));
      return w.town.ran(n) > 0 || decision?.from !== 'mallory';
    },
    control: (w) => runs(w, 'boss', 'pay.label'),
    naive: {
      where: 'where a service believes a header',
      attempt: async (w) => {
        const naive = await w.naive();
        const serve = naive.other.subscribe('who', {
          callback: (_, m) => void m.respond(m.headers?.get('Mesh-From') ?? ''),
        });
        await naive.other.flush();
        const reply = await answerTo(naive.attacker, 'who', '', { 'Mesh-From': 'boss' });
        serve.unsubscribe();
        return reply?.string() === 'boss';
      },
    },
  },
  {
    id: 'smuggle-headers',
    position: 'caller',
    attack:
      'Send headers that mean something to the server or to an agent, in any case, and hope that they are passed on.',
    mechanism: 'The headers of a task are written anew from an allow-list; nothing is copied',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const planted = Object.fromEntries(
        SMUGGLED.flatMap((name) => [
          [name, 'planted'],
          [name.toLowerCase(), 'planted'],
          [name.toUpperCase(), 'planted'],
        ]),
      );
      return (await taskLines(w, planted)).includes('planted');
    },
    control: async (w) => (await taskLines(w, { 'Mesh-Labels': 'team=red' })).includes('"team":"red"'),
    naive: {
      where: 'where headers are passed on',
      attempt: async (w) => {
        const naive = await w.naive();
        const pass = naive.other.subscribe('in', {
          callback: (_, m) => naive.other.publish('out', m.data, { headers: m.headers as never }),
        });
        await naive.other.flush();
        const got = await heard(naive.other, 'out', undefined, async () => {
          await say(naive.attacker, 'in', '', { 'Nats-Rollup': 'all' });
          await settled(naive.attacker, naive.other);
        });
        pass.unsubscribe();
        return got[0]?.headers?.get('Nats-Rollup') === 'all';
      },
    },
  },
  {
    id: 'split-a-header',
    position: 'caller',
    attack: 'Hide further header lines in a value: bare line feeds, lines without a name, a name twice.',
    mechanism: 'Values that are passed on are held against a grammar of printable characters',
    enforcedBy: 'gateway',
    attempt: (w) =>
      anyOf(
        ['Mesh-Intent', 'Mesh-Context', 'Mesh-Labels', 'Content-Type', 'tracestate', 'traceparent'],
        async (name) => {
          const id = fresh();
          const block = `NATS/1.0\r\nMesh-Call: ${id}\r\n${name}: application/json\nMesh-Key: planted\nMesh-Ticket: planted\r\n\r\n`;
          const got = await heard(w.mesh.operator, 'mesh.v1.task.*.*.>', undefined, async () => {
            const options = { headers: rawHeaders(Buffer.from(block)), timeout: 1_000 };
            const asked = w.raw('mallory').request('mesh.v1.ask.mallory.evil.echo', '{}', options);
            await asked.catch(() => undefined);
          });
          return got.some(
            (m) =>
              m.headers?.get('Mesh-Key') === 'planted' ||
              (m.headers?.get('Mesh-Ticket') ?? '').includes('planted'),
          );
        },
      ),
    control: async (w) =>
      (
        await answerTo(
          w.raw('mallory'),
          'mesh.v1.ask.mallory.evil.echo',
          '{"a":1}',
          { 'Mesh-Intent': 'x' },
          3_000,
        )
      )?.string() === '{"a":1}',
  },
  {
    id: 'take-anothers-id',
    position: 'caller',
    attack:
      'Call first under the id that somebody else is about to use, so that their call is taken for a repetition.',
    mechanism: 'A call is (from, id): the same id under two names is two calls',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const id = fresh();
      const [mine, hers] = [w.town.next(), w.town.next()];
      await told(w.sdk('mallory').call('pay.out', { n: mine }, { id }));
      const { status } = await told(w.sdk('alice').call('pay.out', { n: hers }, { id }));
      return status !== 'completed' || w.town.ran(hers) !== 1;
    },
    control: (w) => runs(w, 'alice', 'pay.out', {}, { id: fresh() }),
    naive: {
      where: 'in a register by id alone',
      attempt: async (w) => {
        const naive = await w.naive();
        await naive.stream({
          name: 'BYID',
          subjects: ['byid.*'],
          max_msgs_per_subject: 1,
          discard: 'new',
          discard_new_per_subject: true,
          storage: 'memory',
        });
        await answerTo(naive.attacker, 'byid.1', 'mine');
        const ack = await naive.other.request('byid.1', 'hers', { timeout: 1_000 });
        return ack.string().includes('error');
      },
    },
  },
  {
    id: 'same-id-other-bytes',
    position: 'caller',
    attack:
      'Send an id again with another body or capability, and let it run under the decision of the first.',
    mechanism:
      'The digest of capability and body stands in the decision; other bytes under the id are refused',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const id = fresh();
      const [first, second] = [w.town.next(), w.town.next()];
      await told(w.sdk('alice').call('pay.out', { n: first }, { id }));
      const raw = w.raw('alice');
      for (const what of ['pay.out', 'pay.label']) {
        await say(raw, `mesh.v1.call.alice.${what}`, JSON.stringify({ n: second }), { 'Mesh-Call': id });
        await answerTo(
          raw,
          `mesh.v1.ask.alice.${what}`,
          JSON.stringify({ n: second }),
          { 'Mesh-Call': id },
          2_000,
        );
      }
      await w.settle();
      return w.town.ran(second) > 0 || w.town.ran(first) !== 1;
    },
    control: (w) => runs(w, 'alice', 'pay.out', {}, { id: fresh() }),
  },
  {
    id: 'replay-a-call',
    position: 'stolen',
    attack: 'Publish the very bytes of a call again and again.',
    mechanism:
      'One decision for each call: the register and the window of decisions make a repetition the same call',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const id = fresh();
      const n = w.town.next();
      for (let i = 0; i < 5; i++) {
        await say(w.raw('alice'), 'mesh.v1.call.alice.pay.label', JSON.stringify({ n }), { 'Mesh-Call': id });
      }
      await until(() => w.town.ran(n) > 0);
      await say(w.raw('alice'), 'mesh.v1.call.alice.pay.label', JSON.stringify({ n }), { 'Mesh-Call': id });
      await w.settle();
      await w.settle();
      return w.town.ran(n) !== 1;
    },
    control: (w) => runs(w, 'alice', 'pay.label'),
    naive: {
      where: 'with a bare responder',
      attempt: async (w) => {
        const naive = await w.naive();
        const got = await heard(naive.other, 'bare.task', undefined, async () => {
          await say(naive.attacker, 'bare.task');
          await say(naive.attacker, 'bare.task');
          await settled(naive.attacker);
        });
        return got.length === 2;
      },
    },
  },
  {
    id: 'ids-of-another-time',
    position: 'former',
    attack: 'Replay a call whose outcome is long forgotten, or reserve an id in the future.',
    mechanism:
      'An id carries its birth: older than the life of its call, or ahead of the clock, it is refused',
    enforcedBy: 'gateway',
    attempt: (w) =>
      anyOf([-limits.lifeMs - 60_000, -86_400_000, 3_600_000], async (age) => {
        const n = w.town.next();
        const id = newCallId(Date.now() + age);
        await answerTo(
          w.raw('alice'),
          'mesh.v1.ask.alice.pay.out',
          JSON.stringify({ n }),
          { 'Mesh-Call': id },
          3_000,
        );
        return w.town.ran(n) > 0;
      }),
    control: async (w) => {
      const n = w.town.next();
      await answerTo(
        w.raw('alice'),
        'mesh.v1.ask.alice.pay.out',
        JSON.stringify({ n }),
        { 'Mesh-Call': fresh() },
        3_000,
      );
      return w.town.ran(n) === 1;
    },
  },
  {
    id: 'wildcards-as-names',
    position: 'agent',
    attack: 'Put wildcards, dots, look-alikes and empty texts where a name becomes part of a subject.',
    mechanism: 'Names have one grammar, checked before any subject is made of them',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const asked = await anyOf(
        [
          'pay.*',
          'pay.>',
          '*',
          '>',
          'pаy.out',
          'PAY.OUT',
          `pay.${'x'.repeat(65)}`,
          'a.b.c.d.e.f.g.h.i',
          '$JS.API',
        ],
        async (what) => {
          const n = w.town.next();
          await answerTo(
            w.raw('boss'),
            `mesh.v1.ask.boss.${what}`,
            JSON.stringify({ n }),
            { 'Mesh-Call': fresh() },
            1_000,
          );
          return w.town.ran(n) > 0;
        },
      );
      const card = JSON.stringify({ concurrency: 1, capabilities: [{ name: 'evil.x', version: '1.0' }] });
      const joined = await anyOf(['*', '>', 'A', 'x'.repeat(65)], async (instance) => {
        const reply = await answerTo(w.raw('evil'), `mesh.v1.hello.evil.${instance}`, card, {
          'Mesh-Instance': instance,
        });
        return reply !== undefined && codeIn(reply) === '';
      });
      const call = fresh();
      const pending = told(w.sdk('alice').call('pay.hold', {}, { id: call }));
      await w.town.task(call);
      for (const id of ['*', '>']) {
        await say(w.raw('alice'), `mesh.v1.cancel.alice.${id}`, '', { 'Mesh-Call': id });
      }
      await w.settle();
      await w.town.release(call);
      return asked || joined || (await pending).status !== 'completed';
    },
    control: (w) => allOf(['pay.out', 'pay.label'], (what) => runs(w, 'boss', what)),
  },
  {
    id: 'run-in-circles',
    position: 'agent',
    attack: 'Call oneself again and again, each time as a child of the last.',
    mechanism: 'A capability stands in a chain at most twice',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const n = w.town.next();
      await told(w.sdk('alice').call('loop.a', { n }));
      return w.town.ran(n) > limits.chainRepeats;
    },
    control: async (w) => {
      const n = w.town.next();
      await told(w.sdk('alice').call('loop.a', { n }));
      return w.town.ran(n) === limits.chainRepeats; // up to the bound it works
    },
  },
  {
    id: 'dig-without-end',
    position: 'agent',
    attack: 'Make a chain of calls without end, each of another name.',
    mechanism: 'Chains are at most sixteen calls long',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const n = w.town.next();
      await told(w.sdk('alice').call('loop.d1', { n }));
      return w.town.ran(n) > limits.chainDepth;
    },
    control: async (w) => {
      const n = w.town.next();
      await told(w.sdk('alice').call('loop.d15', { n }));
      return w.town.ran(n) > 1;
    },
  },
  {
    id: 'deadline-without-end',
    position: 'caller',
    attack: 'Ask for a deadline beyond all bounds, in the past, or in a form that others read differently.',
    mechanism: 'A deadline is one integer within the life of the call, or the call is refused',
    enforcedBy: 'gateway',
    attempt: (w) =>
      anyOf(
        [
          String(Date.now() + 172_800_000),
          '1e99',
          '0x7fffffffffff',
          '-1',
          'NaN',
          String(Date.now() - 60_000),
          '9'.repeat(400),
        ],
        async (deadline) => {
          const n = w.town.next();
          await answerTo(
            w.raw('alice'),
            'mesh.v1.ask.alice.pay.out',
            JSON.stringify({ n }),
            { 'Mesh-Call': fresh(), [header.deadline]: deadline },
            2_000,
          );
          return w.town.ran(n) > 0;
        },
      ),
    control: async (w) => {
      const n = w.town.next();
      await answerTo(
        w.raw('alice'),
        'mesh.v1.ask.alice.pay.out',
        JSON.stringify({ n }),
        { 'Mesh-Call': fresh(), [header.deadline]: String(Date.now() + 20_000) },
        2_000,
      );
      return w.town.ran(n) === 1;
    },
  },
];
