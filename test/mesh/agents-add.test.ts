/** `mesh agents add --serves`: an agent without the SDK, from nothing to an answer. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type MeshError } from '../../src/agent/index.js';
import { startMesh, type RunningMesh } from '../../src/cli/up/mesh.js';
import { connectBroker } from '../../src/fabric/connection.js';

const folder = mkdtempSync(join(tmpdir(), 'capmesh-add-'));
let mesh: RunningMesh;

beforeAll(async () => {
  mesh = await startMesh({ dir: join(folder, 'mesh') });
});

afterAll(async () => {
  await mesh.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Ran {
  readonly code: number;
  readonly said: {
    readonly queue?: string;
    readonly subjects?: { capability: string; subject: string }[];
    readonly error?: { code: string };
    readonly publicKey?: string;
    readonly forgotten?: boolean;
  };
}

const add = (...args: string[]): Promise<Ran> => agents('add', ...args);

function agents(...args: string[]): Promise<Ran> {
  const words = ['bin/mesh.js', 'agents', ...args, '--data', mesh.dir, '--json'];
  return new Promise((resolve) => {
    const child = execFile(process.execPath, words, (_, out) =>
      resolve({ code: child.exitCode ?? -1, said: JSON.parse(out) as Ran['said'] }),
    );
  });
}

test('a plain responder is registered, and answers', async () => {
  const text = readFileSync(mesh.policyFile, 'utf8');
  writeFileSync(mesh.policyFile, `${text}  clock: [worker]\n`); // in force before control gives up on it
  const { code, said } = await add('clock', '--serves', 'clock.now', 'clock.zone@2.1', '--idempotent');
  expect(code).toBe(0);
  expect(said.queue).toBe('mesh');
  expect(said.subjects?.map(({ capability }) => capability)).toEqual(['clock.now', 'clock.zone']);

  const { name, seed } = mesh.credentials('clock');
  const nc = await connectBroker({ url: mesh.url, name, seed });
  for (const { subject } of said.subjects ?? []) {
    nc.subscribe(subject, { queue: 'mesh', callback: (_, msg) => void msg.respond('{"now":"noon"}') });
  }
  const me = await connect({ url: mesh.url, creds: mesh.credentials('me') });
  expect(await me.call('clock.now')).toEqual({ now: 'noon' });
  expect(await me.call('clock.zone', null, { major: 2 })).toEqual({ now: 'noon' });
  await me.close();
  await nc.close();
});

test.each([
  ['what the policy does not let it serve', ['stranger', '--serves', 'a.b'], 3, 'not_certified'],
  ['a caller that serves', ['shop', '--caller', '--serves', 'a.b'], 2, 'usage'],
  ['a version that is none', ['odd', '--serves', 'a.b@new'], 2, 'usage'],
  ['a name that is none', ['odd', '--serves', 'A..b'], 2, 'name_invalid'],
  ['facts about nothing', ['odd', '--idempotent'], 2, 'usage'],
  ['a concurrency that is none', ['odd', '--serves', 'a.b', '--concurrency', '0'], 2, 'usage'],
])('%s is refused', async (_, args, exit, error) => {
  const { code, said } = await add(...args);
  expect([code, said.error?.code]).toEqual([exit, error]);
});

test('a name that was revoked has no key any more, and may come again with another one', async () => {
  writeFileSync(mesh.policyFile, `${readFileSync(mesh.policyFile, 'utf8')}  temp: [everyone]\n`);
  const first = (await add('temp', '--caller')).said.publicKey ?? '';
  const came = async (): Promise<boolean> =>
    connect({ url: mesh.url, creds: mesh.credentials('temp') }).then(
      (one) =>
        one.call('clock.now', null, { timeoutMs: 300 }).then(
          () => true,
          (err: MeshError) => err.code !== 'revoked', // nobody serves it any more
        ),
      () => false,
    );
  const old = mesh.credentials('temp');
  expect(await came()).toBe(true);
  expect((await agents('revoke', 'temp')).said.forgotten).toBe(true);
  await expect(connect({ url: mesh.url, creds: old })).rejects.toMatchObject({ code: 'permission_denied' });
  expect((await agents('revoke', 'temp')).said.error?.code).toBe('not_found');
  const second = (await add('temp', '--caller')).said.publicKey ?? '';
  expect(second).not.toBe(first);
  expect(await came()).toBe(true);
  // A single key: the name is not out.
  expect((await agents('revoke', 'temp', '--key', first)).said.error?.code).toBe('not_found');
  expect((await agents('revoke', 'temp', '--key', second)).code).toBe(0);
  expect(await came()).toBe(false);
  expect((await add('temp', '--caller')).said.publicKey).not.toBe(second);
  expect(await came()).toBe(true);
});
