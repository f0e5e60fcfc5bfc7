import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FindOptions, ManyResult, Mesh, MeshError } from '../../src/agent/index.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
let mesh: TestMesh;
let caller: Mesh;
let running = 0;
let most = 0;
const held: (() => void)[] = [];
const stopped: number[] = [];

beforeAll(async () => {
  mesh = await startTestMesh({
    users: { me: 'caller', worker: 'agent', junior: 'agent', far: 'agent' },
    policy: `version: 1
roles:
  everyone: { call: ['work.>', 'translate.>', 'blob.>'], mayRoot: true }
  worker: { serve: ['>'] }
members: { me: [everyone], worker: [worker], junior: [worker], far: [worker] }
`,
  });
  caller = await mesh.connect('me');
  const worker = await mesh.connect('worker', { concurrency: 256 });
  const eu = { region: 'eu', gpu: true, zone: 7 };
  await worker.serveAll([
    {
      name: 'work.double',
      options: {},
      handler: async ({ n }: { n: number }) => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        if (n % 10 === 3) {
          throw new Error(`no ${n}`);
        }
        return { n: 2 * n };
      },
    },
    { name: 'work.first', options: {}, handler: ({ n }: { n: number }, ctx) => first(n, ctx.signal) },
    { name: 'translate.text', options: { proficiency: 'expert', attributes: eu }, handler: () => ({}) },
    { name: 'secret.read', options: { proficiency: 'expert', attributes: eu }, handler: () => ({}) },
    {
      name: 'blob.reverse',
      options: { takes: ['bytes'], gives: ['bytes'] },
      handler: (b: Buffer) => b.reverse(),
    },
  ]);
  const junior = await mesh.connect('junior');
  const small = { proficiency: 'novice' as const, attributes: { region: 'eu', gpu: 'true' } };
  await junior.serve('translate.text', small, () => ({}));
  const far = await mesh.connect('far');
  await far.serve('translate.speech', { attributes: { region: 'us' } }, () => ({}));
});
afterAll(() => mesh.stop());

/** The first body ends only when it is cancelled or another one told it to. */
function first(n: number, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    if (n !== 0) {
      return resolve(n);
    }
    held.push(() => resolve(n));
    signal.addEventListener('abort', () => {
      stopped.push(n);
      reject(new Error('stopped'));
    });
  });
}

function* numbers(count: number, onPull: (n: number) => void = () => undefined) {
  for (let n = 0; n < count; n++) {
    onPull(n);
    yield { n };
  }
}

async function all<T>(source: AsyncIterable<ManyResult<T>>): Promise<ManyResult<T>[]> {
  const list: ManyResult<T>[] = [];
  for await (const one of source) {
    list.push(one);
  }
  return list;
}

