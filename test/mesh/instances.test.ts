/**
 * Replicas, plain responders, poison, and a server that crashes.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newCallId, type Mesh, type MeshError } from '../../src/agent/index.js';
import type { NatsConnection } from '../../src/fabric/connection.js';
import { readUsers } from '../../src/fabric/users.js';
import { getLast } from '../../src/fabric/reader.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';

let mesh: TestMesh;
let caller: Mesh;

beforeAll(async () => {
  mesh = await startTestMesh({
    users: {
      alice: 'caller',
      team: 'agent',
      plain: 'agent',
      poison: 'agent',
      lost: 'agent',
      strict: 'agent',
      rival: 'agent',
    },
  });
  caller = await mesh.connect('alice');
});
afterAll(() => mesh.stop());

const statusOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'completed',
    (err: MeshError) => `${err.status ?? 'local'} ${err.code}`,
  );

/** Register a plain responder as the operator does; the subject it must subscribe. */
async function addPlain(agent: string, card: object): Promise<string> {
  const user = readUsers(mesh.dir).find((u) => u.name === agent)?.publicKey;
  const body = JSON.stringify({ agent, user, card });
  const reply = await mesh.operator.request('mesh.v1.admin.operator.plain', body, { timeout: 5_000 });
  return reply.json<{ subjects: { subject: string }[] }>().subjects[0]?.subject ?? '';
}

describe('replicas', () => {
  test('five instances of one agent make 1 000 effects of 1 000 tasks, all of them at work', async () => {
    const effects: string[] = [];
    const workers = await Promise.all(
      Array.from({ length: 5 }, () => mesh.connect('team', { concurrency: 16 })),
    );
    const shares = new Map<string, number>();
    for (const w of workers) {
      await w.serve('team.work', (_: unknown, ctx) => {
        effects.push(ctx.key);
        shares.set(w.instance, (shares.get(w.instance) ?? 0) + 1);
        return { by: w.instance };
      });
    }
    const results = await Promise.all(Array.from({ length: 1_000 }, () => caller.call('team.work', {})));
    expect(results).toHaveLength(1_000);
    expect(effects).toHaveLength(1_000);
    expect(new Set(effects).size).toBe(1_000);
    expect(shares.size).toBe(5);
  });

  test('an instance that drains takes nothing new and finishes what it has', async () => {
    const leaving = await mesh.connect('team', { concurrency: 4 });
    let release: () => void = () => undefined;
    const begun = new Promise<void>((started) => {
      void leaving.serve('team.long', async () => {
        started();
        await new Promise<void>((resolve) => (release = resolve));
        return { finished: true };
      });
    });
    await until(async () => (await statusOf(caller.call('team.work', {}))) === 'completed');
    const running = caller.call('team.long', {});
    await begun;
    const closed = leaving.close(5_000);
    release();
    expect(await running).toEqual({ finished: true });
    await closed;
  });
});

describe('a plain responder', () => {
  let nc: NatsConnection;
  let subject = '';

  beforeAll(async () => {
    nc = await mesh.broker('plain');
    subject = await addPlain('plain', {
      concurrency: 8,
      capabilities: [{ name: 'plain.echo', version: '1.0' }],
    });
  });

  test('that subscribes in the queue and answers is a working agent', async () => {
    nc.subscribe(subject, { queue: 'mesh', callback: (_, msg) => void msg.respond(msg.data) });
    expect(await caller.call('plain.echo', { a: 1 }, { timeoutMs: 10_000 })).toEqual({ a: 1 });
  });

  test('a request is a working caller: the reply is the outcome', async () => {
    const alice = await mesh.broker('alice');
    const reply = await alice.request('mesh.v1.ask.alice.plain.echo', '{"b":2}', { timeout: 5_000 });
    expect(reply.json()).toEqual({ b: 2 });
    const refused = await alice.request('mesh.v1.ask.alice.plain.nothing', '{}', { timeout: 5_000 });
    expect(refused.headers?.get('Nats-Service-Error-Code')).toBe('capability_unknown');
  });

  test('an ask with its own id can be repeated', async () => {
    const alice = await mesh.broker('alice');
    const { headers } = await import('@nats-io/transport-node');
    const h = headers();
    h.set('Mesh-Call', newCallId());
    const first = await alice.request('mesh.v1.ask.alice.plain.echo', '{"c":3}', {
      timeout: 5_000,
      headers: h,
    });
    const again = await alice.request('mesh.v1.ask.alice.plain.echo', '{"c":3}', {
      timeout: 5_000,
      headers: h,
    });
    expect([first.json(), again.json()]).toEqual([{ c: 3 }, { c: 3 }]);
    expect(again.headers?.get('Mesh-Outcome')).toBe(first.headers?.get('Mesh-Outcome'));
  });
});

