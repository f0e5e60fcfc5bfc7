/**
 * One trace from a Python caller through gateways, agents of both languages and a mounted MCP tool, whole in a
 * collector that takes what comes over the wire.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { mountMcp, type Mounted } from '../../src/adapters/mcp.js';
import { until } from '../support/mesh.js';
import { startReceiver, type ReceivedSpan, type Receiver } from '../support/otlp-receiver.js';
import { Peers } from './peers.js';

const POLICY = `version: 1
roles:
  everyone: { call: ['greet.person', 'clock.now', 'tools.env'], mayRoot: true }
  greeter: { serve: ['greet.person'], call: ['clock.now', 'tools.env'] }
  clock: { serve: ['clock.now'], call: ['tools.env'] }
  tools: { serve: ['tools.*'] }
members:
  me: [everyone]
  greeter: [greeter]
  clock: [clock]
  tools: [tools]
`;
const TEST_SERVER = fileURLToPath(new URL('../support/mcp-server.mjs', import.meta.url));

/** Python calls a TypeScript agent, which calls a tool of an MCP server: what stands below the span of the caller. */
const BELOW = [
  'capmesh-gateway: call clock.now',
  'capmesh-gateway: call tools.env',
  'capmesh-gateway: decide',
  'capmesh-gateway: decide',
  'capmesh-gateway: settle',
  'capmesh-gateway: settle',
  'capmesh-gateway: work clock',
  'capmesh-gateway: work tools',
  'clock: call tools.env',
  'clock: handle clock/clock.now',
  'tools: handle tools/tools.env',
];
const DIRECT = ['me: call clock.now', ...BELOW];
/** The same with a Python agent on top, which makes no spans and hands the trace on. */
const THROUGH_PYTHON = [
  'me: call greet.person',
  'capmesh-gateway: call greet.person',
  'capmesh-gateway: decide',
  'capmesh-gateway: settle',
  'capmesh-gateway: work greeter',
  ...BELOW,
];

const python = inject('tools').python !== undefined;
let receiver: Receiver;
let peers: Peers;
let mounted: Mounted;

describe.skipIf(!python)('a trace that begins in Python', () => {
  beforeAll(async () => {
    receiver = await startReceiver();
    process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = receiver.url;
    const agents = ['greeter', 'clock', 'tools'].map((name) => ({ name, role: 'agent' as const }));
    peers = await Peers.start(agents, POLICY);
    const started = { as: 'tools', command: process.execPath, args: [TEST_SERVER] };
    mounted = await mountMcp(await peers.sdk('tools'), started);
    const clock = await peers.sdk('clock');
    await clock.serve('clock.now', { idempotent: true }, async (_: unknown, ctx) => {
      await ctx.call('tools.env', {});
      return { now: '12:00' };
    });
    await peers.pythonAgent('greeter');
  });
  afterAll(async () => {
    delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
    await mounted?.close();
    await peers?.stop();
    await receiver?.close();
  });

  /** The spans of the trace whose top is this span of `me`, as soon as there are so many. */
  const traceOf = async (name: string, count: number): Promise<readonly ReceivedSpan[]> =>
    await until(() => {
      const top = receiver.spans.find((span) => span.service === 'me' && span.name === name);
      const spans = receiver.spans.filter(({ traceId }) => traceId === top?.traceId);
      return spans.length >= count && spans;
    }, 20_000);

  test.each([
    ['a TypeScript agent', 'clock.now', DIRECT],
    ['a Python agent and a TypeScript agent', 'greet.person', THROUGH_PYTHON],
  ])('is whole down to the MCP tool behind %s', async (_, capability, whole) => {
    const { said, code } = await peers.pythonCaller('me', capability, '{"name":"Ada"}');
    expect(code, `it said: ${said}`).toBe(0);
    const spans = await traceOf(`call ${capability}`, whole.length);
    expect(spans.map(({ service, name }) => `${service}: ${name}`).sort()).toEqual(whole.toSorted());
    const known = new Map(spans.map((span) => [span.spanId, span]));
    expect(known.size, 'no span came twice').toBe(spans.length);
    const tops = spans.filter(({ parent }) => !known.has(parent));
    expect(tops.map(({ service, parent }) => [service, parent])).toEqual([['me', '']]);
    // From the tool upwards every step of the way is there.
    const way: string[] = [];
    for (let at = spans.find(({ service }) => service === 'tools'); at; at = known.get(at.parent)) {
      way.unshift(`${at.service}: ${at.name}`);
    }
    const calls = way.filter((step) => step.startsWith('capmesh-gateway: call'));
    const chain = capability === 'clock.now' ? ['clock.now'] : ['greet.person', 'clock.now'];
    expect(calls).toEqual([...chain, 'tools.env'].map((name) => `capmesh-gateway: call ${name}`));
  });

  test('tells a refusal', async () => {
    expect((await peers.pythonCaller('me', 'vault.open')).code).toBe(3);
    const spans = await traceOf('call vault.open', 4);
    expect(spans.find(({ service }) => service === 'me')).toMatchObject({ error: true });
    expect(
      spans.find(({ name, service }) => service === 'capmesh-gateway' && name.startsWith('call')),
    ).toMatchObject({
      error: true,
      attributes: { 'mesh.code': 'not_granted', 'mesh.guard': 'granted' },
    });
  });
});
