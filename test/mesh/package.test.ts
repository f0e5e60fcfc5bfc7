/**
 * What npm publishes works in an empty folder: packed, installed, imported with types under strict settings, run by
 * each Node that is supported, and by test runners that know nothing of us.
 */
import { execFile, execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readPage } from '../support/markdown.js';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'capmesh-package-'));
const app = join(folder, 'app');
const { NATS_URL: _url, MESH_DATA: _data, MESH_OFFLINE: _offline, ...inherited } = process.env;
const env: NodeJS.ProcessEnv = {
  ...inherited,
  XDG_CACHE_HOME: join(folder, 'cache'),
  NO_COLOR: '1',
  npm_config_prefer_offline: 'true', // what npm has already it does not ask the registry about again
};
const { devDependencies: pinned } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  devDependencies: Record<string, string>;
};
const SLOW = 240_000;

beforeAll(async () => {
  // Scripts stay out: the tests run from what `npm run build` made, and must not be compiled over while they do.
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { env });
  const [tarball = ''] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  mkdirSync(app);
  writeFileSync(
    join(app, 'package.json'),
    '{"name":"app","version":"1.0.0","private":true,"type":"module"}\n',
  );
  const at = (name: string) => `${name}@${pinned[name] ?? ''}`;
  await install(app, join(folder, tarball), at('typescript'), at('@types/node'));
}, SLOW);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function install(cwd: string, ...packages: string[]): Promise<void> {
  await run('npm', ['install', '--no-audit', '--no-fund', ...packages], { cwd, env });
}

test('a program with types compiles under strict settings, and runs', { timeout: SLOW }, async () => {
  const compilerOptions = {
    target: 'es2023',
    module: 'nodenext',
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noPropertyAccessFromIndexSignature: true,
    verbatimModuleSyntax: true,
    isolatedModules: true,
    skipLibCheck: false,
    outDir: 'out',
    rootDir: '.',
  };
  writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  writeFileSync(
    join(app, 'program.ts'),
    `import { connect, MeshError, newCallId, type CapabilityOptions, type Handler, type Mesh, type TaskContext } from 'capmesh';
import { startTestMesh, type TestMesh } from 'capmesh/testing';

const mesh: TestMesh = await startTestMesh({ users: { me: 'caller', adder: 'agent' } });
const options: CapabilityOptions = { idempotent: true, proficiency: 'expert' };
const add: Handler = ({ a, b }: { a: number; b: number }, ctx: TaskContext) => ({ sum: a + b, key: ctx.key });
const adder: Mesh = await mesh.connect('adder', { concurrency: 2 });
await adder.serve('number.add', options, add);
const me = await connect({ url: mesh.url, creds: mesh.credentials('me') });
const { sum } = await me.call<{ sum: number }>('number.add', { a: 1, b: 2 }, { id: newCallId() });
const code = await me.call('Not A Name').catch((err: unknown) => (err instanceof MeshError ? err.code : 'odd'));
await me.close();
await mesh.stop();
console.log(JSON.stringify({ sum, code }));
`,
  );
  await run('npx', ['tsc'], { cwd: app, env });
  const { stdout } = await run('node', ['out/program.js'], { cwd: app, env });
  expect(JSON.parse(stdout)).toEqual({ sum: 3, code: 'name_invalid' });
});

test('a type error of a user is seen', { timeout: SLOW }, async () => {
  writeFileSync(join(app, 'wrong.ts'), `import { connect } from 'capmesh';\nawait connect({ uri: 'x' });\n`);
  const said = await run('npx', ['tsc', '--noEmit'], { cwd: app, env }).catch(
    (err: { stdout: string }) => err,
  );
  rmSync(join(app, 'wrong.ts'));
  expect(said.stdout).toMatch(/wrong\.ts\(2,17\).*'uri'/);
});

