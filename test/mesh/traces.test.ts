import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mountMcp, type Mounted } from '../../src/adapters/mcp.js';
import { newCallId, type Mesh, type MeshError } from '../../src/agent/index.js';
import { getBySeq } from '../../src/fabric/reader.js';
import { readDecision } from '../../src/gateway/records.js';
import { spanOf, traceIdOf } from '../../src/wire/trace.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { startReceiver, type ReceivedSpan, type Receiver } from '../support/otlp-receiver.js';
import { RawCaller } from '../support/raw-caller.js';

const TEST_SERVER = fileURLToPath(new URL('../support/mcp-server.mjs', import.meta.url));

let receiver: Receiver;
let mesh: TestMesh;
let mounted: Mounted;
let raw: RawCaller;
let alice: Mesh;
/** What the handler of `report.make` was told. */
let told: (string | undefined)[] = [];

beforeAll(async () => {
  receiver = await startReceiver();
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = receiver.url;
  process.env['MESH_TRACE_RATIO'] = '1';
  mesh = await startTestMesh({
    users: { stranger: 'caller', alice: 'caller', report: 'agent', tools: 'agent' },
    sight: { ratio: 0 },
  });
  mounted = await mountMcp(await mesh.connect('tools'), {
    as: 'tools',
    command: process.execPath,
    args: [TEST_SERVER],
  });
  const agent = await mesh.connect('report');
  await agent.serve('report.make', async (_: unknown, ctx) => {
    told.push(ctx.traceparent);
    return await ctx.call('tools.env', {});
  });
  await agent.serve('report.fail', () => {
    throw new Error('no paper');
  });
  raw = await RawCaller.open(mesh.url, mesh.credentials('stranger'));
  alice = await mesh.connect('alice');
});
afterAll(async () => {
  delete process.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  delete process.env['MESH_TRACE_RATIO'];
  await raw.close();
  await mounted.close();
  await mesh.stop();
  await receiver.close();
});

const ofTrace = (id: string): ReceivedSpan[] => receiver.spans.filter((span) => span.traceId === id);
const sorted = (spans: readonly ReceivedSpan[]): string[] =>
  spans.map(({ service, name }) => `${service}: ${name}`).sort();

async function call(headers: Record<string, string>, capability = 'report.make') {
  const id = newCallId();
  const outcome = await raw.call({ capability, headers: { 'Mesh-Call': id, ...headers }, body: '{}' });
  return { id, outcome };
}

const WHOLE = [
  'capmesh-gateway: call report.make',
  'capmesh-gateway: call tools.env',
  'capmesh-gateway: decide',
  'capmesh-gateway: decide',
  'capmesh-gateway: settle',
  'capmesh-gateway: settle',
  'capmesh-gateway: work report',
  'capmesh-gateway: work tools',
  'report: call tools.env',
  'report: handle report/report.make',
  'tools: handle tools/tools.env',
];

describe('a trace', () => {
  test('of any client is whole in the receiver: gateway, TypeScript agent, mounted MCP tool', async () => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const top = '00f067aa0ba902b7';
    told = [];
    const { id, outcome } = await call({ traceparent: `00-${trace}-${top}-01`, tracestate: 'vendor=a1' });
    expect(outcome.status).toBe('completed');
    const spans = await until(() => ofTrace(trace).length >= WHOLE.length && ofTrace(trace));
    expect(sorted(spans)).toEqual(WHOLE);
    // One top, below the span of the client; every other span hangs below one that is there.
    const known = new Set(spans.map(({ spanId }) => spanId));
    expect(spans.filter(({ parent }) => !known.has(parent)).map(({ parent }) => parent)).toEqual([top]);
    expect(known.size).toBe(spans.length);
    expect(spans.find(({ parent }) => parent === top)).toMatchObject({
      spanId: spanOf(id),
      attributes: { 'mesh.from': 'stranger', 'mesh.agent': 'report', 'mesh.status': 'completed' },
    });
    expect(spans.filter(({ startMs, endMs }) => endMs < startMs)).toEqual([]);
    expect(told[0]).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`));
  });

  test('stands in the decision and in the outcome', async () => {
    const trace = 'a'.repeat(32);
    const { outcome } = await call({ Traceparent: `00-${trace}-00f067aa0ba902b7-00`, tracestate: 'k=v' });
    expect(outcome.status).toBe('completed');
    const { seq } = JSON.parse(outcome.record) as { seq: number };
    const stored = await getBySeq(mesh.operator, 'DECISIONS', seq);
    const record = stored === undefined ? undefined : readDecision(stored.headers);
    expect(record).toMatchObject({ traceFrom: '00f067aa0ba902b7', traceState: 'k=v' });
    expect(record?.trace).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-00$`));
    expect(JSON.parse(outcome.record)).toMatchObject({ trace });
    expect(ofTrace(trace)).toEqual([]); // it is not sampled
  });

  test.each([
    ['not hex', '00-zzf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
    ['all zero', '00-00000000000000000000000000000000-00f067aa0ba902b7-01'],
    ['no span', '00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01'],
    ['version ff', 'ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
    ['a field too many', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x'],
    ['a novel', 'x'.repeat(4_000)],
    ['nothing', ''],
  ])('that is malformed (%s) is ignored, and the call makes its own', async (_, traceparent) => {
    const { id, outcome } = await call({ traceparent });
    expect(outcome.status).toBe('completed');
    // Not sampled, and so nothing is written; whoever has the root knows it, and the handler is told.
    expect(JSON.parse(outcome.record)).not.toHaveProperty('trace');
    expect(told.at(-1)).toBe(`00-${traceIdOf(id)}-${spanOf(id)}-00`);
  });

  test('is begun by the SDK with the call id as trace id', async () => {
    const id = newCallId();
    await alice.call('report.make', {}, { id });
    const trace = traceIdOf(id) ?? '';
    const spans = await until(() => ofTrace(trace).length > WHOLE.length && ofTrace(trace));
    expect(sorted(spans)).toEqual(['alice: call report.make', ...WHOLE].sort());
    expect(spans.filter(({ parent }) => parent === '').map(({ service }) => service)).toEqual(['alice']);
  });

  test('tells a failure and a refusal', async () => {
    const errors = await Promise.all(
      ['report.fail', 'no.such'].map((name) =>
        alice.call(name, {}).catch((err: MeshError) => ({ code: err.code, call: err.call ?? '' })),
      ),
    );
    expect(errors).toMatchObject([{ code: 'handler_failed' }, { code: 'capability_unknown' }]);
    const [failed, refused] = await until(() => {
      const all = errors.map((e) => ofTrace(traceIdOf((e as { call: string }).call) ?? ''));
      return all.every((spans) => spans.some(({ service }) => service === 'alice')) && all;
    });
    await until(() => ofTrace(failed?.[0]?.traceId ?? '').length >= 6);
    await until(() => ofTrace(refused?.[0]?.traceId ?? '').length >= 4);
    const gateway = (id: string | undefined) =>
      ofTrace(id ?? '').find(({ name, service }) => service === 'capmesh-gateway' && name.startsWith('call'));
    expect(gateway(failed?.[0]?.traceId)).toMatchObject({ error: true });
    expect(gateway(refused?.[0]?.traceId)?.attributes).toMatchObject({
      'mesh.code': 'capability_unknown',
      'mesh.guard': 'resolve',
    });
  });
});
