import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Mesh, MeshError, Part } from '../../src/agent/index.js';
import { header, headerText } from '../../src/wire/headers.js';
import { limits } from '../../src/wire/limits.js';
import { headersOf, rawHeaders } from '../../src/fabric/raw.js';
import { readUsers } from '../../src/fabric/users.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';

let mesh: TestMesh;
let alice: Mesh;
let worker: Mesh;

beforeAll(async () => {
  mesh = await startTestMesh({
    users: { alice: 'caller', bob: 'caller', worker: 'agent', middle: 'agent', raw: 'agent', twice: 'agent' },
    gateways: 2,
  });
  alice = await mesh.connect('alice');
  worker = await mesh.connect('worker');
});
afterAll(() => mesh.stop());

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'completed',
    (err: MeshError) => err.code,
  );

async function read<T>(stream: AsyncIterable<Part>, each?: (part: Part) => T | Promise<T>): Promise<Part[]> {
  const parts: Part[] = [];
  for await (const part of stream) {
    parts.push(part);
    await each?.(part);
  }
  return parts;
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

describe('partial outputs', () => {
  test('1 000 arrive in order, each once, and never more than the window are on their way', async () => {
    let ahead = 0;
    let used = 0;
    await worker.serve('count.parts', async ({ to }: { to: number }, ctx) => {
      for (let i = 1; i <= to; i++) {
        await ctx.progress({ i });
        ahead = Math.max(ahead, i - used);
      }
      return { total: to };
    });
    const stream = alice.stream<{ total: number }>('count.parts', { to: 1_000 }, { window: 16 });
    const parts = await read(stream, async ({ n }) => {
      used = n;
      if (n % 100 === 0) {
        await new Promise((resolve) => setImmediate(resolve)); // a reader with something to do
      }
    });
    expect(parts.map((part) => part.n)).toEqual(numbers(1_000));
    expect(parts.map((part) => part.value)).toEqual(numbers(1_000).map((i) => ({ i })));
    expect((await stream.outcome).value).toEqual({ total: 1_000 });
    // Sixteen on their way, sixteen that were given credit for and not looked at yet.
    expect(ahead).toBeGreaterThan(1);
    expect(ahead).toBeLessThanOrEqual(2 * 16 + 1);
  });

  test('reach nobody, and cost nothing, when the caller did not ask for them', async () => {
    const said: boolean[] = [];
    await worker.serve('quiet.parts', async (_: null, ctx) => {
      said.push(await ctx.progress('x'));
      return 'done';
    });
    expect(await alice.call('quiet.parts')).toBe('done');
    expect(said).toEqual([false]);
  });

  test('pass through an agent in the middle', async () => {
    const middle = await mesh.connect('middle');
    await middle.serve('relay.parts', async (_: null, ctx) => {
      const inner = ctx.stream<{ total: number }>('count.parts', { to: 5 });
      for await (const { value } of inner) {
        await ctx.progress(value);
      }
      return (await inner.outcome).value;
    });
    const stream = alice.stream('relay.parts');
    expect((await read(stream)).map((part) => part.value)).toEqual(numbers(5).map((i) => ({ i })));
    expect((await stream.outcome).value).toEqual({ total: 5 });
  });

  test('a reader that stops holds the agent up for a bounded time, and gets the outcome all the same', async () => {
    const stream = alice.stream('count.parts', { to: 100 }, { window: 4, timeoutMs: 60_000 });
    const parts: Part[] = [];
    const reader = (async () => {
      for await (const part of stream) {
        parts.push(part);
        if (part.n === 1) {
          await stream.outcome; // does not read any further until all is over
        }
      }
    })();
    expect(await codeOf(reader)).toBe('stream_broken');
    expect((await stream.outcome).value).toEqual({ total: 100 });
    expect(parts.length).toBeLessThan(100);
  }, 30_000);

  test('leaving the loop lets the call go on', async () => {
    const stream = alice.stream('count.parts', { to: 500 }, { window: 4 });
    for await (const part of stream) {
      if (part.n === 3) {
        break;
      }
    }
    expect((await stream.outcome).value).toEqual({ total: 500 });
  });

  test('a failure is told by the stream and by the outcome', async () => {
    await worker.serve('break.parts', async (_: null, ctx) => {
      await ctx.progress(1);
      throw new Error('broke');
    });
    const stream = alice.stream('break.parts');
    expect(await codeOf(read(stream))).toBe('handler_failed');
    expect(await codeOf(stream.outcome)).toBe('handler_failed');
  });

  test('a cancelled call stops the handler while it waits for room', async () => {
    const stop = new AbortController();
    let stopped: unknown;
    await worker.serve('endless.parts', async (_: null, ctx) => {
      try {
        for (;;) {
          await ctx.progress('x'.repeat(100));
        }
      } catch (err) {
        stopped = (err as MeshError).code;
        throw err;
      }
    });
    const stream = alice.stream('endless.parts', null, { window: 2, signal: stop.signal });
    expect(await codeOf(read(stream, ({ n }) => n === 10 && stop.abort()))).toBe('cancelled');
    expect(stopped).toBe('cancelled');
  });

  test('the gateway that held the call dies: the stream goes on through another', async () => {
    const gateway = mesh.gateways[0];
    const parts: number[] = [];
    let go: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => (go = resolve));
    await worker.serve('long.parts', async (_: null, ctx) => {
      for (let i = 1; i <= 40; i++) {
        if (i === 20) {
          await gone;
        }
        await ctx.progress(i);
      }
      return 'done';
    });
    const streams = numbers(8).map(() => alice.stream('long.parts', null, { window: 4, timeoutMs: 60_000 }));
    const all = Promise.all(streams.map((stream) => read(stream, ({ n }) => parts.push(n))));
    await until(() => (parts.length >= 8 * 19 ? true : undefined));
    await gateway?.stop(0); // leaves at once, its calls open
    mesh.gateways.shift();
    go();
    for (const got of await all) {
      expect(got.map((part) => part.value)).toEqual(numbers(40));
    }
    expect(await Promise.all(streams.map(async (s) => (await s.outcome).value))).toEqual(
      streams.map(() => 'done'),
    );
  }, 60_000);

  test('a new attempt counts from one again', async () => {
    const first = await mesh.connect('twice');
    let attempts = 0;
    const serve = async (one: Mesh, dies: boolean) =>
      one.serve('again.parts', { idempotent: true }, async (_: null, ctx) => {
        attempts++;
        await ctx.progress(`attempt ${ctx.attempt}`);
        if (dies) {
          await one.close(0);
        }
        return 'done';
      });
    await serve(first, true);
    const stream = alice.stream('again.parts', null, { timeoutMs: 30_000 });
    const seen = await read(stream, async ({ attempt }) => {
      if (attempt === 1) {
        await serve(await mesh.connect('twice'), false);
      }
    });
    expect(seen.map(({ n, value }) => [n, value])).toEqual(
      numbers(attempts).map((i) => [1, `attempt ${seen[i - 1]?.attempt}`]),
    );
    expect(attempts).toBeGreaterThanOrEqual(2);
  }, 30_000);
});

