/**
 * What falls when somebody is put out, a grant is taken back, or the policy is narrowed, while calls lie in queues, wait
 * and run. The server knows the users itself here and lets them in again: whatever is refused, gateways refuse.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newCallId, type Mesh } from '../../src/agent/index.js';
import { Operator } from '../../src/cli/operator.js';
import { runControl } from '../../src/control/run.js';
import { readIssuer } from '../../src/fabric/issuer.js';
import { privateKeyOf, publicKeyOf } from '../../src/fabric/keys.js';
import { getLast } from '../../src/fabric/reader.js';
import { headersOf } from '../../src/fabric/raw.js';
import { readOutcome } from '../../src/gateway/records.js';
import { runGateway } from '../../src/gateway/run.js';
import type { MeshError } from '../../src/wire/errors.js';
import { limits } from '../../src/wire/limits.js';
import { claimsFor, signRaw } from '../support/grants.js';
import { pace, startTestMesh, until, type TestMesh } from '../support/mesh.js';

const POLICY = `version: 1
roles:
  open: { call: ['>'], mayRoot: true }
  worker: { serve: ['>'], call: ['leaf.>'] }
  boss: {}
members: { me: [open], gone: [open, boss], clerk: [], mid: [worker], leaf: [worker], twin: [worker] }
rules:
  - { name: large, match: { capability: ['pay.>'] }, when: 'true', effect: hold, approvers: [boss] }
`;

let mesh: TestMesh;
let operator: Operator;
let me: Mesh;
let leaf: Mesh;
let running = 0;
let gate: () => void = () => undefined;

const hang = (_: unknown, ctx: { signal: AbortSignal }): Promise<never> =>
  new Promise((_resolve, reject) => {
    running++;
    ctx.signal.addEventListener('abort', () => (running--, reject(new Error('stopped'))));
  });

beforeAll(async () => {
  const users = { me: 'caller', gone: 'caller', clerk: 'caller', mid: 'agent', leaf: 'agent', twin: 'agent' };
  mesh = await startTestMesh({ users: users as never, policy: POLICY, gateways: 2 });
  operator = await Operator.open({ data: mesh.dir, url: mesh.url });
  [me, leaf] = [await mesh.connect('me'), await mesh.connect('leaf', { concurrency: 64 })];
  await leaf.serveAll([
    { name: 'leaf.quick', options: { readOnly: true }, handler: () => 'done' },
    { name: 'leaf.slow', options: { readOnly: true }, handler: hang },
    { name: 'leaf.deaf', options: {}, handler: () => (running++, pace(4_000).then(() => running--)) },
    { name: 'pay.bill', options: {}, handler: () => 'paid' },
  ]);
});
afterAll(async () => {
  await operator.close();
  await mesh.stop();
});

const revoke = (agent: string) =>
  operator.command('revoke', { agent, user: publicKeyOf(mesh.credentials(agent).seed, agent) });
const reinstate = (agent: string) => operator.command('reinstate', { agent });
const parked = async (): Promise<number> =>
  (await mesh.operator.request('$JS.API.STREAM.INFO.PARKED', '')).json<{ state: { messages: number } }>()
    .state.messages;

/** `completed`, or `status code` of what a call ends with. */
const ended = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'completed',
    (err: MeshError) => `${err.status ?? ''} ${err.code}`,
  );

/** The same as it stands in the register. */
async function stored(from: string, call: string): Promise<string> {
  const found = await getLast(mesh.operator, 'OUTCOMES', `mesh.v1.settle.${from}.${call}`);
  const outcome = found === undefined ? undefined : readOutcome(found.headers);
  return outcome === undefined ? 'none' : `${outcome.status} ${outcome.code ?? ''}`;
}

function grantFor(name: string): { text: string; id: string } {
  const seed = readIssuer(mesh.dir)?.seed ?? '';
  const signer = { name: 'mesh', publicKey: publicKeyOf(seed, 'issuer'), key: privateKeyOf(seed, 'issuer') };
  const holder = { name, publicKey: publicKeyOf(mesh.credentials(name).seed, name) };
  const claims = claimsFor(holder, { iss: 'mesh', can: ['>'], actions: ['read', 'write', 'execute'] });
  return { text: signRaw(signer, claims), id: claims.jti };
}

