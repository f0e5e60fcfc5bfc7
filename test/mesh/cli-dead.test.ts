/**
 * `mesh dead` and `mesh parked`: filters, bulk, output and exit codes, with the real command.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Mesh, MeshError } from '../../src/agent/index.js';
import type { DeadPage, DeadRow, ParkedPage } from '../../src/control/views/pages.js';
import { linesOf, mesh as command, type Ran } from '../support/command.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { die, outcomeOf, startPoison, type Poison } from '../support/poison.js';

const POLICY = `version: 1
roles:
  everyone: { call: ['poison.>'], mayRoot: true }
  worker: { serve: ['>'] }
members: { me: [everyone], shop: [everyone], poison: [worker] }
`;

let mesh: TestMesh;
let me: Mesh;
let poison: Poison;

beforeAll(async () => {
  mesh = await startTestMesh({
    users: { me: 'caller', shop: 'caller', poison: 'agent', vera: 'viewer' },
    policy: POLICY,
  });
  me = await mesh.connect('me');
  const shop = await mesh.connect('shop');
  poison = await startPoison(mesh, 'poison', ['poison.a', 'poison.b', 'poison.c']);
  await until(() =>
    me.call('poison.c', null, { timeoutMs: 300 }).catch((err: MeshError) => err.status === 'unknown'),
  );
  await Promise.all([
    ...Array.from({ length: 24 }, (_, n) => die(me, 'poison.a', { n })),
    ...Array.from({ length: 3 }, (_, n) => die(shop, 'poison.a', { n })),
    ...Array.from({ length: 2 }, (_, n) => die(me, 'poison.b', { text: 'out of \u001b[31mstock', n })),
  ]);
});
afterAll(() => mesh.stop());

const run = (...args: string[]): Promise<Ran> =>
  command([...args, '--data', mesh.dir, '--url', mesh.url, '--config', 'none']);

interface Line {
  readonly from?: string;
  readonly state?: string;
  readonly new?: string;
  readonly error?: { readonly code: string };
  readonly done?: number;
  readonly of?: number;
  readonly states?: Readonly<Record<string, number>>;
}

const dead = async (...filter: string[]): Promise<readonly DeadRow[]> =>
  linesOf<DeadPage>(await run('dead', 'ls', ...filter, '--limit', '1000', '--json'))[0]?.dead ?? [];

describe('mesh dead', () => {
  test('ls lists them, filtered', async () => {
    const { code, out } = await run('dead', 'ls', '--limit', '2');
    expect([code, out.trimEnd().split('\n').length]).toEqual([0, 3]);
    expect(out).toMatch(/^(me|shop)\.\w{26} +poison\.[ab] +5 .* ago +the attempt timed out$/m);
    expect(await dead()).toHaveLength(29);
    expect(await dead('poison.b')).toHaveLength(2);
    expect(await dead('--from', 'shop')).toHaveLength(3);
    expect(await dead('poison.b', '--from', 'shop')).toHaveLength(0);
    expect(await dead('--older-than', '1h')).toHaveLength(0);
    expect(await dead('--younger-than', '1h')).toHaveLength(29);
    expect((await run('dead', 'ls', '--from', 'nobody')).err).toBe('no dead calls\n');
  });

  test('show has the record, and the body for operators, with nothing in it that steers the terminal', async () => {
    const [row] = await dead('poison.b');
    const name = `me.${row?.call}`;
    const shown = await run('dead', 'show', name, '--body');
    expect(shown.out).toMatch(/done for +me\n/);
    expect(shown.out.match(/poison\/plain/g)).toHaveLength(5);
    expect(shown.out).toContain('stock');
    expect(shown.out).not.toContain('\u001b');
    const [data] = linesOf<DeadRow & { body: string }>(
      await run('dead', 'show', row?.call ?? '', '--body', '--json'),
    );
    expect(JSON.parse(Buffer.from(data?.body ?? '', 'base64').toString())).toMatchObject({
      n: expect.any(Number) as number,
    });
    expect((await run('dead', 'show', name, '--as', 'vera')).code).toBe(0);
    expect(await run('dead', 'show', name, '--body', '--as', 'vera')).toMatchObject({ code: 3, out: '' });
  });

  test.each([
    [['replay'], 2, 'usage'],
    [['discard'], 2, 'usage'],
    [['replay', '--all'], 2, 'usage'],
    [['discard', '--from', 'me'], 2, 'usage'],
    [['replay', 'me.x', '--all'], 2, 'usage'],
    [['replay', '--capability', 'a..b'], 2, 'usage'],
    [['replay', '--all', '--older-than', 'long'], 2, 'usage'],
    [['replay', '--all', '--timeout', '0'], 2, 'usage'],
    [['replay', '--alll'], 2, 'usage'],
    [['show', 'a.b.c'], 2, 'name_invalid'],
    [['show', 'me.01jd9zq0c3w8k5v7x2m4n6p8r0'], 1, 'not_found'],
    [['replay', '01jd9zq0c3w8k5v7x2m4n6p8r0'], 1, 'not_found'],
    [['replay', '--all', '--as', 'me'], 3, 'permission_denied'],
  ])('%j exits with %i [%s], and changes nothing', async (args, code, error) => {
    const plain = await run('dead', ...args);
    expect([plain.code, plain.out]).toEqual([code, '']);
    expect(plain.err).toContain(`[${error}]`);
    const [data] = linesOf<Line>(await run('dead', ...args, '--json'));
    expect(data?.error?.code).toBe(error);
    expect(await dead()).toHaveLength(29);
  });

  test('a dry run says for each what would become of it', async () => {
    const lines = linesOf<Line>(await run('dead', 'replay', '--from', 'shop', '--dry-run', '--json'));
    expect(lines.map(({ state }) => state)).toEqual([
      'would_replay',
      'would_replay',
      'would_replay',
      undefined,
    ]);
    expect(lines.at(-1)).toEqual({ done: 3, of: 3, states: { would_replay: 3 } });
    expect((await run('dead', 'discard', '--all', '--dry-run')).err).toBe('29 would discard\n');
    expect(await dead()).toHaveLength(29);
  });

  test('one by name', async () => {
    poison.mended = true;
    const [row] = await dead('--from', 'shop');
    const { code, out, err } = await run('dead', 'replay', `shop.${row?.call}`);
    expect([code, err]).toEqual([0, '']);
    const [, made = ''] = /^shop\.\w{26} {2}replayed as shop\.(\w{26})\n$/.exec(out) ?? [];
    expect(await outcomeOf(mesh.operator, 'shop', made)).toBe('completed');
    expect(await dead('--from', 'shop')).toHaveLength(2);
  });

  test('many, by filter: a line for each and a sum, no two of them the same call', async () => {
    const ran = await run('dead', 'replay', '--capability', 'poison.a', '--from', 'me', '--yes', '--json');
    const lines = linesOf<Line>(ran);
    expect([ran.code, lines.at(-1)]).toEqual([0, { done: 24, of: 24, states: { replayed: 24 } }]);
    expect(new Set(lines.slice(0, -1).map((one) => one.new)).size).toBe(24);
    await until(() => new Set(poison.given.map(({ call }) => call)).size >= 24 + 29);
    expect(await dead('poison.a', '--from', 'me')).toEqual([]);
  });

  test('refused under the policy of now: exit 3, and they stay', async () => {
    writeFileSync(
      join(mesh.dir, 'mesh.policy.yaml'),
      POLICY.replace("call: ['poison.>']", "call: ['poison.a']"),
    );
    await until(async () => {
      const [first] = linesOf<Line>(
        await run('dead', 'replay', '--capability', 'poison.b', '--dry-run', '--json'),
      );
      return first?.state === 'refused';
    });
    const plain = await run('dead', 'replay', '--capability', 'poison.b', '--yes');
    expect(plain.code).toBe(3);
    expect(plain.out).toMatch(/^me\.\w{26} {2}refused \[not_granted\] me may not call poison\.b\n/);
    expect(plain.err).toContain('2 refused');
    expect(await dead('poison.b')).toHaveLength(2);
    writeFileSync(join(mesh.dir, 'mesh.policy.yaml'), POLICY);
  });

  test('discarded, and gone', async () => {
    const ran = await run('dead', 'discard', '--capability', 'poison.b', '--yes');
    expect([ran.code, ran.err]).toEqual([0, '2 discarded\n']);
    expect(await dead('poison.b')).toEqual([]);
    expect((await run('dead', 'discard', '--capability', 'poison.b', '--yes')).err).toBe(
      'no such dead calls\n',
    );
  });

  test('nobody is free: it waits as long as it may, then exits with 4', async () => {
    await poison.stop();
    await until(async () => {
      const [first] = linesOf<Line>(await run('dead', 'replay', '--all', '--dry-run', '--json'));
      return first?.state === 'held';
    });
    const ran = await run('dead', 'replay', '--all', '--yes', '--wait', '300ms', '--json');
    expect([ran.code, linesOf<Line>(ran).at(-1)?.states]).toEqual([4, { held: 2 }]);
    expect(await dead()).toHaveLength(2);
  });
});

describe('mesh parked', () => {
  const told = (promise: Promise<unknown>): Promise<MeshError> =>
    promise.then(
      () => expect.unreachable(),
      (err: MeshError) => err,
    );

  test('lists what waits, tries it, and ends it', async () => {
    const outcomes = Array.from({ length: 3 }, (_, n) =>
      told(me.call('poison.a', { n }, { timeoutMs: 60_000 })),
    );
    const one = told(me.call('poison.b', {}, { timeoutMs: 60_000 }));
    const rows = await until(async () => {
      const [page] = linesOf<ParkedPage>(await run('parked', 'ls', '--json'));
      return page?.parked.length === 4 ? page.parked : undefined;
    });
    const { out } = await run('parked', 'ls', 'poison.b');
    expect(out).toMatch(/^me\.\w{26} +poison\.b .* ago +in .* waits for capacity \(no live agent\)$/m);
    expect((await run('parked', 'ls', '--as', 'vera')).code).toBe(0);

    const held = await run('parked', 'release', '--all', '--yes', '--json');
    expect([held.code, linesOf<Line>(held).at(-1)?.states]).toEqual([4, { held: 4 }]);
    expect((await run('parked', 'cancel', '--all')).code).toBe(2);
    expect((await run('parked', 'cancel', '--all', '--dry-run')).err).toBe('4 would cancel\n');

    const b = rows.find(({ capability }) => capability === 'poison.b');
    const cancelled = await run('parked', 'cancel', `me.${b?.call}`);
    expect([cancelled.code, cancelled.out]).toEqual([0, `me.${b?.call}  cancelled\n`]);
    const error = await one;
    expect([error.status, error.code, error.sentence]).toEqual([
      'cancelled',
      'cancelled',
      'the call was cancelled by operator',
    ]);
    const rest = await run('parked', 'cancel', '--capability', 'poison.a', '--yes', '--json');
    expect(linesOf<Line>(rest).at(-1)).toEqual({ done: 3, of: 3, states: { cancelled: 3 } });
    expect((await Promise.all(outcomes)).map(({ status }) => status)).toEqual([
      'cancelled',
      'cancelled',
      'cancelled',
    ]);
    expect((await run('parked', 'ls')).err).toBe('no parked calls\n');
  });

  test('goes on when somebody is there again, and not under a policy that forbids it', async () => {
    const going = me.call('poison.a', { going: true }, { timeoutMs: 60_000 });
    await until(async () => (await run('parked', 'ls')).out.includes('poison.a'));
    const back = await startPoison(mesh, 'poison', ['poison.a', 'poison.b', 'poison.c']);
    back.mended = true;
    await run('parked', 'release', '--all', '--yes');
    expect(await going).toEqual({ going: true });
    await back.stop();
    await until(async () => {
      const [first] = linesOf<Line>(await run('dead', 'replay', '--all', '--dry-run', '--json'));
      return first?.state === 'held';
    });
    const refused = told(me.call('poison.b', {}, { timeoutMs: 60_000 }));
    await until(async () => (await run('parked', 'ls')).out.includes('poison.b'));
    writeFileSync(
      join(mesh.dir, 'mesh.policy.yaml'),
      POLICY.replace("call: ['poison.>']", "call: ['poison.a']"),
    );
    expect((await refused).code).toBe('not_granted');
  });
});