describe('questions', () => {
  test('a handler asks back and goes on with the answer', async () => {
    await worker.serve('book.table', async (_: null, ctx) => {
      const seats = await ctx.ask<number>({ ask: 'how many seats?' });
      const name = await ctx.ask<string>({ ask: 'in whose name?' });
      return { seats, name };
    });
    const asked: unknown[] = [];
    const answer = await alice.call('book.table', null, {
      onQuestion: (question) => {
        asked.push(question);
        return asked.length === 1 ? 4 : 'Ada';
      },
    });
    expect(answer).toEqual({ seats: 4, name: 'Ada' });
    expect(asked).toEqual([{ ask: 'how many seats?' }, { ask: 'in whose name?' }]);
  });

  test('without somebody to answer the handler is told so', async () => {
    const codes: string[] = [];
    await worker.serve('ask.nobody', async (_: null, ctx) => {
      codes.push(await codeOf(ctx.ask('hello?')));
      return null;
    });
    await alice.call('ask.nobody');
    await read(alice.stream('ask.nobody'));
    expect(codes).toEqual(['no_answer', 'no_answer']);
  });

  test('a question that cannot be answered cancels the call', async () => {
    const onQuestion = () => Promise.reject(new Error('no idea'));
    expect(await codeOf(alice.call('book.table', null, { onQuestion }))).toBe('cancelled');
  });
});

