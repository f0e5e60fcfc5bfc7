import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newCallId, type Mesh, type MeshError } from '../../src/agent/index.js';
import { parseBodyRef } from '../../src/domain/body-ref.js';
import { subjectsOf } from '../../src/fabric/streams.js';
import { limits } from '../../src/wire/limits.js';
import { BodyClient } from '../support/body-client.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { RawCaller } from '../support/raw-caller.js';

const MIB = 1024 * 1024;
let mesh: TestMesh;
let alice: Mesh;
let agent: Mesh;

beforeAll(async () => {
  mesh = await startTestMesh({
    users: { alice: 'caller', bob: 'caller', worker: 'agent', plain: 'agent', full: 'caller' },
    gateways: 2,
  });
  alice = await mesh.connect('alice');
  agent = await mesh.connect('worker');
  await agent.serveAll([
    {
      name: 'blob.digest',
      options: { takes: ['bytes'], idempotent: true },
      handler: (body: Buffer) => ({ bytes: body.length, digest: sha(body) }),
    },
    { name: 'blob.echo', options: { takes: ['bytes', 'json'], gives: ['bytes', 'json'] }, handler: (b) => b },
    { name: 'json.echo', options: {}, handler: (body) => body },
    {
      name: 'json.names',
      options: { input: { type: 'object', properties: { names: { type: 'array' } }, required: ['names'] } },
      handler: (body: { names: string[] }) => ({ names: body.names.length }),
    },
    { name: 'json.bad', options: { output: { type: 'array' } }, handler: (body) => body },
  ]);
});
afterAll(() => mesh.stop());

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('base64url');
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'completed',
    (err: MeshError) => `${err.status ?? 'local'} ${err.code}`,
  );
const texts = (count: number, bytes: number) => Array.from({ length: count }, () => 'x'.repeat(bytes));
const stored = (owner: string) => subjectsOf(mesh.operator, 'BODIES', `mesh.v1.body.${owner}.>`);

describe('a large body', () => {
  test('of raw bytes arrives with its digest, and is dropped when the outcome is known', async () => {
    const body = randomBytes(3 * MIB + 17);
    expect(await alice.call('blob.digest', body)).toEqual({ bytes: body.length, digest: sha(body) });
    await until(async () => (await stored('alice')).length === 0);
  });

  test('goes the same way back', async () => {
    const body = randomBytes(2 * MIB);
    const back = await alice.call<Buffer>('blob.echo', body as unknown as object);
    expect(Buffer.isBuffer(back)).toBe(true);
    expect(sha(back as unknown as Buffer)).toBe(sha(body));
  });

  test('small raw bytes need no reference', async () => {
    const back = await alice.call('blob.echo', new Uint8Array([1, 2, 255]));
    expect(back).toEqual(Buffer.from([1, 2, 255]));
  });

  test('of JSON arrives as the value it is, and is held against the schema', async () => {
    const names = texts(20, 200_000);
    expect(await alice.call('json.names', { names })).toEqual({ names: 20 });
    expect(await alice.call('json.echo', { names })).toEqual({ names });
    expect(await codeOf(alice.call('json.names', { nomes: names }))).toBe('refused schema_violation');
    expect(await codeOf(alice.call('json.bad', { names }))).toBe('failed output_invalid');
  });

  test('of msgpack too', async () => {
    const names = texts(20, 200_000);
    expect(await alice.call('json.names', { names }, { encoding: 'msgpack' })).toEqual({ names: 20 });
    expect(await alice.call('json.echo', { names }, { encoding: 'msgpack' })).toEqual({ names });
  });

  test('more JSON than a gateway checks is refused before it is sent', async () => {
    expect(await codeOf(alice.call('json.echo', texts(45, 200_000)))).toBe('local body_too_large');
  });

  test('raw bytes go only to those who say that they take them', async () => {
    expect(await codeOf(alice.call('json.echo', randomBytes(10)))).toBe('refused content_type');
    expect(await codeOf(alice.call('json.echo', randomBytes(2 * MIB)))).toBe('refused content_type');
    expect(await codeOf(alice.call('blob.digest', { not: 'bytes' }))).toBe('refused content_type');
  });

  test('a retry with the same id gives the same outcome, other bytes are told apart', async () => {
    const id = newCallId();
    const body = randomBytes(2 * MIB);
    const first = await alice.callForOutcome('blob.digest', body, { id });
    expect(await alice.callForOutcome('blob.digest', body, { id })).toEqual(first);
    expect(await codeOf(alice.call('blob.digest', randomBytes(2 * MIB), { id }))).toBe(
      'local call_id_reused',
    );
  });
});

