/**
 * A small town of agents for tests of sight: a shop that asks others, a chain of eight, something that fails, something
 * that is refused, somebody idle.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { startTestMesh, type TestMesh } from './mesh.js';

/** The chain: step n calls step n + 1. */
export const STEPS = 8;
/** The step that sleeps, and how long. */
export const SLEEPER = 5;
export const SLEEP_MS = 400;

const steps = Array.from({ length: STEPS }, (_, i) => `step-${i + 1}`);

export async function startTown(): Promise<TestMesh> {
  const mesh = await startTestMesh({
    users: {
      me: 'caller',
      web: 'caller',
      vera: 'viewer',
      shop: 'agent',
      pricing: 'agent',
      stock: 'agent',
      mail: 'agent',
      idler: 'agent',
      ghost: 'agent',
      ...Object.fromEntries(steps.map((step) => [step, 'agent' as const])),
    },
    policy: `version: 1
roles:
  all: { call: ['>'], mayRoot: true }
  some: { call: ['order.>', 'stock.>', 'price.>', 'mail.>'], mayRoot: true }
  worker: { serve: ['>'], call: ['>'] }
members:
  me: [all]
  web: [some]
${['shop', 'pricing', 'stock', 'mail', 'idler', 'ghost', ...steps].map((name) => `  ${name}: [worker]`).join('\n')}
budgets:
  default: { window: day, limit: { micros: 100.00 USD } }
  reserve: { '>': { micros: 0.01 USD } }
  limits:
    - { on: principal, who: [web], window: day, limit: { micros: 2.00 USD }, warn: 10 }
`,
    sight: { ratio: 1 },
  });
  await shops(mesh);
  await chain(mesh);
  return mesh;
}

async function shops(mesh: TestMesh): Promise<void> {
  const shop = await mesh.connect('shop');
  await shop.serve('order.place', async (body: { sku?: string }, ctx) => {
    await ctx.call('stock.reserve', { sku: body.sku ?? 'a-1' });
    const price = await ctx.call('price.quote', {});
    await ctx.call('mail.send', {}).catch(() => undefined);
    return { price };
  });
  const stock = await mesh.connect('stock');
  await stock.serve('stock.reserve', () => ({ reserved: true }));
  await stock.serve('stock.query', () => ({ left: 3 }));
  const pricing = await mesh.connect('pricing');
  await pricing.serve('price.quote', async (_: unknown, ctx) => await ctx.call('stock.query', {}));
  const mail = await mesh.connect('mail');
  await mail.serve('mail.send', () => {
    throw new Error('no connection');
  });
  await (await mesh.connect('idler')).serve('idle.wait', () => ({}));
  const ghost = await mesh.connect('ghost');
  await ghost.serve('ghost.work', () => ({}));
  await ghost.close(0); // it is known, and not there
}

async function chain(mesh: TestMesh): Promise<void> {
  for (const [i, step] of steps.entries()) {
    const agent = await mesh.connect(step);
    await agent.serve(`chain.s${i + 1}`, async (_: unknown, ctx) => {
      if (i + 1 === SLEEPER) {
        await sleep(SLEEP_MS);
      }
      return i + 1 < STEPS ? await ctx.call(`chain.s${i + 2}`, {}) : { end: true };
    });
  }
}

/** Some traffic; the id of the chain's first call. */
export async function liveADay(mesh: TestMesh): Promise<string> {
  const me = await mesh.connect('me');
  const web = await mesh.connect('web');
  const { call } = await me.callForOutcome('chain.s1', {});
  for (let i = 0; i < 20; i++) {
    await web.call('order.place', { sku: `a-${i}` });
  }
  await me.call('stock.query', {});
  await web.call('chain.s1', {}).catch(() => undefined); // web may not
  return call;
}