describe('a call that is waited for later', () => {
  test('is accepted, and its outcome is there for whoever has the name', async () => {
    let go: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (go = resolve));
    await worker.serve('slow.one', async () => {
      await held;
      return 'at last';
    });
    const id = await alice.send('slow.one', null, { timeoutMs: 20_000 });
    expect(await codeOf(alice.wait(id, 300))).toBe('outcome_pending');
    const other = await mesh.connect('alice');
    const waiting = other.wait(id, 10_000);
    go();
    expect((await waiting).value).toBe('at last');
    expect((await other.wait(id, 1_000)).value).toBe('at last');
  });

  test('is watched later: the parts, a question, the end', async () => {
    await worker.serve('watched.one', async (_: null, ctx) => {
      await ctx.progress('begun');
      const go = await ctx.ask('go on?');
      await ctx.progress({ go });
      return 'done';
    });
    const id = await alice.send('watched.one', null, { watched: true, timeoutMs: 20_000 });
    const other = await mesh.connect('alice');
    const stream = other.watch(id, { timeoutMs: 15_000, onQuestion: () => 'yes' });
    expect((await read(stream)).map((part) => part.value)).toEqual(['begun', { go: 'yes' }]);
    expect((await stream.outcome).value).toBe('done');
  });

  test('can be cancelled by its id', async () => {
    await worker.serve('stop.me', (_: null, ctx) => {
      return new Promise((_resolve, reject) => {
        ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason as Error));
      });
    });
    const id = await alice.send('stop.me', null, { timeoutMs: 20_000 });
    const waiting = codeOf(alice.wait(id, 10_000));
    alice.cancel(id);
    expect(await waiting).toBe('cancelled');
  });

  test('of somebody else is not found, and neither is one that never was', async () => {
    const bob = await mesh.connect('bob');
    await alice.call('quiet.parts');
    const id = await alice.send('quiet.parts');
    expect(await codeOf(bob.wait(id, 20_000))).toBe('not_found');
  }, 30_000);
});

describe('hostile', () => {
  test('an agent cannot speak in the stream of a task it was not given, nor after its result', async () => {
    const raw = await mesh.broker('raw');
    const heard: string[] = [];
    (await mesh.broker('alice')).subscribe('mesh.v1.stream.alice.*', {
      callback: (_, msg) => void heard.push(msg.string()),
    });
    let reply = '';
    await worker.serve('spy.parts', async (_: null, ctx) => {
      await ctx.progress('mine');
      reply = ctx.callId;
      return 'done';
    });
    const stream = alice.stream('spy.parts');
    await read(stream);
    const { seq } = await stream.outcome;
    expect(reply).not.toBe('');
    const forged = headerText([[header.part, 1]]);
    for (const gateway of mesh.gateways.map((g) => g.gateway)) {
      raw.publish(`mesh.v1.progress.raw.${gateway}.${seq}.${'0'.repeat(32)}`, '"forged"', {
        headers: rawHeaders(Buffer.from(forged)),
      });
    }
    await raw.flush();
    await read(alice.stream('spy.parts')); // its parts come after whatever the forged ones caused
    expect(heard).toEqual(['"mine"', '"mine"']);
  });

  test('what is no JSON, or too large, fails the call with its code', async () => {
    for (const bad of ['{"a":', `"${'x'.repeat(limits.partBytes)}"`]) {
      const stop = await rawAgent((say) => say(1, bad));
      const stream = alice.stream('raw.parts', null, { timeoutMs: 8_000 });
      expect(await codeOf(stream.outcome)).toBe('part_invalid');
      stop();
    }
  });

  test('a flood beyond the window does not reach the caller', async () => {
    const heard: number[] = [];
    const nc = await mesh.broker('alice');
    nc.subscribe('mesh.v1.stream.alice.*', {
      callback: (_, msg) => void heard.push(Number(headersOf(msg).get(header.part))),
    });
    await nc.flush();
    const stop = await rawAgent((say, end) => {
      numbers(50).forEach((n) => say(n, String(n)));
      end();
    });
    const stream = alice.stream('raw.parts', null, { window: 8 });
    expect(await codeOf(read(stream))).toBe('completed');
    await nc.flush();
    expect(heard).toEqual(numbers(8));
    stop();
  });
});

type Say = (n: number, body: string) => void;

/** A plain responder that speaks the wire itself. Returns how to stop it. */
async function rawAgent(run: (say: Say, end: () => void) => void): Promise<() => void> {
  const nc = await mesh.broker('raw');
  const card = { concurrency: 4, capabilities: [{ name: 'raw.parts', version: '1.0' }] };
  const user = readUsers(mesh.dir).find((u) => u.name === 'raw')?.publicKey;
  const body = JSON.stringify({ agent: 'raw', user, card });
  const told = await mesh.operator.request('mesh.v1.admin.operator.plain', body, { timeout: 5_000 });
  const to = told.json<{ subjects: { subject: string }[] }>().subjects[0]?.subject ?? '';
  const sub = nc.subscribe(to, {
    queue: 'mesh',
    callback: (_, msg) => {
      const reply = msg.reply ?? '';
      const progress = reply.replace('.result.', '.progress.');
      const say: Say = (n, part) =>
        nc.publish(progress, part, {
          headers: rawHeaders(Buffer.from(headerText([[header.part, n]]))),
        });
      run(say, () => nc.publish(reply, '"done"'));
    },
  });
  await nc.flush();
  return () => sub.unsubscribe();
}