describe.each(['20.19.0', '24'])('Node %s', (version) => {
  const home = join(folder, `node-${version}`);
  let path = '';

  beforeAll(async () => {
    mkdirSync(home);
    writeFileSync(join(home, 'package.json'), '{"name":"home","private":true}\n');
    await install(home, `node@${version}`);
    path = [join(home, 'node_modules', 'node', 'bin'), process.env['PATH'] ?? ''].join(delimiter);
  }, SLOW);

  test('is the one that runs', () => {
    const said = execFileSync('node', ['--version'], { env: { ...env, PATH: path }, encoding: 'utf8' });
    expect(said.startsWith(`v${version}`)).toBe(true);
  });

  test('runs the demo from the package', { timeout: SLOW }, async () => {
    const { stdout } = await run('npx', ['mesh', 'demo', '--json'], {
      cwd: app,
      env: { ...env, PATH: path },
    });
    expect(JSON.parse(stdout)).toMatchObject({ lost: 0, doubled: 0, balanced: true });
  });

  test("runs users' tests with its own runner", { timeout: SLOW }, async () => {
    const page = readPage('docs/howto/test-your-agents.md');
    const example = page.fences.find(({ text }) => text.startsWith('// inventory.test.mjs\n'))?.text;
    writeFileSync(join(app, 'inventory.test.mjs'), example ?? '');
    const { stdout } = await run('node', ['--test', 'inventory.test.mjs'], {
      cwd: app,
      env: { ...env, PATH: path },
    });
    expect(stdout).toMatch(/pass [1-9]/);
    expect(stdout).toMatch(/fail 0/);
  });
});

test(
  'with a server that npm left out, and none allowed to be fetched, it says so',
  { timeout: SLOW },
  async () => {
    const without = { ...env, MESH_OFFLINE: '1', XDG_CACHE_HOME: join(folder, 'empty') };
    const scope = join(app, 'node_modules', '@eplightning');
    const away = join(folder, 'away');
    const had = existsSync(scope);
    if (had) {
      execFileSync('mv', [scope, away]);
    }
    try {
      const args = ['mesh', 'up', '--json', '--data', join(folder, 'none')];
      const failed = (await run('npx', args, { cwd: app, env: without }).catch((err: unknown) => err)) as {
        code: number;
        stdout: string;
      };
      expect(failed.code).toBe(1);
      expect(JSON.parse(failed.stdout)).toMatchObject({ error: { code: 'server_missing' } });
    } finally {
      if (had) {
        execFileSync('mv', [away, scope]);
      }
    }
  },
);

test('Jest runs a mesh', { timeout: SLOW }, async () => {
  await install(app, 'jest@30.2.0'); // last: what it brings could stand in for what the package forgot
  const jest = join(app, 'jest');
  mkdirSync(jest);
  writeFileSync(
    join(jest, 'package.json'),
    '{"name":"jest-app","private":true,"type":"module","jest":{"transform":{}}}\n',
  );
  writeFileSync(
    join(jest, 'a.test.js'),
    `import { startTestMesh } from 'capmesh/testing';

let mesh;
beforeAll(async () => {
  mesh = await startTestMesh({ users: { me: 'caller', clock: 'agent' } });
}, 120000);
afterAll(() => mesh.stop());

test('answers', async () => {
  await (await mesh.connect('clock')).serve('clock.now', () => ({ now: 'noon' }));
  expect(await (await mesh.connect('me')).call('clock.now')).toEqual({ now: 'noon' });
  const err = await (await mesh.connect('me')).call('clock.none', {}, { timeoutMs: 500 }).catch((e) => e);
  expect(err.code).toBe('capability_unknown');
});
`,
  );
  const { stderr } = await run('node', [join(app, 'node_modules', 'jest', 'bin', 'jest.js')], {
    cwd: jest,
    env: { ...env, NODE_OPTIONS: '--experimental-vm-modules' },
  });
  expect(stderr).toMatch(/Tests: +1 passed/);
});
