/**
 * Agents that go in circles, with two gateways that decide their calls.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Mesh } from '../../src/agent/index.js';
import type { MeshError } from '../../src/wire/errors.js';
import { limits } from '../../src/wire/limits.js';
import { startTestMesh, type TestMesh } from '../support/mesh.js';

let mesh: TestMesh;
let me: Mesh;
let rounds = 0;
let alone = '';

const code = (err: unknown): string => (err as MeshError).code;

beforeAll(async () => {
  mesh = await startTestMesh({
    users: { me: 'caller', ping: 'agent', pong: 'agent', asker: 'agent', stock: 'agent' },
    policy: {
      version: 1,
      roles: { root: { call: ['>'], mayRoot: true }, agent: { call: ['>'], serve: ['>'] } },
      members: { me: ['root'], ping: ['agent'], pong: ['agent'], asker: ['agent'], stock: ['agent'] },
      loops: { 'stock.read': { same: 10 }, 'stock.look': { same: 1_000, idle: 12 } },
    },
    gateways: 2,
  });
  me = await mesh.connect('me');
  const [ping, pong] = [await mesh.connect('ping'), await mesh.connect('pong')];
  await ping.serve('ping', async (body, ctx) => {
    rounds++;
    if (body !== 'alone') {
      return await ctx.call('pong', body);
    }
    return await ping.call('pong', body).catch((err: unknown) => {
      alone = code(err);
      throw err;
    });
  });
  await ping.serve('ping.why', () => alone);
  await pong.serve('pong', async (body, ctx) => {
    rounds++;
    return await ctx.call('ping', body);
  });
  const [asker, stock] = [await mesh.connect('asker'), await mesh.connect('stock')];
  await stock.serve('stock.read', () => 'the same');
  await stock.serve('stock.look', (n) => (typeof n === 'number' && n < 20 ? n : 'nothing'));
  await asker.serve('ask.read', async (_, ctx) => {
    const said: string[] = [];
    for (let i = 0; i < 3 * limits.treeTold; i++) {
      try {
        await ctx.call('stock.read', { sku: 'a' });
        said.push('ok');
      } catch (err) {
        said.push(code(err));
        break;
      }
    }
    return said;
  });
  await asker.serve('ask.look', async (_, ctx) => {
    for (let i = 0; ; i++) {
      const end = await ctx.call('stock.look', i).then(
        () => undefined,
        (err: unknown) => code(err),
      );
      if (end !== undefined) {
        return { calls: i, end };
      }
    }
  });
});
afterAll(() => mesh.stop());

describe('two agents that call each other for ever', () => {
  test('are stopped by the loop guard after two rounds', async () => {
    rounds = 0;
    await expect(me.call('ping')).rejects.toMatchObject({ code: 'handler_failed' });
    expect(rounds).toBe(4); // ping, pong, ping, pong
  });

  test('and without the ticket they are refused as a root', async () => {
    rounds = 0;
    await expect(me.call('ping', 'alone')).rejects.toMatchObject({ code: 'handler_failed' });
    expect(rounds).toBe(1); // pong never hears of it
    const page = await me.call<string>('ping.why');
    expect(page).toBe('root_denied');
  });
});

test('the same request in one tree is refused beyond its bound, whichever gateway decides', async () => {
  const value = await me.call<string[]>('ask.read');
  expect(value.at(-1)).toBe('request_repeated');
  const through = value.filter((one) => one === 'ok').length;
  expect(through).toBeGreaterThanOrEqual(10);
  expect(through).toBeLessThanOrEqual(2 * 10);
  // Another tree is none of its business.
  expect((await me.call<string[]>('ask.read'))[0]).toBe('ok');
});

test('a tree whose calls bring nothing new is stopped; as long as they do, it may go on', async () => {
  const value = await me.call<{ calls: number; end: string }>('ask.look');
  expect(value.end).toBe('no_progress');
  expect(value.calls).toBeGreaterThanOrEqual(20 + 12);
  expect(value.calls).toBeLessThanOrEqual(20 + 2 + 2 * 12 + 2 * 8);
});