describe('a caller that is put out', () => {
  test('its running tasks are cancelled, and nothing of it is accepted until it is reinstated', async () => {
    const gone = await mesh.connect('gone');
    const ids = Array.from({ length: 6 }, () => newCallId());
    const works = ids.map((callId, i) =>
      ended(gone.call(i === 5 ? 'leaf.deaf' : 'leaf.slow', {}, { id: callId, timeoutMs: 20_000 })),
    );
    await until(() => running === 6);
    await revoke('gone');
    expect(await Promise.all(works)).toEqual([...Array(5).fill('cancelled revoked'), 'unknown revoked']);
    expect(await stored('gone', ids[0] ?? '')).toBe('cancelled revoked');
    expect(await ended(gone.call('leaf.quick'))).toBe('refused revoked');
    expect(await ended(me.call('leaf.quick'))).toBe('completed');
    // A gateway that starts knows it before it takes a call.
    await Promise.all(mesh.gateways.map((one) => one.stop(0)));
    mesh.gateways.splice(0, 2, await runGateway({ ...mesh.as('gateway'), sight: {} }));
    expect(await ended(gone.call('leaf.quick'))).toBe('refused revoked');
    await reinstate('gone');
    await until(async () => (await ended(gone.call('leaf.quick'))) === 'completed');
    await until(() => running === 0);
    mesh.gateways.push(await runGateway({ ...mesh.as('gateway'), sight: {} }));
  });

  test('what lies in CALLS, is parked, or is held is refused at once', async () => {
    const gone = await mesh.connect('gone');
    const nobody = ended(gone.call('nobody.there', {}, { timeoutMs: 30_000 }));
    expect(await nobody).toBe('refused capability_unknown');
    const late = await mesh.connect('twin');
    await late.serve('late.work', { readOnly: true }, () => 'late');
    await late.close();
    const waits = [
      ended(gone.call('late.work', {}, { timeoutMs: 30_000 })),
      ended(gone.call('pay.bill', {}, { timeoutMs: 30_000 })),
    ];
    const kept = ended(me.call('late.work', {}, { timeoutMs: 30_000 }));
    await until(async () => (await parked()) === 3);
    await Promise.all(mesh.gateways.map((one) => one.stop(0)));
    const queued = newCallId();
    const lies = ended(gone.call('leaf.quick', {}, { id: queued, timeoutMs: 30_000 }));
    const calls = async () =>
      (await mesh.operator.request('$JS.API.STREAM.INFO.CALLS', '')).json<{ state: { messages: number } }>()
        .state.messages;
    await until(async () => (await calls()) === 1);
    await revoke('gone');
    mesh.gateways.splice(0, 2, await runGateway({ ...mesh.as('gateway'), sight: {} }));
    const began = Date.now();
    expect(await lies).toBe('refused revoked');
    expect(await Promise.all(waits)).toEqual(['refused revoked', 'refused revoked']);
    expect(Date.now() - began).toBeLessThan(5_000);
    const again = await mesh.connect('twin');
    await again.serve('late.work', { readOnly: true }, () => 'late');
    expect(await kept).toBe('completed');
    await again.close();
    await reinstate('gone');
    mesh.gateways.push(await runGateway({ ...mesh.as('gateway'), sight: {} }));
  });

  test('what is parked or held under a grant is refused when the grant is revoked, not when it is woken', async () => {
    const clerk = await mesh.connect('clerk');
    const [fallen, kept] = [grantFor('clerk'), grantFor('clerk')];
    const waits = (grant: string) =>
      ['late.work', 'pay.bill'].map((what) => ended(clerk.call(what, {}, { grant, timeoutMs: 20_000 })));
    const [first, second] = [waits(fallen.text), waits(kept.text)];
    await until(async () => (await parked()) === 4);
    const began = Date.now();
    await operator.command('revoke', { grant: fallen.id });
    expect(await Promise.all(first)).toEqual(['refused grant_revoked', 'refused grant_revoked']);
    expect(Date.now() - began).toBeLessThan(3_000);
    expect(await parked()).toBe(2);
    await operator.command('revoke', { grant: kept.id });
    expect(await Promise.all(second)).toEqual(['refused grant_revoked', 'refused grant_revoked']);
  });
});

describe('an agent that is put out', () => {
  test('gets no task any more; its tasks go elsewhere or are unknown, and what it asked for is cancelled', async () => {
    const mid = await mesh.connect('mid');
    let tasks = 0;
    await mid.serveAll([
      {
        name: 'mid.tree',
        options: {},
        handler: (_, ctx) => (tasks++, ctx.call('leaf.slow', {}).then(() => 'never')),
      },
      { name: 'mid.again', options: { idempotent: true }, handler: () => (tasks++, pace(60_000)) },
    ]);
    const tree = ended(me.call('mid.tree', {}, { timeoutMs: 30_000 }));
    const again = me.call<string>('mid.again', {}, { timeoutMs: 30_000 });
    await until(() => running === 1 && tasks === 2);
    const twin = await mesh.connect('twin');
    await twin.serve('mid.again', { idempotent: true }, () => 'by twin');
    const began = Date.now();
    await revoke('mid');
    expect(await tree).toBe('unknown attempt_lost');
    expect(await again).toBe('by twin');
    await until(() => running === 0); // the task it had asked leaf for
    expect(Date.now() - began).toBeLessThan(5_000);
    expect(await me.call('mid.again')).toBe('by twin');
    expect(tasks).toBe(2);
    await reinstate('mid');
    await Promise.all([mid.close(0), twin.close()]);
  });
});