describe('callMany', () => {
  test('tells every result once with its index; failures end nothing', async () => {
    const list = await all(caller.callMany<{ n: number }>('work.double', numbers(500), { inFlight: 32 }));
    expect(list.map(({ index }) => index).sort((a, b) => a - b)).toEqual([...Array(500).keys()]);
    const told = list.map(({ index, error, ...one }) => [
      index,
      error?.code ?? ('value' in one ? one.value.n : 0),
    ]);
    const want = [...Array(500).keys()].map((n) => [n, n % 10 === 3 ? 'handler_failed' : 2 * n]);
    expect(told.sort(([a], [b]) => Number(a) - Number(b))).toEqual(want);
    expect(most).toBeLessThanOrEqual(32);
    expect(most).toBeGreaterThan(1);
  });

  test('pulls the source only as fast as results are taken', async () => {
    let pulled = 0;
    let taken = 0;
    let ahead = 0;
    const source = numbers(100, () => (ahead = Math.max(ahead, ++pulled - taken)));
    for await (const _ of caller.callMany('work.double', source, { inFlight: 5 })) {
      taken++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect([pulled, taken]).toEqual([100, 100]);
    expect(ahead).toBeLessThanOrEqual(6);
  });

  test('tells them in the order of completion, or of the source', async () => {
    const ended: number[] = [];
    for await (const { index } of caller.callMany('work.first', numbers(10), { inFlight: 4 })) {
      ended.push(index);
      if (ended.length === 9) {
        held.pop()?.();
      }
    }
    expect(ended.at(-1)).toBe(0);
    const inOrder = caller.callMany('work.double', numbers(50), { inFlight: 8, ordered: true });
    expect((await all(inOrder)).map(({ index }) => index)).toEqual([...Array(50).keys()]);
  });

  test('whoever stops taking stops the source and cancels the rest', async () => {
    let ended = false;
    async function* endless() {
      try {
        for (let n = 0; ; n++) {
          yield await Promise.resolve({ n });
        }
      } finally {
        ended = true;
      }
    }
    for await (const { index } of caller.callMany('work.first', endless(), { inFlight: 3 })) {
      if (index > 20) {
        break;
      }
    }
    await until(() => ended);
    await until(() => stopped.length > 0);
    expect(stopped).toEqual([0]);
  });

  test('a source that throws is told after the results of what was started', async () => {
    function* broken() {
      yield { n: 1 };
      throw new Error('source broke');
    }
    const list: number[] = [];
    const run = async () => {
      for await (const { index } of caller.callMany('work.double', broken())) {
        list.push(index);
      }
    };
    await expect(run()).rejects.toThrow('source broke');
    expect(list).toEqual([0]);
  });

  test('an abort ends the pulling, and what runs is told as cancelled', async () => {
    const abort = new AbortController();
    const list = caller.callMany('work.first', [{ n: 0 }], { signal: abort.signal });
    const before = held.length;
    const one = list.next();
    await until(() => held.length > before);
    abort.abort();
    expect((await one).value).toMatchObject({ error: { code: 'cancelled' } });
    expect((await list.next()).done).toBe(true);
  });

  test('an abort while the call is being decided is not lost', async () => {
    const codes = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const abort = new AbortController();
        const call = caller.call('work.first', { n: 0 }, { signal: abort.signal, timeoutMs: 8_000 });
        const told = call.catch((err: MeshError) => err.code);
        const until = performance.now() + i / 40;
        while (performance.now() < until) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        abort.abort();
        return await told;
      }),
    );
    expect(new Set(codes)).toEqual(new Set(['cancelled']));
  });

  test('nonsense is refused', async () => {
    for (const inFlight of [0, -1, 1.5, Number.NaN, 1e9]) {
      await expect(all(caller.callMany('work.double', [], { inFlight }))).rejects.toMatchObject({
        code: 'usage',
      });
    }
    expect(await all(caller.callMany('work.double', []))).toEqual([]);
  });
});

describe('find', () => {
  const agents = async (what: FindOptions) =>
    (await caller.find({ pattern: 'translate.>', ...what })).capabilities.flatMap(({ majors }) =>
      majors.flatMap(({ offers }) => offers.map(({ agent }) => agent)),
    );

  test('by proficiency, at least', async () => {
    expect((await agents({})).sort()).toEqual(['far', 'junior', 'worker']);
    expect((await agents({ proficiency: 'novice' })).length).toBe(3);
    expect((await agents({ proficiency: 'competent' })).sort()).toEqual(['far', 'worker']);
    expect(await agents({ proficiency: 'expert' })).toEqual(['worker']);
  });

  test('by attributes, all of them, and of the same type', async () => {
    expect((await agents({ attributes: { region: 'eu' } })).sort()).toEqual(['junior', 'worker']);
    expect(await agents({ attributes: { region: 'eu', gpu: true } })).toEqual(['worker']);
    expect(await agents({ attributes: { gpu: 'true' } })).toEqual(['junior']);
    expect(await agents({ attributes: { toString: 'x' } })).toEqual([]);
  });

  test('what one may not call is not there, whatever one looks for', async () => {
    const found = await caller.find({ proficiency: 'expert', attributes: { region: 'eu' } });
    expect(found.capabilities.map(({ name }) => name)).toEqual(['translate.text']);
  });

  test('a changed question is told anew', async () => {
    const one = await caller.find('translate.>', { proficiency: 'expert' });
    const same = await caller.find('translate.>', { proficiency: 'expert', known: one.revision });
    const other = await caller.find('translate.>', { proficiency: 'novice', known: one.revision });
    expect([same.unchanged, other.unchanged]).toEqual([true, undefined]);
  });

  test('wrong filters are refused', async () => {
    const wrong = { proficiency: 'wizard' } as never;
    await expect(caller.find('>', wrong)).rejects.toMatchObject({ code: 'schema_violation' });
  });
});

interface Ran {
  readonly code: number;
  readonly out: Buffer;
  readonly err: string;
}

function run(args: readonly string[], stdin?: string): Promise<Ran> {
  const where = ['--data', mesh.dir, '--url', mesh.url];
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['bin/mesh.js', ...args, ...where],
      { cwd: root, encoding: 'buffer', maxBuffer: 2 ** 24 },
      (err, out, errors) =>
        resolve({ code: err === null ? 0 : Number(err.code), out, err: errors.toString() }),
    );
    child.stdin?.end(stdin ?? '');
  });
}

