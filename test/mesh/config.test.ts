/**
 * Configuration with the real command: what a mesh is started with, who a command is, and what is refused.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../src/agent/index.js';
import { connectBroker } from '../../src/fabric/connection.js';
import { getLast } from '../../src/fabric/reader.js';
import { credentialsFile, loadCredentials } from '../../src/fabric/users.js';
import type { DecisionRecord } from '../../src/wire/generated/messages.js';
import { linesOf, mesh as command, type Ran } from '../support/command.js';
import { Terminal } from '../support/terminal.js';

const folder = mkdtempSync(join(tmpdir(), 'capmesh-config-'));
const data = join(folder, 'state', '.mesh');
const FILE = `data: state/.mesh
policy: rules.yaml
gateways: 2
server: { sync: always }
users: { caller: shop }
call: { timeoutMs: 5s }
trace: { ratio: 1 }
metrics: { listen: off }
limits: { attemptMs: 12s, parked: 1234 }
`;
const POLICY = `version: 1
roles: { all: { call: ['>'], serve: ['>'], mayRoot: true } }
members: { me: [all], shop: [all], worker: [all] }
`;

const run = (args: readonly string[], env: Record<string, string> = {}, cwd = folder): Promise<Ran> =>
  command(args, { cwd, env });

interface Shown {
  readonly settings: readonly { readonly key: string; readonly value: unknown; readonly origin: string }[];
}

const show = async (
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<Map<string, string>> => {
  const [shown] = linesOf<Shown>(await run(['config', 'show', ...args, '--json'], env));
  return new Map(shown?.settings.map(({ key, value, origin }) => [key, `${String(value)} (${origin})`]));
};

let up: Terminal;
let url = '';

beforeAll(async () => {
  writeFileSync(join(folder, 'mesh.yaml'), FILE);
  writeFileSync(join(folder, 'rules.yaml'), POLICY);
  const own = Object.entries(process.env).filter(([name]) => !/^(MESH|NATS)_/.test(name));
  const env = { ...Object.fromEntries(own), NO_COLOR: '1', MESH_LIMITS: 'parked=2345' };
  up = new Terminal(`exec '${process.execPath}' '${process.cwd()}/bin/mesh.js' up --json`, {
    cwd: folder,
    env,
  });
  await up.shows('"ready":true', 40_000);
  ({ url } = JSON.parse(readFileSync(join(data, 'mesh.json'), 'utf8')) as { url: string });
  for (const args of [['shop', '--caller'], ['worker']]) {
    const { code, err } = await run(['agents', 'add', ...args]);
    if (code !== 0) {
      throw new Error(err);
    }
  }
});
afterAll(async () => {
  await up.interrupt();
  rmSync(folder, { recursive: true, force: true });
});

describe('a mesh is started with what the file says', () => {
  test('data folder, policy, gateways, sync', async () => {
    const state = JSON.parse(readFileSync(join(data, 'mesh.json'), 'utf8')) as {
      policy: string;
      gateways: { metrics?: string }[];
    };
    expect([state.policy, state.gateways.length]).toEqual([join(folder, 'rules.yaml'), 2]);
    expect(state.gateways.map(({ metrics }) => metrics)).toEqual([undefined, undefined]);
    expect(readFileSync(join(data, 'nats-server.conf'), 'utf8')).toMatch(/sync_interval: "always"/);
  });

  test('limits and the share of traces reach the gateways, and doctor finds nothing to mend', async () => {
    const agent = await connect({ url, creds: credentialsFile(data, 'worker') });
    await agent.serve('work.do', { idempotent: true }, () => ({ done: true }));
    const { code, out } = await run(['call', 'work.do', '{}', '--json']);
    expect([code, linesOf<{ value: object }>({ code, out, err: '' })[0]?.value]).toEqual([0, { done: true }]);
    const { name, seed } = loadCredentials(credentialsFile(data, 'operator'));
    const nc = await connectBroker({ url, name, seed });
    const stored = await getLast(nc, 'DECISIONS', 'mesh.v1.decision.worker.work.do');
    const record = JSON.parse(stored?.headers.get('Mesh-Record') ?? '{}') as DecisionRecord;
    expect([record.from, record.attemptMs]).toEqual(['shop', 12_000]);
    expect(record.guardUs).toBeDefined(); // of sampled calls only: 1 in 10 by default
    await nc.close();
    const doctor = await run(['doctor', '--json'], { MESH_LIMITS: 'parked=2345' });
    expect([doctor.code, linesOf<{ fine: boolean }>(doctor)[0]?.fine]).toEqual([0, true]);
    await agent.close();
  });
});

describe('mesh config show', () => {
  test('names the origin of each value', async () => {
    const shown = await show(['--port', '4333'], { MESH_LOG: 'debug', MESH_LIMITS: 'parked=2345' });
    expect(Object.fromEntries(shown)).toMatchObject({
      data: 'state/.mesh (mesh.yaml:1:1)',
      policy: 'rules.yaml (mesh.yaml:2:1)',
      gateways: '2 (mesh.yaml:3:1)',
      'server.url': `${url} (the mesh that runs in state/.mesh)`,
      'server.port': '4333 (--port)',
      'server.sync': 'always (mesh.yaml:4:11)',
      'users.caller': 'shop (mesh.yaml:5:10)',
      'call.timeoutMs': '5000 (mesh.yaml:6:9)',
      'log.level': 'debug ($MESH_LOG)',
      'views.rows': '50 (default)',
      'limits.attemptMs': '12000 (mesh.yaml:9:11)',
      'limits.parked': '2345 ($MESH_LIMITS)',
      'limits.cancels': '10000 (default)',
    });
  });

  test('says of secrets only that they are set', async () => {
    const { seed } = loadCredentials(credentialsFile(data, 'shop'));
    const env = { MESH_SEED: seed, NATS_URL: 'nats://me:sesame@127.0.0.1:4333' };
    const there = await show(['--data', join(folder, 'elsewhere')], env);
    expect([there.get('server.seed'), there.get('server.url')]).toEqual([
      '(set) ($MESH_SEED)',
      'nats://(set)@127.0.0.1:4333 ($NATS_URL)',
    ]);
    const plain = await run(['config', 'show', '--data', join(folder, 'elsewhere')], env);
    expect(plain.out).not.toContain(seed);
    expect(plain.out).not.toContain('sesame');
  });
});

describe('who a command is', () => {
  const from = async (args: readonly string[], env: Record<string, string> = {}): Promise<string> => {
    const ran = await run(['call', 'nowhere.at-all', '{}', '--json', ...args], env);
    const [said] = linesOf<{ error: { code: string; call?: string } }>(ran);
    if (said?.error.call === undefined) {
      return said?.error.code ?? '';
    }
    const [page] = linesOf<{ calls: { from: string }[] }>(
      await run(['calls', 'show', said.error.call, '--json']),
    );
    return page?.calls[0]?.from ?? '';
  };
  const seedOf = (name: string): string => loadCredentials(credentialsFile(data, name)).seed;

  test.each([
    ['the file names it', [], {}, 'shop'],
    ['a variable stands above the file', [], { MESH_AS: 'me' }, 'me'],
    ['a flag above a variable', ['--as', 'shop'], { MESH_AS: 'me' }, 'shop'],
    ['a credentials file', ['--creds', 'state/.mesh/creds/worker.json'], {}, 'worker'],
    ['the same as a variable', [], { MESH_CLI_CREDS: 'state/.mesh/creds/worker.json' }, 'worker'],
    [
      'a name on the command line is meant',
      ['--as', 'me'],
      { MESH_CLI_CREDS: 'state/.mesh/creds/worker.json' },
      'me',
    ],
    ['a context of the nats command', ['--nats-context', 'worker'], { XDG_CONFIG_HOME: data }, 'worker'],
    ['one that is not there', ['--nats-context', 'nobody'], { XDG_CONFIG_HOME: data }, 'config_missing'],
    ['a name without credentials', ['--as', 'nobody'], {}, 'config_missing'],
  ])('%s', async (_, args, env, who) => {
    expect(await from(args, env as unknown as Record<string, string>)).toBe(who);
  });

  test('a seed with a name, where there is no folder', async () => {
    const away = ['--data', join(folder, 'empty'), '--config', 'none', '--url', url];
    expect(await from(away, { MESH_SEED: seedOf('worker'), MESH_AS: 'worker' })).toBe('worker');
    expect(await from(away)).toBe('config_missing');
  });

  test('who starts a mesh is not who its parts are', async () => {
    const second = await run(['up', '--json'], {
      MESH_SEED: seedOf('worker'),
      MESH_CLI_CREDS: '/nowhere.json',
    });
    expect(linesOf<{ error: { code: string } }>(second)[0]?.error.code).toBe('already_running');
  });
});

describe('what is wrong is refused, with its place', () => {
  const bad = join(folder, 'bad.yaml');
  const broken = join(folder, 'broken-policy.yaml');
  beforeAll(() => {
    writeFileSync(bad, 'server:\n  prot: 4222\n');
    writeFileSync(broken, "version: 1\nroles:\n  all: { call: ['A'] }\n");
  });

  test.each([
    [['up', '--config', 'bad.yaml'], {}, 'bad.yaml:2:3 is refused at server.prot'],
    [['call', 'a.b', '--config', 'bad.yaml'], {}, 'did you mean port?'],
    [['calls', 'ls', '--config', 'bad.yaml'], {}, 'bad.yaml:2:3'],
    [['dead', 'ls', '--config', 'bad.yaml'], {}, 'bad.yaml:2:3'],
    [['doctor', '--config', 'bad.yaml'], {}, 'bad.yaml:2:3'],
    [['agents', 'add', 'x', '--config', 'bad.yaml'], {}, 'bad.yaml:2:3'],
    [['mount', 'mcp', '--config', 'bad.yaml', 'true'], {}, 'bad.yaml:2:3'],
    [['gateway', '--config', 'bad.yaml'], {}, 'bad.yaml:2:3'],
    [['calls', 'ls'], { MESH_PORT: 'x' }, 'the environment is refused at MESH_PORT'],
    [['calls', 'ls'], { MESH_LIMITS: 'parkt=1' }, 'did you mean parked?'],
    [['calls', 'ls'], { MESH_OPERATR: 'x' }, 'did you mean MESH_OPERATOR?'],
    [
      ['gateway', '--policy', 'broken-policy.yaml'],
      {},
      'broken-policy.yaml:3:17 is refused at roles.all.call[0]',
    ],
    [['control', '--policy', 'broken-policy.yaml'], {}, 'broken-policy.yaml:3:17'],
    [['calls', 'ls', '--config', 'none-such.yaml'], {}, 'none-such.yaml is missing'],
  ])('%j %j', async (args, env, said) => {
    const ran = await run(args, env as unknown as Record<string, string>);
    expect([ran.code, ran.out]).toEqual([1, '']);
    expect(ran.err).toContain(said);
  });

  test('check finds all of it, in file, variables and policy', async () => {
    const args = ['config', 'check', '--config', bad, '--policy', broken, '--json'];
    const ran = await run(args, { MESH_PORT: 'x' });
    const [said] = linesOf<{ fine: boolean; problems: { file: string; where: string }[] }>(ran);
    expect([ran.code, said?.fine, said?.problems.map(({ where }) => where)]).toEqual([
      1,
      false,
      ['server.prot', 'MESH_PORT', 'roles.all.call[0]'],
    ]);
    expect(await run(['config', 'check'])).toMatchObject({ code: 0, out: 'Nothing to correct.\n' });
    const gone = await run(['config', 'check', '--policy', 'gone.yaml']);
    expect([gone.code, gone.out]).toEqual([1, 'gone.yaml policy: there is no such file\n']);
  });
});

describe('mesh init', () => {
  const place = join(folder, 'fresh');
  beforeAll(() => mkdirSync(place));

  test('writes both files, which are right, and asks nothing where nobody sits', async () => {
    const ran = await run(['init', '--port', '4333'], {}, place);
    expect([ran.code, ran.out]).toMatchObject([
      0,
      expect.stringContaining('wrote mesh.policy.yaml') as string,
    ]);
    expect(await run(['config', 'check'], {}, place)).toMatchObject({ code: 0 });
    expect(readFileSync(join(place, 'mesh.yaml'), 'utf8')).toMatch(/^ {2}port: 4333$/m);
  });

  test('overwrites nothing without --force, and a policy never', async () => {
    const mine = 'version: 1\n# mine\n';
    writeFileSync(join(place, 'mesh.policy.yaml'), mine);
    const again = await run(['init', '--yes', '--port', '4444'], {}, place);
    expect([again.code, again.err]).toMatchObject([2, expect.stringContaining('[usage]') as string]);
    expect(readFileSync(join(place, 'mesh.yaml'), 'utf8')).toContain('port: 4333');
    const forced = await run(['init', '--yes', '--force', '--port', '4444'], {}, place);
    expect([forced.code, forced.out]).toMatchObject([
      0,
      expect.stringContaining('kept  mesh.policy.yaml') as string,
    ]);
    expect(readFileSync(join(place, 'mesh.yaml'), 'utf8')).toContain('port: 4444');
    expect(readFileSync(join(place, 'mesh.policy.yaml'), 'utf8')).toBe(mine);
  });

  test('takes the policy that a mesh works with already', async () => {
    const [said] = linesOf<{ written: string[]; kept: string[] }>(
      await run(['init', '--json', '--config', 'again/mesh.yaml', '--data', 'fresh/data']),
    );
    expect(said).toEqual({
      written: [join(folder, 'again/mesh.yaml'), join(folder, 'again/mesh.policy.yaml')],
      kept: [],
    });
    mkdirSync(join(folder, 'old', '.mesh'), { recursive: true });
    writeFileSync(join(folder, 'old', '.mesh', 'mesh.policy.yaml'), POLICY);
    expect((await run(['init', '--yes'], {}, join(folder, 'old'))).out).toContain(
      'kept  .mesh/mesh.policy.yaml',
    );
    expect(readFileSync(join(folder, 'old', 'mesh.yaml'), 'utf8')).toMatch(
      /^policy: \.mesh\/mesh\.policy\.yaml$/m,
    );
  });
});