describe('references that are wrong', () => {
  const body = randomBytes(limits.chunkBytes + 1000);
  let own: BodyClient;
  let other: BodyClient;
  let raw: RawCaller;
  const send = (ref: string, more: Record<string, string> = {}, payload = '') => ({
    capability: 'blob.digest',
    headers: {
      'Mesh-Call': newCallId(),
      'Mesh-Body-Ref': ref,
      'Content-Type': 'application/octet-stream',
      ...more,
    },
    body: payload,
  });
  const told = async (ref: string, more: Record<string, string> = {}, payload = '') => {
    const { status, code } = await raw.call(send(ref, more, payload));
    return `${status} ${code ?? ''}`.trim();
  };

  beforeAll(async () => {
    own = new BodyClient(await mesh.broker('alice'), 'alice');
    other = new BodyClient(await mesh.broker('bob'), 'bob');
    raw = await RawCaller.open(mesh.url, mesh.credentials('alice'));
  });
  afterAll(() => raw.nc.close());

  test('a right one is taken, also twice', async () => {
    const ref = await own.upload(body);
    expect([await told(ref), await told(ref)]).toEqual(['completed', 'completed']);
  });

  test('made up, cut, of another mesh, or not sealed yet', async () => {
    const ref = await own.upload(body);
    const begun = await own.begin(body);
    const mended = ref.replace(/^alice\./, 'alice.').replace(/.$/, (c) => (c === '0' ? '1' : '0'));
    const larger = ref.replace(`.${body.length}.`, `.${body.length - 1}.`);
    for (const wrong of ['x', ref.slice(0, -3), mended, larger, begun.ref, `${ref}.x`]) {
      expect(await told(wrong)).toBe('refused body_ref_invalid');
    }
  });

  test("of another tenant, or sealed for another's eyes", async () => {
    const theirs = await other.upload(body);
    expect(await told(theirs)).toBe('refused body_ref_foreign');
    expect((await own.fetch(theirs, 1)).code).toBe('body_ref_foreign');
    expect((await own.drop(theirs)).code).toBe('body_ref_foreign');
    expect((await other.fetch(theirs, 1)).data.length).toBe(limits.chunkBytes);
    const { ref } = await other.begin(body);
    expect((await own.chunk(ref, 1, body.subarray(0, limits.chunkBytes))).code).toBe('body_ref_foreign');
    expect((await own.end(ref)).code).toBe('body_ref_foreign');
    expect((await own.drop(ref)).code).toBe('body_ref_foreign');
  });

  test('of a body that is not there any more', async () => {
    const ref = await own.upload(body);
    await own.drop(ref);
    expect(await told(ref)).toBe('refused body_missing');
    expect((await own.fetch(ref, 1)).code).toBe('body_missing');
  });

  test('of a body that goes before the call may end', async () => {
    const ref = await own.upload(body, { until: Date.now() + 10_000 });
    expect(await told(ref)).toBe('refused body_missing');
    expect(await told(ref, { 'Mesh-Deadline': String(Date.now() + 5_000) })).toBe('completed');
  });

  test('of a body that lost a chunk in the middle, found by its reader', async () => {
    const large = randomBytes(3 * limits.chunkBytes);
    const ref = await own.upload(large);
    const { body: name = '', bytes = 0 } = parseBodyRef(ref) ?? {};
    const filter = `mesh.v1.body.alice.${name}.${bytes}.2`;
    await mesh.operator.request('$JS.API.STREAM.PURGE.BODIES', JSON.stringify({ filter }));
    expect(await told(ref)).toBe('failed body_missing');
  });

  test('a body that differs from its digest is never sealed, a written chunk never changes', async () => {
    const { ref } = await own.begin(body);
    const chunks = [body.subarray(0, limits.chunkBytes), randomBytes(1000)];
    expect((await own.end(ref)).code).toBe('body_missing');
    expect((await own.chunk(ref, 1, chunks[0] ?? body)).code).toBeUndefined();
    expect((await own.chunk(ref, 2, chunks[1] ?? body)).code).toBeUndefined();
    expect((await own.end(ref)).code).toBe('body_changed');
    expect((await own.chunk(ref, 2, chunks[1] ?? body)).code).toBeUndefined(); // a repetition
    expect((await own.chunk(ref, 2, body.subarray(limits.chunkBytes))).code).toBe('body_changed');
  });

  test('chunks of a wrong size or number are refused', async () => {
    const { ref } = await own.begin(body);
    for (const n of [0, 3, -1, 1.5, 'x', '']) {
      expect((await own.chunk(ref, n, body.subarray(0, limits.chunkBytes))).code).toBe('header_invalid');
    }
    expect((await own.chunk(ref, 1, body.subarray(0, 10))).code).toBe('header_invalid');
    expect((await own.chunk(ref, 2, body.subarray(0, 10))).code).toBe('header_invalid');
  });

  test('beginnings that make no sense are refused', async () => {
    const codes = async (more: Record<string, unknown>) => (await own.begin(body, more)).code;
    expect(await codes({ bytes: 0 })).toBe('schema_violation');
    expect(await codes({ bytes: limits.bodyRefBytes + 1 })).toBe('schema_violation');
    expect(await codes({ digest: 'short' })).toBe('schema_violation');
    expect(await codes({ type: 'exe' })).toBe('schema_violation');
    expect(await codes({ owner: 'bob' })).toBe('schema_violation');
    expect(await codes({ type: 'json', bytes: limits.bodyCheckBytes + 1 })).toBe('body_too_large');
    expect(await codes({ until: Date.now() - 1 })).toBe('deadline_invalid');
    expect(await codes({ until: Date.now() + 90_000_000 })).toBe('deadline_invalid');
    expect((await own.step('finish', '', {})).code).toBe('not_found');
    expect((await own.step('begin', '{', {})).code).toBe('body_undecodable');
  });

  test('a call cannot have both, and cannot say that it is something else', async () => {
    const ref = await own.upload(body);
    expect(await told(ref, {}, '{}')).toBe('refused header_invalid');
    expect(await told(ref, { 'Content-Type': 'application/json' })).toBe('refused content_type');
    expect(await told(ref, { 'Content-Type': 'text/html' })).toBe('refused content_type');
  });

  test('JSON by reference is parsed with every bound', async () => {
    const json = async (text: string) => {
      const ref = await own.upload(Buffer.from(text), { type: 'json' });
      const { code } = await raw.call({
        ...send(ref, { 'Content-Type': 'application/json' }),
        capability: 'json.echo',
      });
      return code;
    };
    expect(await json('{"a":1}')).toBeUndefined();
    expect(await json('{"a":1,"a":2}')).toBe('body_key');
    expect(await json('['.repeat(40) + ']'.repeat(40))).toBe('body_too_deep');
    expect(await json('{"a":')).toBe('body_undecodable');
    expect(await json(`[${'1,'.repeat(50_000)}1]`)).toBe('body_too_many');
  });

  test('a responder that says nothing of references or msgpack gets none', async () => {
    const card = { concurrency: 1, capabilities: [{ name: 'plain.echo', version: '1.0' }] };
    const admin = JSON.stringify({ agent: 'plain', card });
    await mesh.operator.request('mesh.v1.admin.operator.plain', admin, { timeout: 5_000 });
    const known = () => codeOf(alice.call('plain.echo', texts(5, 300_000)));
    expect(await until(async () => ((await known()) === 'refused content_type' ? true : undefined))).toBe(
      true,
    );
    expect(await codeOf(alice.call('plain.echo', { a: 1 }, { encoding: 'msgpack' }))).toBe(
      'refused content_type',
    );
  });
});

describe('what one owner may keep', () => {
  test('is bounded in bytes, told with a code, and freed by dropping', async () => {
    const full = new BodyClient(await mesh.broker('full'), 'full');
    const digest = sha(Buffer.from('x'));
    const reserve = () => full.begin(Buffer.from('x'), { bytes: limits.bodyRefBytes, digest });
    const begun = await Promise.all([reserve(), reserve(), reserve()]);
    expect(begun.map((one) => one.code)).toEqual([undefined, undefined, undefined]);
    const racing = await Promise.all(Array.from({ length: 6 }, reserve));
    expect(racing.filter((one) => one.code === undefined).length).toBeLessThanOrEqual(1);
    const kept = [...begun, ...racing].filter((one) => one.code === undefined);
    await full.drop(kept[0]?.ref ?? '');
    expect((await reserve()).code).toBeUndefined();
    const list = await stored('full');
    expect(list.length * limits.bodyRefBytes).toBeLessThanOrEqual(limits.ownerBytes);
    await full.begin(Buffer.from('x'), { bytes: limits.bodyRefBytes, digest });
    expect((await reserve()).code).toBe('body_quota');
  });
});