describe('poison', () => {
  test('a call that no attempt answers is dispatched five times, then lies in DEAD and is unknown', async () => {
    let starts = 0;
    const nc = await mesh.broker('poison');
    const card = {
      concurrency: 8,
      capabilities: [{ name: 'poison.work', version: '1.0', idempotent: true, attemptMs: 150 }],
    };
    const tasks = await addPlain('poison', card);
    nc.subscribe(tasks, { queue: 'mesh', callback: () => void starts++ });
    const id = newCallId();
    expect(await statusOf(caller.call('poison.work', {}, { id, timeoutMs: 25_000 }))).toBe('unknown poison');
    expect(starts).toBe(5);
    const dead = await getLast(mesh.operator, 'DEAD', 'mesh.v1.dead.poison.work');
    expect(JSON.parse(dead?.headers.get('Mesh-Record') ?? '{}')).toMatchObject({ call: id, from: 'alice' });
  });

  test('a call that crashes gateways is given up, and one that only was near is not', async () => {
    const agent = await mesh.connect('lost');
    await agent.serve('lost.work', () => ({ fine: true }));
    // Taken by somebody who dies: neither message is ever acknowledged by this taker.
    await Promise.all(mesh.gateways.splice(0).map((g) => g.stop(0)));
    const gateway = await mesh.broker('gateway');
    const guilty = newCallId();
    const near = newCallId();
    const outcomes = [guilty, near].map((id) =>
      statusOf(caller.call('lost.work', {}, { id, timeoutMs: 30_000 })),
    );
    const inbox = '_INBOX.gateway.taker';
    const seqs: number[] = [];
    gateway.subscribe(inbox, { callback: (_, msg) => void seqs.push(Number(msg.reply?.split('.')[5])) });
    await until(() => {
      gateway.publish('$JS.API.CONSUMER.MSG.NEXT.CALLS.gateway', '{"batch":2,"no_wait":true}', {
        reply: inbox,
      });
      return seqs.filter((s) => s > 0).length >= 2;
    });
    gateway.publish(`$KV.mesh_state.suspect.alice.${guilty}`, '5');
    gateway.publish(`$KV.mesh_state.suspect.alice.${near}`, '1');
    await gateway.flush();
    const { runGateway } = await import('../../src/gateway/run.js');
    const { silent } = await import('../../src/wire/log.js');
    mesh.gateways.push(
      await runGateway({
        url: mesh.url,
        name: 'gateway',
        seed: mesh.credentials('gateway').seed,
        dir: mesh.dir,
        log: silent,
      }),
    );
    expect(await Promise.all(outcomes)).toEqual(['unknown poison', 'completed']);
  });
});

describe('contracts', () => {
  test('one contract per capability major: a conflicting card is refused, another major is taken', async () => {
    const strict = await mesh.connect('strict');
    await strict.serve('deal.make', { version: '1.0', input: { type: 'object', required: ['a'] } }, () => ({
      major: 1,
    }));
    const rival = await mesh.connect('rival');
    expect(
      await statusOf(
        rival.serve('deal.make', { version: '1.3', input: { type: 'object', required: ['b'] } }, () => ({})),
      ),
    ).toBe('local card_conflict');
    await rival.serve('deal.make', { version: '2.0', input: { type: 'object', required: ['b'] } }, () => ({
      major: 2,
    }));
    expect(await caller.call('deal.make', { a: 1 }, { major: 1 })).toEqual({ major: 1 });
    expect(
      await until(
        async () => (await statusOf(caller.call('deal.make', { b: 1 }, { major: 2 }))) === 'completed',
      ),
    ).toBe(true);
    expect(await statusOf(caller.call('deal.make', { b: 1 }, { major: 3 }))).toBe(
      'refused version_unsupported',
    );
  });
});
