/**
 * The Python example at its word: the ticket of its task goes with its child calls, a retry is one call, and its
 * results survive the death of the gateway that asked for them.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { newCallId, type Mesh, type TaskContext } from '../../src/agent/index.js';
import { connectBroker } from '../../src/fabric/connection.js';
import { until } from '../support/mesh.js';
import { Peers, type Running } from './peers.js';

const POLICY = `version: 1
roles:
  everyone: { call: ['greet.person', 'clock.now'], mayRoot: true }
  greeter: { serve: ['greet.person'], call: ['clock.now'] }
  clock: { serve: ['clock.now'] }
members:
  me: [everyone]
  clock: [clock]
  greeter: [greeter]
`;

/** A task of the clock that waits for the test. */
interface Held {
  readonly context: TaskContext;
  readonly release: () => void;
}

const python = inject('tools').python !== undefined;
const held: Held[] = [];
const closing: (() => Promise<void>)[] = [];
let holds = false;
let peers: Peers;
let me: Mesh;
let agent: Running;

describe.skipIf(!python)('the Python example', () => {
  beforeAll(async () => {
    const agents = ['clock', 'greeter'].map((name) => ({ name, role: 'agent' as const }));
    peers = await Peers.start(agents, POLICY, 2);
    const clock = await peers.sdk('clock');
    me = await peers.sdk('me');
    await clock.serve('clock.now', { idempotent: true }, (_: unknown, context) => {
      const answer = { now: '12:00' };
      return holds
        ? new Promise((resolve) => held.push({ context, release: () => resolve(answer) }))
        : (held.push({ context, release: () => undefined }), answer);
    });
    agent = await peers.pythonAgent('greeter');
  });
  beforeEach(() => {
    holds = false;
    held.length = 0;
  });
  afterAll(async () => {
    await Promise.all(closing.map((close) => close()));
    await peers?.stop();
  });

  /** Subjects of results that say `working`. */
  const signsOfLife = async (): Promise<() => readonly string[]> => {
    const { url } = peers.mesh;
    const nc = await connectBroker({ url, name: 'operator', seed: peers.mesh.credentials('operator').seed });
    const subjects: string[] = [];
    nc.subscribe('mesh.v1.result.>', {
      callback: (err, msg) => {
        if (err === null && msg.headers?.get('Mesh-Status') === 'working') {
          subjects.push(msg.subject);
        }
      },
    });
    await nc.flush();
    closing.push(() => nc.close());
    return () => subjects;
  };

  const greet = (...more: string[]): ReturnType<Peers['pythonCaller']> =>
    peers.pythonCaller('me', 'greet.person', '{"name":"Ada"}', ...more);

  test('passes its ticket on: the child belongs to the root of its caller', async () => {
    const id = newCallId();
    expect((await greet('--id', id)).code).toBe(0);
    const [child] = held;
    expect(child?.context.from).toBe('greeter');
    expect(child?.context.root).toBe(`me.${id}`);
  });

  test('without a ticket it may call nobody', async () => {
    const { said, code } = await peers.pythonCaller('greeter', 'clock.now');
    expect(said).toMatch(/^refused: \[root_denied\]/);
    expect(code).toBe(3);
  });

  test('a retry with the same id is the same call; other bytes are another', async () => {
    const id = newCallId();
    const first = await greet('--id', id);
    expect(await greet('--id', id)).toEqual(first);
    expect(held).toHaveLength(1);
    const other = await peers.pythonCaller('me', 'greet.person', '{"name":"Bob"}', '--id', id);
    expect(other.said).toContain('call_id_reused');
  });

  test('says what failed in the handler', async () => {
    const { said, code } = await peers.pythonCaller('me', 'greet.person', '{}');
    expect(said).toMatch(/^failed: \[handler_failed\] .*'name'/);
    expect(code).toBe(1);
  });

  test('tells its own child that it was cancelled', async () => {
    holds = true;
    const stop = new AbortController();
    const call = me.call('greet.person', { name: 'Ada' }, { signal: stop.signal });
    const ended = call.then(
      () => 'completed',
      (err: unknown) => (err as { status?: string }).status,
    );
    const child = await until(() => held[0]);
    stop.abort();
    expect(await ended).toBe('cancelled');
    child.release();
  });

  test('the result outlives every gateway: asked for by one, told to another, worked on once', async () => {
    holds = true;
    const call = me.callForOutcome('greet.person', { name: 'Ada' });
    const child = await until(() => held[0]);
    const signs = await signsOfLife();
    const dead = peers.mesh.gateways.map(({ pid }) => pid);
    peers.mesh.gateways.forEach((gateway) => gateway.kill());
    await until(() => signs().some((subject) => subject.startsWith('mesh.v1.result.greeter.')), 20_000);
    expect(peers.mesh.gateways.map(({ pid }) => pid)).not.toEqual(dead);
    child.release();
    const { value, attempt } = await call;
    expect(value).toEqual({ greeting: 'Hello Ada', at: '12:00' });
    expect(attempt, 'its sign of life kept it from being given out again').toBe(1);
  });

  test('told to stop, it finishes what it has, and is gone at once', async () => {
    holds = true;
    const call = me.call('greet.person', { name: 'Ada' });
    const child = await until(() => held[0]);
    const stopping = agent.stop();
    child.release();
    expect(await call).toEqual({ greeting: 'Hello Ada', at: '12:00' });
    await stopping;
  });
});