const linesOf = (out: Buffer): Record<string, unknown>[] =>
  out
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('mesh call --each', () => {
  test('calls for each line, tells which failed, and exits with 1', async () => {
    const file = join(mesh.dir, 'each.ndjson');
    writeFileSync(file, '{"n":1}\n\n{"n":3}\nnonsense\n{"n":5}');
    const { code, out, err } = await run(['call', 'work.double', '--each', file, '--json', '--ordered']);
    const lines = linesOf(out);
    expect(code).toBe(1);
    expect(lines.find(({ line }) => line === 1)).toMatchObject({ status: 'completed', value: { n: 2 } });
    expect(lines.find(({ line }) => line === 3)).toMatchObject({
      status: 'failed',
      error: { code: 'handler_failed' },
    });
    expect(lines.find(({ line }) => line === 4)).toMatchObject({ error: { code: 'body_undecodable' } });
    expect(lines.find(({ line }) => line === 5)).toMatchObject({ value: { n: 10 } });
    expect([lines.length, err]).toEqual([4, '']);
  });

  test('reads stdin, prints for people, and sums up without a bar where there is no terminal', async () => {
    const text = Array.from({ length: 40 }, (_, n) => `{"n":${10 * n}}`).join('\n');
    const { code, out, err } = await run(
      ['call', 'work.double', '--each', '-', '--in-flight', '7', '--ordered'],
      text,
    );
    const want = Array.from({ length: 40 }, (_, n) => `${n + 1}\t{"n":${20 * n}}\n`).join('');
    expect([code, out.toString()]).toEqual([0, want]);
    expect(err).toBe('40 calls: 40 completed\n');
  });

  test('exits with 3 when calls are refused, with 0 for nothing', async () => {
    expect((await run(['call', 'secret.read', '--each', '-', '--json'], '{}\n{}')).code).toBe(3);
    expect(await run(['call', 'work.double', '--each', '-'], '')).toMatchObject({ code: 0 });
  });

  test.each([
    [['call', 'work.double', '{}', '--each', '-']],
    [['call', 'work.double', '--each', 'no-such-file']],
    [['call', 'work.double', '{}', '--in-flight', '3']],
    [['call', 'work.double', '--each', '-', '--in-flight', '0']],
    [['call', 'work.double', '{}', '--bytes']],
    [['call', 'work.double', '{}', '--encoding', 'xml']],
  ])('%j is a wrong use', async (args) => {
    expect((await run(args)).code).toBe(2);
  });
});

describe('mesh call with bytes', () => {
  test('sends a file as it is, also a large one, and gives bytes back', async () => {
    const file = join(mesh.dir, 'blob');
    const body = randomBytes(3_000_000);
    writeFileSync(file, body);
    const { code, out } = await run(['call', 'blob.reverse', `@${file}`, '--bytes']);
    expect(code).toBe(0);
    expect(out.equals(body.reverse())).toBe(true);
    const small = await run(['call', 'blob.reverse', '-', '--bytes', '--json'], 'abc');
    expect(linesOf(small.out)[0]).toMatchObject({ value: { bytes: 3, base64: 'Y2Jh' } });
  });
});

describe('mesh agents find', () => {
  test('shows who can do what, as far as one may call it', async () => {
    const args = [
      'agents',
      'find',
      '>',
      '--proficiency',
      'expert',
      '--attr',
      'region=eu',
      '--attr',
      'gpu=true',
    ];
    const { code, out } = await run(args);
    expect(code).toBe(0);
    expect(out.toString()).toMatch(/translate\.text v1 +worker +1 +expert .*region=eu gpu=true zone=7/);
    expect(out.toString()).not.toContain('secret');
    const lines = linesOf((await run(['agents', 'find', 'translate.*', '--json'])).out);
    expect(lines.map(({ name }) => name)).toEqual(['translate.speech', 'translate.text']);
  });

  test('an attribute in quotes is a text; nothing found is no failure', async () => {
    const { out } = await run(['agents', 'find', '--attr', 'gpu="true"', '--json']);
    expect(linesOf(out).length).toBe(1);
    expect((await run(['agents', 'find', '--attr', 'zone="7"'])).code).toBe(0);
    expect((await run(['agents', 'find', '--attr', 'zone'])).code).toBe(2);
    expect((await run(['agents', 'find', '--proficiency', 'wizard'])).code).toBe(2);
    expect((await run(['agents', 'find', 'a..b'])).code).toBe(2);
  });
});
