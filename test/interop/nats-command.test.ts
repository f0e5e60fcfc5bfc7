/**
 * The `nats` command by itself: a durable call by hand, and what `nats micro` shows of agents of every make.
 */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { newCallId, type Mesh } from '../../src/agent/index.js';
import { readPage } from '../support/markdown.js';
import { until } from '../support/mesh.js';
import { Peers } from './peers.js';

const POLICY = `version: 1
roles:
  everyone: { call: ['>'], mayRoot: true }
  worker: { serve: ['>'], call: ['>'] }
members:
  me: [everyone]
  shop: [worker]
  clock: [worker]
  echo: [worker]
`;

interface Endpoint {
  readonly name: string;
  readonly subject: string;
  readonly num_requests: number;
  readonly num_errors: number;
  readonly last_error: string;
  readonly processing_time: number;
}

interface Service {
  readonly name: string;
  readonly id: string;
  readonly endpoints: readonly Endpoint[];
}

const go = inject('tools').go !== undefined;
let peers: Peers;
let shop: Mesh;

describe.skipIf(!go)('the nats command', () => {
  beforeAll(async () => {
    const agents = ['shop', 'clock', 'echo'].map((name) => ({ name, role: 'agent' as const }));
    peers = await Peers.start(agents, POLICY);
    shop = await peers.sdk('shop');
    await shop.serve('shop.query', { version: '1.2', idempotent: true }, ({ sku }: { sku: string }) => {
      if (sku === 'none') {
        throw new Error('there is none');
      }
      return { sku };
    });
    await shop.serve('inventory.query', ({ sku }: { sku: string }) => ({ sku, inStock: 12 }));
    await peers.natsAgent('clock', 'clock.now', '{"now":"{{TimeStamp}}"}');
    await peers.goAgent('echo', 'echo.back', 'shop.query');
  });
  afterAll(() => peers?.stop());

  const nats = async (who: string, ...args: string[]): Promise<string> => {
    const { said, code } = await peers.nats(who, ...args);
    expect(code, `it said: ${said}`).toBe(0);
    return said;
  };

  test('makes a durable call: accepted, then the outcome, and the same again by recall', async () => {
    const id = newCallId();
    const hints = await peers.natsListens('me', 'mesh.v1.outcome.me.*');
    const call = ['req', '--raw', '-H', `Mesh-Call:${id}`, 'mesh.v1.call.me.shop.query', '{"sku":"a-1"}'];
    const accepted = JSON.parse(await nats('me', ...call)) as object;
    expect(accepted).toEqual({ stream: 'CALLS', seq: expect.any(Number) as number });
    await until(() => hints.said().includes('{"sku":"a-1"}'));
    expect(hints.said()).toContain('Nats-Stream: OUTCOMES');
    expect(hints.said()).toContain('"status":"completed"');
    const told = await nats('me', 'req', `mesh.v1.recall.me.${id}`, '');
    expect(told).toContain('"status":"completed"');
    expect(told).toContain('{"sku":"a-1"}');
    expect(await nats('me', 'req', '--raw', `mesh.v1.recall.me.${newCallId()}`, '')).toContain('not_seen');
  });

  test('asks as the protocol page says', async () => {
    const [script, ...others] = readPage('docs/protocol.md').fences.filter(
      ({ language }) => language === 'sh',
    );
    expect(others).toEqual([]);
    const { said, code } = await peers.shell('me', script?.text ?? '');
    expect(code, `it said: ${said}`).toBe(0);
    expect(said).toContain('{"sku":"a-1","inStock":12}');
  });

  test('lists agents of every make, with the subjects to ask them on', async () => {
    // A plain responder is alive once control has seen its subscription.
    const names = async (): Promise<string[]> =>
      (JSON.parse(await nats('operator', 'micro', 'ls', '--json')) as Service[]).map(({ name }) => name);
    const listed = await until(async () => {
      const all = await names();
      return all.length === 3 && all;
    });
    expect(listed.sort()).toEqual(['clock', 'echo', 'shop']);
    expect(await nats('operator', 'micro', 'ls')).toMatch(/shop +│/);
    const { info } = JSON.parse(await nats('operator', 'micro', 'info', 'shop', '--json')) as {
      info: Service;
    };
    expect(info).toMatchObject({ name: 'shop', id: shop.instance });
    expect(info.endpoints).toMatchObject([
      { name: 'shop-query', subject: 'mesh.v1.ask.*.shop.query' },
      { name: 'inventory-query' },
    ]);
    for (const name of ['clock', 'echo']) {
      expect(await nats('operator', 'micro', 'info', name)).toContain(`Service: ${name}`);
    }
    expect(await nats('operator', 'micro', 'ping', '--timeout', '1s')).toMatch(/shop \S+ +rtt=/);
  });

  test('shows true numbers', async () => {
    const stats = async (): Promise<Endpoint | undefined> => {
      const said = await nats('operator', 'micro', 'stats', 'shop', shop.instance, '--json');
      return (JSON.parse(said) as Service[])[0]?.endpoints[0];
    };
    const before = await stats();
    const me = await peers.sdk('me');
    for (let i = 0; i < 5; i++) {
      await me.call('shop.query', { sku: `b-${i}` });
    }
    await me.call('shop.query', { sku: 'none' }).catch(() => undefined);
    expect(await stats()).toMatchObject({
      num_requests: (before?.num_requests ?? NaN) + 6,
      num_errors: (before?.num_errors ?? NaN) + 1,
      last_error: 'there is none',
    });
    expect((await stats())?.processing_time).toBeGreaterThan(before?.processing_time ?? NaN);
    // An agent that tells no numbers is shown with none, not with zeros.
    expect(JSON.parse(await nats('operator', 'micro', 'stats', 'clock', '--json'))).toMatchObject([
      { name: 'clock', endpoints: [] },
    ]);
  });

  test('sees nothing as a caller or as an agent', async () => {
    for (const name of ['me', 'clock']) {
      const { said } = await peers.nats(name, 'micro', 'ls', '--timeout', '1s');
      expect(said).not.toContain('shop');
      expect(said).toMatch(/permissions violation/i);
    }
  });
});