describe('a policy that is narrowed', () => {
  const push = (policy: string) => operator.command('policy', { policy });

  test('acts on running trees: child calls are refused, what waits is judged again', async () => {
    const mid = await mesh.connect('mid');
    await mid.serve('mid.later', {}, async (_, ctx) => {
      running++;
      await new Promise<void>((resolve) => (gate = resolve));
      running--;
      return await ended(ctx.call('leaf.quick'));
    });
    const tree = me.call<string>('mid.later', {}, { timeoutMs: 20_000 });
    const gone = await mesh.connect('gone');
    const waits = [
      ended(gone.call('mid.again', {}, { timeoutMs: 20_000 })), // nobody who serves it is there
      ended(me.call('pay.bill', {}, { timeoutMs: 20_000 })),
    ];
    await until(async () => running === 1 && (await parked()) === 2);
    const began = Date.now();
    const narrowed = POLICY.replace("call: ['leaf.>']", 'call: []')
      .replace('gone: [open, boss]', 'gone: []')
      .replace(
        /rules:[^]*$/,
        "rules:\n  - { name: never, match: { capability: ['pay.>'] }, effect: deny }\n",
      );
    await push(narrowed);
    expect(await Promise.all(waits)).toEqual(['refused root_denied', 'refused policy_denied']);
    expect(Date.now() - began).toBeLessThan(5_000);
    gate();
    expect(await tree).toBe('refused not_granted'); // the task itself runs to its end
    await push(POLICY);
    await mid.close(0);
  });
});

describe('a gateway that cannot see what was revoked', () => {
  test('finds its way back when its watch is lost', async () => {
    const names = async () =>
      (await mesh.operator.request('$JS.API.CONSUMER.NAMES.KV_mesh_identity', '')).json<{
        consumers: string[];
      }>().consumers;
    const before = await names();
    for (const name of before) {
      await mesh.operator.request(`$JS.API.CONSUMER.DELETE.KV_mesh_identity.${name}`, '');
    }
    // Two gateways, and control, which follows keys too.
    await until(async () => (await names()).filter((name) => !before.includes(name)).length >= 4);
    const gone = await mesh.connect('gone');
    await until(async () => (await ended(gone.call('leaf.quick'))) === 'completed');
    await revoke('gone');
    await until(async () => (await ended(gone.call('leaf.quick'))) === 'refused revoked');
    expect(mesh.gateways.flatMap((one) => one.sight.missing())).toEqual([]);
    await reinstate('gone');
  });

  test('decides nothing after a while, and goes on when it sees again', { timeout: 40_000 }, async () => {
    const nc = await mesh.broker('me');
    const ask = async (): Promise<string> => {
      const said = await nc.request('mesh.v1.ask.me.leaf.quick', '{}', { timeout: 5_000 });
      return headersOf(said).get('Nats-Service-Error-Code') ?? 'completed';
    };
    expect(await ask()).toBe('completed');
    await mesh.control.stop();
    await mesh.operator.request('$JS.API.STREAM.DELETE.KV_mesh_grants', '');
    const began = performance.now();
    const blind = 'it cannot see what was revoked';
    await until(() => mesh.gateways.every((one) => one.sight.missing().includes(blind)));
    expect(performance.now() - began).toBeLessThan(limits.blindMs + 3_000);
    expect(await ask()).toBe('unavailable');
    const waits = ended(me.call('leaf.quick', {}, { timeoutMs: 20_000 }));
    mesh.control = await runControl({ ...mesh.as('control'), dir: mesh.dir }); // it makes the bucket
    expect(await waits).toBe('completed');
    await until(async () => (await ask()) === 'completed');
  });
});

test('nobody but a gateway watches who was put out, and no more than that', async () => {
  const gateway = await mesh.broker('gateway');
  const watch = (filter: string) =>
    gateway.request(`$JS.API.CONSUMER.CREATE.KV_mesh_identity.x1.${filter}`, '{}', { timeout: 500 });
  await expect(watch('$KV.mesh_identity.enrol.*')).rejects.toThrow('ermission');
  const ours = await watch('$KV.mesh_identity.revoked.*'); // the server answers, though not with a consumer
  expect(ours.json()).toHaveProperty('error');
  const caller = await mesh.broker('me');
  const foreign = '$JS.API.CONSUMER.CREATE.KV_mesh_identity.x1.$KV.mesh_identity.revoked.*';
  await expect(caller.request(foreign, '{}', { timeout: 500 })).rejects.toThrow('ermission');
});
