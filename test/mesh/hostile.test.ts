/**
 * A first hostile test: an agent and a caller with valid credentials attack through the broker itself.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newCallId, type Mesh } from '../../src/agent/index.js';
import type { NatsConnection } from '../../src/fabric/connection.js';
import { readSecrets, ringOf } from '../../src/fabric/keyring.js';
import { getLast } from '../../src/fabric/reader.js';
import { taskToken } from '../../src/domain/ticket.js';
import { heard, publishing, requesting, say, settled, subscribing, type Attack } from '../support/hostile.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';

let mesh: TestMesh;
let victim: Mesh;
let alice: Mesh;
let evil: NatsConnection;
let mallory: NatsConnection;
let gateway: NatsConnection;
let control: NatsConnection;
let victimRaw: NatsConnection;
let aliceRaw: NatsConnection;
let token = '';
let secret = '';
let runs = 0;
const held: (() => void)[] = [];

beforeAll(async () => {
  mesh = await startTestMesh({
    users: { alice: 'caller', mallory: 'caller', evil: 'agent', victim: 'agent', viewer: 'viewer' },
  });
  [evil, mallory, gateway, control, victimRaw, aliceRaw] = (await Promise.all(
    ['evil', 'mallory', 'gateway', 'control', 'victim', 'alice'].map((n) => mesh.broker(n)),
  )) as [NatsConnection, NatsConnection, NatsConnection, NatsConnection, NatsConnection, NatsConnection];
  const secrets = await readSecrets(gateway);
  secret = secrets.ingress;
  victim = await mesh.connect('victim');
  token = taskToken(await ringOf(gateway, secrets), 'victim', victim.instance);
  alice = await mesh.connect('alice');
  await victim.serve('pay.out', () => ({ runs: ++runs }));
  await victim.serve(
    'pay.slow',
    (_: unknown, ctx) =>
      new Promise((resolve, reject) => {
        held.push(() => resolve({ slow: true }));
        ctx.signal.addEventListener('abort', () => reject(new Error('stopped')));
      }),
  );
  const evilAgent = await mesh.connect('evil');
  await evilAgent.serve('evil.thing', () => ({}));
});
afterAll(() => mesh.stop());

/** Did the victim's handler run, beyond what `act` itself is entitled to? */
async function victimRan(act: () => Promise<void>): Promise<boolean> {
  const before = runs;
  await act();
  await settled(evil, mallory, gateway, victimRaw);
  // A good call behind the attack: when it is done, the attack has had its turn too.
  await alice.call('pay.out', {});
  return runs > before + 1;
}

const stored = async (
  stream: 'OUTCOMES' | 'DECISIONS' | 'PARKED' | 'DEAD',
  subject: string,
): Promise<boolean> => (await getLast(control, stream, subject).catch(() => undefined)) !== undefined;

/** Write to a stream's public or secret subject; the judge is the stream. */
function writing(
  name: string,
  stream: 'OUTCOMES' | 'DECISIONS' | 'PARKED' | 'DEAD',
  word: string,
  rest: () => string,
  viaIngress: boolean,
): Attack {
  const by = (nc: () => NatsConnection, ingress: boolean) => async () => {
    const tail = rest();
    await say(nc(), ingress ? `_k.${secret}.${word}.${tail}` : `mesh.v1.${word}.${tail}`, '{}', {
      'Mesh-Record': '{}',
    });
    await settled(nc(), control);
    return stored(stream, `mesh.v1.${word}.${tail}`);
  };
  return { name: `write: ${name}`, attempt: by(() => evil, viaIngress), control: by(() => gateway, true) };
}

/** A call of the attacker's own, with a reply subject that makes the server or the gateway speak elsewhere. */
function injecting(
  name: string,
  attacker: () => NatsConnection,
  me: string,
  reply: () => string,
  succeeded: (act: () => Promise<void>) => Promise<boolean>,
): Attack {
  const own = (id: string) => ({ 'Mesh-Call': id });
  return {
    name: `reply: ${name}`,
    attempt: () =>
      succeeded(() => say(attacker(), `mesh.v1.call.${me}.pay.nothing`, '{}', own(newCallId()), reply())),
    control: async () => {
      const id = newCallId();
      const got = await heard(attacker(), `mesh.v1.outcome.${me}.${id}`, undefined, async () => {
        await say(attacker(), `mesh.v1.call.${me}.pay.nothing`, '{}', own(id));
        await until(() => getLast(control, 'OUTCOMES', `mesh.v1.settle.${me}.${id}`));
      });
      return got.length === 1;
    },
  };
}

