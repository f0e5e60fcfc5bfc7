import { trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';

const seen = new InMemorySpanExporter();
let mesh: TestMesh;

beforeAll(async () => {
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(seen)] }));
  mesh = await startTestMesh({ users: { alice: 'caller', worker: 'agent' }, sight: { ratio: 0 } });
});
afterAll(async () => {
  trace.disable();
  await mesh.stop();
});

test('a program with an OpenTelemetry of its own finds the spans of calls and handlers there', async () => {
  const agent = await mesh.connect('worker');
  await agent.serve('own.echo', (body: unknown) => body);
  const alice = await mesh.connect('alice');
  await alice.call('own.echo', { a: 1 });
  const spans = await until(() => {
    const list = seen.getFinishedSpans();
    return list.length >= 2 && list;
  });
  const named = (name: string): ReadableSpan | undefined => spans.find((span) => span.name === name);
  const call = named('call own.echo');
  const handle = named('handle worker/own.echo');
  expect(handle?.spanContext().traceId).toBe(call?.spanContext().traceId);
  expect(call?.attributes).toMatchObject({ 'mesh.from': 'alice' });
});