function attacks(): Attack[] {
  const spy = mesh.operator;
  const id = newCallId;
  const inst = victim.instance;
  const operator = mesh.operator;
  const slowCancelled = async (act: (call: string) => Promise<void>): Promise<boolean> => {
    const call = id();
    const pending = alice.call('pay.slow', {}, { id: call }).then(
      () => 'completed',
      () => 'stopped',
    );
    const release = await until(() => held.pop());
    await act(call);
    await settled(evil, mallory, gateway, victimRaw);
    release();
    return (await pending) === 'stopped';
  };
  return [
    publishing('a task to another agent', evil, gateway, spy, () => `mesh.v1.task.victim.${token}.pay.out`),
    publishing('a task, as a caller', mallory, gateway, spy, () => `mesh.v1.task.victim.${token}.pay.out`),
    publishing(
      'a call in the name of another caller',
      evil,
      aliceRaw,
      spy,
      () => 'mesh.v1.call.alice.pay.nothing',
    ),
    publishing(
      'a call in the name of another, as a caller',
      mallory,
      aliceRaw,
      spy,
      () => 'mesh.v1.call.alice.pay.nothing',
    ),
    publishing(
      'an ask in the name of another',
      mallory,
      aliceRaw,
      spy,
      () => 'mesh.v1.ask.alice.pay.nothing',
    ),
    publishing(
      'a result in the name of another agent',
      evil,
      victimRaw,
      spy,
      () => 'mesh.v1.result.victim.any.1.00000000000000000000000000000000',
    ),
    publishing('the presence of another agent', evil, victimRaw, spy, () => `mesh.v1.beat.victim.${inst}`),
    publishing('the leave of another agent', evil, victimRaw, spy, () => 'mesh.v1.bye.victim.ghost'),
    publishing('the card of another agent', evil, victimRaw, spy, () => 'mesh.v1.hello.victim.ghost'),
    publishing(
      'a cancel of another caller',
      mallory,
      aliceRaw,
      spy,
      () => `mesh.v1.cancel.alice.${'0'.repeat(26)}`,
    ),
    publishing(
      'a recall of another caller',
      mallory,
      aliceRaw,
      spy,
      () => `mesh.v1.recall.alice.${'0'.repeat(26)}`,
    ),
    publishing('a stop to another agent', evil, gateway, spy, () => `mesh.v1.stop.victim.${'0'.repeat(26)}`),
    publishing(
      'taken, so that results are dropped',
      evil,
      gateway,
      spy,
      () => `mesh.v1.taken.victim.${inst}`,
    ),
    publishing('a probe', evil, gateway, spy, () => `mesh.v1.probe.victim.${inst}`),
    publishing('the presence of a gateway', evil, gateway, spy, () => 'mesh.v1.peer.gw-fake'),
    publishing('an adoption', evil, control, spy, () => 'mesh.v1.adopt'),
    publishing('a wake', evil, control, spy, () => 'mesh.v1.wake'),
    publishing('a question for open calls', evil, gateway, spy, () => 'mesh.v1.open'),
    publishing("an operator's command", evil, operator, spy, () => 'mesh.v1.admin.operator.forget'),
    publishing(
      "an operator's command, as a caller",
      mallory,
      operator,
      spy,
      () => 'mesh.v1.admin.operator.forget',
    ),
    publishing('a view', mallory, operator, spy, () => 'mesh.v1.view.operator.state'),
    writing('a decision, by its public name', 'DECISIONS', 'decision', () => `evil.${id()}`, false),
    writing('an outcome, by its public name', 'OUTCOMES', 'settle', () => `alice.${id()}`, false),
    writing('an outcome, by the secret ingress', 'OUTCOMES', 'settle', () => `alice.${id()}`, true),
    writing('a decision, by the secret ingress', 'DECISIONS', 'decision', () => `evil.${id()}`, true),
    writing('a parked record', 'PARKED', 'parked', () => `capacity.alice.${id()}`, false),
    writing('a dead record', 'DEAD', 'dead', () => `evil.${id()}`, false),
    requesting(
      'read the key ring',
      evil,
      control,
      '$JS.API.DIRECT.GET.KV_mesh_keys',
      '{"last_by_subj":"$KV.mesh_keys.ring"}',
    ),
    requesting('read decisions', evil, control, '$JS.API.STREAM.MSG.GET.DECISIONS', '{"seq":1}'),
    requesting('read the ingress secret', evil, control, '$JS.API.STREAM.INFO.DECISIONS'),
    requesting('list streams', mallory, control, '$JS.API.STREAM.NAMES'),
    requesting(
      'make a consumer',
      evil,
      control,
      '$JS.API.CONSUMER.CREATE.DEAD',
      '{"stream_name":"DEAD","config":{"ack_policy":"none","mem_storage":true}}',
    ),
    requesting(
      'make a stream',
      evil,
      control,
      '$JS.API.STREAM.CREATE.SCRATCH',
      '{"name":"SCRATCH","subjects":["scratch.x"],"storage":"memory"}',
    ),
    requesting('purge a stream', evil, control, '$JS.API.STREAM.PURGE.SCRATCH'),
    requesting('delete a stream', mallory, control, '$JS.API.STREAM.DELETE.SCRATCH'),
    {
      name: 'broker: write a card into the registry',
      attempt: async () => {
        await say(evil, '$KV.mesh_registry.card.ghost', '{}');
        return stored2(control, 'KV_mesh_registry', '$KV.mesh_registry.card.ghost');
      },
      control: async () => {
        await say(control, '$KV.mesh_registry.note.ghost', '{}');
        return stored2(control, 'KV_mesh_registry', '$KV.mesh_registry.note.ghost');
      },
    },
    subscribing(
      'own tasks without the queue',
      evil,
      evil,
      'mesh.v1.task.evil.>',
      (m) => say(gateway, `mesh.v1.task.evil.x.${m}`),
      { entitled: 'mesh' },
    ),
    subscribing(
      'own tasks in another queue',
      evil,
      evil,
      'mesh.v1.task.evil.>',
      (m) => say(gateway, `mesh.v1.task.evil.x.${m}`),
      { attacker: 'other', entitled: 'mesh' },
    ),
    subscribing(
      "another agent's tasks",
      evil,
      victimRaw,
      'mesh.v1.task.victim.>',
      (m) => say(gateway, `mesh.v1.task.victim.x.${m}`),
      { attacker: 'mesh', entitled: 'mesh' },
    ),
    subscribing(
      'all tasks',
      evil,
      operator,
      'mesh.v1.task.*.>',
      (m) => say(gateway, `mesh.v1.task.victim.x.${m}`),
      { attacker: 'mesh' },
    ),
    subscribing('all calls', mallory, operator, 'mesh.v1.call.*.>', (m) =>
      say(aliceRaw, `mesh.v1.call.alice.pay.${m}`),
    ),
    subscribing(
      'all asks, in the queue of the gateways',
      mallory,
      gateway,
      'mesh.v1.ask.*.>',
      (m) => say(aliceRaw, `mesh.v1.ask.alice.pay.${m}`),
      { attacker: 'gateway' },
    ),
    subscribing(
      "another caller's outcomes",
      mallory,
      aliceRaw,
      'mesh.v1.outcome.alice.*',
      async (m) => void (await alice.call('pay.out', {}, { id: m })),
    ),
    subscribing(
      'all outcomes',
      evil,
      operator,
      'mesh.v1.outcome.>',
      async (m) => void (await alice.call('pay.out', {}, { id: m })),
    ),
    subscribing('all results', mallory, gateway, 'mesh.v1.result.*.*.*.*', (m) =>
      say(victimRaw, `mesh.v1.result.victim.any.1.${m}`),
    ),
    subscribing('all inboxes', mallory, gateway, '_INBOX.>', (m) => say(gateway, `_INBOX.alice.${m}`)),
    subscribing("another caller's inbox", mallory, aliceRaw, '_INBOX.alice.>', (m) =>
      say(gateway, `_INBOX.alice.${m}`),
    ),
    subscribing("the gateways' inbox", evil, gateway, '_INBOX.gateway.>', (m) =>
      say(gateway, `_INBOX.gateway.${m}`),
    ),
    subscribing(
      'all hellos, in the queue of control',
      evil,
      control,
      'mesh.v1.hello.*.*',
      (m) => say(victimRaw, `mesh.v1.hello.victim.${m}`),
      { attacker: 'control' },
    ),
    subscribing('everything', evil, operator, 'mesh.v1.>', (m) => say(gateway, `mesh.v1.peer.${m}`)),
    injecting(
      "into another agent's tasks",
      () => evil,
      'evil',
      () => `mesh.v1.task.victim.${token}.pay.out`,
      victimRan,
    ),
    injecting(
      "into another caller's calls",
      () => mallory,
      'mallory',
      () => 'mesh.v1.call.alice.pay.out',
      victimRan,
    ),
    injecting(
      "into another caller's asks",
      () => mallory,
      'mallory',
      () => 'mesh.v1.ask.alice.pay.out',
      victimRan,
    ),
    injecting(
      'into the register',
      () => mallory,
      'mallory',
      () => 'mesh.v1.settle.alice.injected',
      async (act) => {
        await act();
        await settled(mallory, control);
        return stored('OUTCOMES', 'mesh.v1.settle.alice.injected');
      },
    ),
    injecting(
      'into the decisions',
      () => evil,
      'evil',
      () => 'mesh.v1.decision.evil.injected',
      async (act) => {
        await act();
        await settled(evil, control);
        return stored('DECISIONS', 'mesh.v1.decision.evil.injected');
      },
    ),
    {
      name: 'reply: an outcome that another caller believes',
      attempt: async () => {
        const call = id();
        const pending = alice.call('pay.slow', {}, { id: call });
        const release = await until(() => held.pop());
        await say(
          mallory,
          'mesh.v1.call.mallory.pay.nothing',
          '{}',
          { 'Mesh-Call': id() },
          `mesh.v1.outcome.alice.${call}`,
        );
        await settled(mallory, aliceRaw);
        release();
        return JSON.stringify(await pending) !== '{"slow":true}';
      },
      control: async () => JSON.stringify(await alice.call('pay.out', {})) === JSON.stringify({ runs }),
    },
    {
      name: "reply: a cancel of another caller's call",
      attempt: () =>
        slowCancelled((call) =>
          say(
            mallory,
            'mesh.v1.call.mallory.pay.nothing',
            '{}',
            { 'Mesh-Call': id() },
            `mesh.v1.cancel.alice.${call}`,
          ),
        ),
      control: () =>
        slowCancelled((call) => say(aliceRaw, `mesh.v1.cancel.alice.${call}`, '', { 'Mesh-Call': call })),
    },
    {
      name: 'reply: the leave of another agent',
      attempt: async () => {
        await say(
          evil,
          'mesh.v1.call.evil.pay.nothing',
          '{}',
          { 'Mesh-Call': id() },
          `mesh.v1.bye.victim.${inst}`,
        );
        await settled(evil, gateway);
        return await alice.call('pay.out', {}, { timeoutMs: 2_000 }).then(
          () => false,
          () => true,
        );
      },
      control: async () => (await alice.callForOutcome('pay.out', {})).agent === 'victim',
    },
    {
      name: "reply: an ask answered into another's inbox",
      attempt: async () => {
        const got = await heard(aliceRaw, '_INBOX.alice.>', undefined, () =>
          say(mallory, 'mesh.v1.ask.mallory.pay.out', '{}', {}, '_INBOX.alice.planted'),
        );
        await alice.call('pay.out', {});
        return got.some((m) => m.subject === '_INBOX.alice.planted');
      },
      control: () =>
        mallory
          .request('mesh.v1.ask.mallory.pay.out', '{}', { timeout: 5_000 })
          .then((m) => m.string().includes('runs')),
    },
    {
      name: "reply: an ask answered into another agent's tasks",
      attempt: () =>
        victimRan(() =>
          say(mallory, 'mesh.v1.ask.mallory.pay.nothing', '{}', {}, `mesh.v1.task.victim.${token}.pay.out`),
        ),
      control: () =>
        mallory
          .request('mesh.v1.ask.mallory.pay.out', '{}', { timeout: 5_000 })
          .then((m) => m.string().includes('runs')),
    },
    {
      name: "reply: text of the attacker's choosing in a stored error",
      attempt: async () => {
        const lines = {
          'Mesh-Call': id(),
          'Nats-Msg-Id': 'x',
          'Nats-Expected-Last-Msg-Id': '{"status":"completed"}',
        };
        await say(mallory, 'mesh.v1.call.mallory.pay.nothing', '{}', lines, 'mesh.v1.settle.alice.quoted');
        await settled(mallory, control);
        return stored('OUTCOMES', 'mesh.v1.settle.alice.quoted');
      },
      control: async () => {
        await say(gateway, `_k.${secret}.settle.alice.quoted-control`, '{}');
        await settled(gateway, control);
        return stored('OUTCOMES', 'mesh.v1.settle.alice.quoted-control');
      },
    },
  ];
}

async function stored2(nc: NatsConnection, stream: string, subject: string): Promise<boolean> {
  const reply = await nc.request(
    `$JS.API.STREAM.MSG.GET.${stream}`,
    JSON.stringify({ last_by_subj: subject }),
  );
  return reply.json<{ message?: object }>().message !== undefined;
}

test('nothing that an agent or a caller is not entitled to works', { timeout: 120_000 }, async () => {
  const succeeded: string[] = [];
  const controlsFailed: string[] = [];
  const all = attacks();
  for (const attack of all) {
    if (await attack.attempt()) {
      succeeded.push(attack.name);
    }
    if (!(await attack.control())) {
      controlsFailed.push(attack.name);
    }
  }
  console.log(
    `${all.length} attacks, ${succeeded.length} succeeded, ${all.length - controlsFailed.length} controls passed`,
  );
  expect({ succeeded, controlsFailed }).toEqual({ succeeded: [], controlsFailed: [] });
  expect(all.length).toBeGreaterThanOrEqual(30);
});
