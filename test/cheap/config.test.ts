/**
 * Configuration: every place of it is given wrong types and unknown keys, and says where and what instead.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Ajv } from 'ajv';
import { Command } from 'commander';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { configSchemas } from '../../subjects/generate/config.js';
import * as agents from '../../src/cli/agents.js';
import * as call from '../../src/cli/call.js';
import * as calls from '../../src/cli/calls.js';
import * as config from '../../src/cli/config.js';
import * as control from '../../src/cli/control.js';
import * as dead from '../../src/cli/dead.js';
import * as doctor from '../../src/cli/doctor.js';
import * as gateway from '../../src/cli/gateway.js';
import * as init from '../../src/cli/init.js';
import * as mount from '../../src/cli/mount.js';
import * as approvals from '../../src/cli/approvals.js';
import * as parked from '../../src/cli/parked.js';
import * as serve from '../../src/cli/serve.js';
import * as top from '../../src/cli/top.js';
import * as trace from '../../src/cli/trace.js';
import * as graph from '../../src/cli/graph.js';
import * as up from '../../src/cli/up.js';
import { renderConfig, renderPolicy, schemaLine } from '../../src/cli/init/files.js';
import { describe as helpOf, withSettings } from '../../src/cli/settings.js';
import { readLimit, Settings } from '../../src/domain/config/resolve.js';
import { configShape, limitShapes } from '../../src/domain/config/file-shape.js';
import { settings, type Setting, type SettingKey } from '../../src/domain/config/settings.js';
import { problemError, readYaml } from '../../src/domain/config/yaml.js';
import { readPolicy } from '../../src/domain/policy-read.js';
import { compilePolicy } from '../../src/domain/policy.js';
import { MeshError } from '../../src/wire/errors.js';
import { limits, limitTable, type LimitName } from '../../src/wire/limits.js';
import { isPattern } from '../../src/wire/names.js';
import { setLimits, settable } from '../../src/wire/settable.js';

const modules = Object.entries({
  up,
  call,
  calls,
  agents,
  mount,
  doctor,
  gateway,
  control,
  dead,
  parked,
  approvals,
  config,
  init,
  serve,
  top,
  trace,
  graph,
});
const keys = Object.keys(settings) as SettingKey[];
const table: Readonly<Record<SettingKey, Setting>> = settings;

/** A file that says one thing. */
function fileWith(key: string, value: string): string {
  const [section = '', name] = key.split('.');
  return name === undefined ? `${section}: ${value}\n` : `${section}:\n  ${name}: ${value}\n`;
}

/** For each setting two values that fit, as texts. */
function fitting(key: SettingKey): readonly [string, string, string] {
  const { shape } = table[key];
  switch (shape.is) {
    case 'whole':
      return [String(shape.min), String(shape.min + 1), String(shape.min + 2)];
    case 'choice':
      return [shape.of[0] ?? '', shape.of[1] ?? '', shape.of[0] ?? ''];
    case 'part':
      return ['0.25', '0.5', '1'];
    case 'flag':
      return ['true', 'false', 'true'];
    case 'list':
      if (shape.of.is === 'choice') {
        return [shape.of.of[0] ?? '', shape.of.of[1] ?? '', shape.of.of[0] ?? ''];
      }
      if (key === 'server.accept') {
        return ['server-version', 'tls', 'files'];
      }
      return key === 'serve.allowOrigins' ? ['https://one', 'https://two', 'http://three'] : WORDS;
    case 'text':
      return 'secret' in shape ? SEEDS : 'digits' in shape ? ['9464', 'off', '[::1]:9464'] : WORDS;
  }
}

const WORDS = ['one', 'two', 'three'] as const;
const SEEDS = [`SU${'A'.repeat(56)}`, `SU${'B'.repeat(56)}`, `SU${'C'.repeat(56)}`] as const;

function typed(key: SettingKey, text: string): unknown {
  const { is } = table[key].shape;
  return is === 'list'
    ? [text]
    : is === 'flag'
      ? text === 'true'
      : is === 'whole' || is === 'part'
        ? Number(text)
        : text;
}

const read = (file: string | undefined, env: Record<string, string> = {}, flags: object = {}): Settings =>
  new Settings({ flags, env, file: file === undefined ? undefined : { path: 'mesh.yaml', text: file } });

const saidOf = (found: Settings): string[] =>
  found.problems.map(({ line, column, where, why }) => `${line}:${column} ${where}: ${why}`);

describe('what counts', () => {
  test.each(keys)('%s: flag, then variable, then file, then default', (key) => {
    const [inFile, inEnv, inFlag] = fitting(key);
    const { env, flag } = table[key];
    const file = fileWith(key, table[key].shape.is === 'list' ? `[${inFile}]` : inFile);
    expect(read(undefined).given(key)).toBeUndefined();
    const fromFile = read(file).given(key);
    expect(fromFile).toEqual({
      value: typed(key, inFile),
      origin: {
        rank: 2,
        file: 'mesh.yaml',
        line: key.includes('.') ? 2 : 1,
        column: key.includes('.') ? 3 : 1,
      },
    });
    const variables: Record<string, string> = env === undefined ? {} : { [env]: inEnv };
    const fromEnv = env === undefined ? fromFile : { value: typed(key, inEnv), origin: { rank: 1, env } };
    expect(read(file, variables).given(key)).toEqual(fromEnv);
    const value = typed(key, inFlag);
    const flags = flag === undefined ? {} : { [key]: value };
    const fromFlag = flag === undefined ? fromEnv : { value, origin: { rank: 0, flag: flag.split(' ')[0] } };
    expect(read(file, variables, flags).given(key)).toEqual(fromFlag);
  });

  test('limits are told apart by name, each from where it was said last', () => {
    const file = 'limits: { parked: 1000, waiting: 100, attemptMs: 20s }\n';
    const found = new Settings({
      flags: {},
      limitFlags: { parked: 3_000 },
      env: { MESH_LIMITS: 'parked=2000, cancels=200' },
      file: { path: 'mesh.yaml', text: file },
    });
    expect(found.problems).toEqual([]);
    expect([...found.limits].map(([name, { value, origin }]) => [name, value, origin.rank])).toEqual([
      ['parked', 3_000, 0],
      ['waiting', 100, 2],
      ['attemptMs', 20_000, 2],
      ['cancels', 200, 1],
    ]);
  });

  test('an empty variable says nothing, and an empty file is fine', () => {
    expect(read('', { NATS_URL: '', MESH_LIMITS: '' }).problems).toEqual([]);
    expect(read('server:\nlog:\n').problems).toEqual([]);
  });
});

/** Of each kind of thing one, and none that the shape takes. */
function wrong(key: SettingKey): string[] {
  const { shape } = table[key];
  const everywhere = ['', '{ a: 1 }'];
  switch (shape.is) {
    case 'whole':
      return [...everywhere, '[1]', 'x', '1.5', '-1', 'true', '1e9'];
    case 'part':
      return [...everywhere, '[1]', 'x', '1.5', '-1', 'true', '"0.5"'];
    case 'choice':
      return [...everywhere, '[1]', '7', 'true', 'x'];
    case 'flag':
      return [...everywhere, '[1]', '7', '"true"'];
    case 'list':
      return [...everywhere, '7', 'true', 'x'];
    case 'text':
      return [...everywhere, '[1]', 'true', ...('digits' in shape ? ['70000', '"a b"'] : ['7'])];
  }
}

describe('wrong types', () => {
  test.each(keys)('%s in the file: where, and what was expected', (key) => {
    for (const value of wrong(key)) {
      const [only, ...more] = read(fileWith(key, value)).problems;
      expect([only?.where, more, value]).toEqual([key, [], value]);
      expect(only).toMatchObject({ file: 'mesh.yaml', line: key.includes('.') ? 2 : 1 });
      expect(only?.why).toMatch(/^it must be /);
    }
  });

  test.each(keys.filter((key) => table[key].env !== undefined && table[key].shape.is !== 'text'))(
    '%s in the environment',
    (key) => {
      const env = table[key].env ?? '';
      const [only, ...more] = read(undefined, { [env]: 'x y' }).problems;
      expect([only?.file, only?.where, more]).toEqual(['the environment', env, []]);
      expect(only?.why).toMatch(/^it must be .*"x y"/);
    },
  );

  test.each(['server.url', 'server.natsContext', 'server.seed', 'users.caller'] as const)(
    '%s as a text that does not fit',
    (key) => {
      expect(read(fileWith(key, '"a b"')).problems).toHaveLength(1);
    },
  );

  test('an entry of a list', () => {
    expect(saidOf(read('serve:\n  allowHosts: [one, "a b", 7]\n'))).toEqual([
      '2:21 serve.allowHosts[1]: it must be a host name, not "a b"',
      '2:28 serve.allowHosts[2]: it must be a host name, not 7',
    ]);
    const env = 'MESH_SERVE_ALLOW_HOSTS';
    expect(read(undefined, { [env]: 'one, two' }).value('serve.allowHosts')).toEqual(['one', 'two']);
    expect(read(undefined, { [env]: 'one,,two' }).problems).toHaveLength(1);
  });

  test('line and column are those of the value', () => {
    const text = '# settings\ngateways: 2\n\nserver:\n  sync: always\n  port:   nine\n';
    expect(saidOf(read(text))).toEqual([
      '6:11 server.port: it must be a whole number from 1 to 65535, not "nine"',
    ]);
  });

  test('all are found in one go, in the order of the file', () => {
    const text = 'gateways: 0\nlog: [info]\nserver: { port: 70000, sync: never }\n';
    expect(read(text).problems.map(({ where, line }) => `${line} ${where}`)).toEqual([
      '1 gateways',
      '2 log',
      '3 server.port',
      '3 server.sync',
    ]);
    const error = problemError(read(text).problems);
    expect([error.code, error.details['file'], error.details['line']]).toEqual([
      'config_invalid',
      'mesh.yaml:1:11',
      1,
    ]);
  });

  test.each(['a: [', 'a: 1\na: 2', '- 1', '"text"', 'a: *b', '&a b: *a', '\u0000', '%YAML 9'])(
    '%j is refused and not thrown',
    (text) => {
      expect(read(text).problems.length).toBeGreaterThan(0);
    },
  );

  test('a secret is not repeated', () => {
    const found = read('server: { seed: SUSECRET }\n', { MESH_SEED: 'SUOTHER' });
    expect(found.problems).toHaveLength(2);
    expect(JSON.stringify(found.problems)).not.toMatch(/SUSECRET|SUOTHER/);
  });
});

describe('unknown keys', () => {
  test.each([
    ['gatways: 1', '1:1 gatways: there is no such key; did you mean gateways?'],
    ['server: { prot: 1 }', '1:11 server.prot: there is no such key; did you mean port?'],
    ['port: 4222', '1:1 port: there is no such key; did you mean server.port?'],
    ['log: { Level: warn }', '1:8 log.Level: there is no such key; did you mean level?'],
    ['limits: { parkd: 100 }', '1:11 limits.parkd: there is no such key; did you mean parked?'],
    ['limits: { leaseMs: 100 }', '1:11 limits.leaseMs: the limit leaseMs cannot be set'],
    ['1: 2', expect.stringMatching(/^1:1 1: there is no such key \(known: data, /) as unknown as string],
    ['<<: { port: 1 }', expect.stringMatching(/^1:1 <<: there is no such key/) as unknown as string],
  ])('%s', (text, said) => {
    expect(saidOf(read(`${text}\n`))).toEqual([said]);
  });

  test('variables that look like ours are refused, others are left alone', () => {
    const env = {
      MESH_PORTS: '1',
      MESH_GATEWAY: '2',
      MESH_SERVICE_HOST: '10.0.0.1',
      MESH_SERVICE_PORT: '4222',
      MESH_PORT: 'tcp://10.0.0.1:4222',
      MESH_PORT_4222_TCP: 'tcp://10.0.0.1:4222',
      MESH_ID: 'x',
      MESH_URL: 'nats://127.0.0.1:4222',
      MESH_CREDS: 'agent.json',
    };
    expect(read(undefined, env).problems.map(({ where, why }) => `${where}: ${why}`)).toEqual([
      'MESH_PORTS: there is no such variable; did you mean MESH_PORT?',
      'MESH_GATEWAY: there is no such variable; did you mean MESH_GATEWAYS?',
    ]);
  });

  test('flags', async () => {
    const command = withSettings(new Command('x'), ...keys.filter((key) => !key.startsWith('users.')))
      .exitOverride()
      .configureOutput({ outputError: () => undefined })
      .action(() => undefined);
    const run = (...argv: string[]): Promise<unknown> => command.parseAsync(argv, { from: 'user' });
    await expect(run('--prot', '1')).rejects.toThrow('--port');
    await expect(run('--port', '0')).rejects.toThrow('It must be a whole number from 1 to 65535.');
    await expect(run('--sync', 'maybe')).rejects.toThrow('It must be default or always.');
    await expect(run('--timeout', '5 weeks')).rejects.toThrow('or a duration such as 30s');
    await run('--timeout', '2min', '--port', '4222');
    expect(command.opts()).toMatchObject({ timeout: 120_000, port: 4_222 });
  });

  test.each([
    ['parked', 'must be name=value'],
    ['parkd=100', 'did you mean parked'],
    ['beatMs=100', 'cannot be set'],
    ['parked=1', 'from 100 to 1000000'],
    ['parked=many', 'from 100 to 1000000'],
    ['attemptMs=1d', 'from 100 to 3600000'],
    ['constructor=1', 'there is no limit'],
  ])('the limit %s: %s', (pair, why) => {
    expect(readLimit(pair)).toEqual({ why: expect.stringContaining(why) as string });
  });
});

describe('limits', () => {
  test('each range holds the value it has, and none loosens a promise', () => {
    for (const [name, [min, max]] of Object.entries(settable)) {
      const { value } = limitTable[name as LimitName];
      expect([name, value >= min && value <= max]).toEqual([name, true]);
    }
    expect([settable.dispatches?.[1], settable.crashTakes?.[1]]).toEqual([
      limitTable.dispatches.value,
      limitTable.crashTakes.value,
    ]);
  });

  test('set within the range they count, outside of it they are refused', () => {
    const before = limits.cancels;
    setLimits({ cancels: 500 });
    expect(limits.cancels).toBe(500);
    setLimits({ cancels: before });
    for (const bad of [{ cancels: 1 }, { cancels: 500.5 }, { cancels: Number.NaN }, { leaseMs: 3_000 }]) {
      expect(() => setLimits(bad)).toThrow(RangeError);
    }
    expect(limits.cancels).toBe(before);
  });
});

const ajv = new Ajv({ strict: true, allowUnionTypes: true });
const schemas = configSchemas();
const fitsConfig = ajv.compile(JSON.parse(schemas['mesh.schema.json'] ?? '') as object);
const fitsPolicy = ajv.compile(JSON.parse(schemas['policy.schema.json'] ?? '') as object);

describe('the schemas say what the readers say', () => {
  test.each(samples())('%s: %s', (key, value) => {
    const text = fileWith(key, value);
    const fine = readYaml(text, 'f', configShape).problems.length === 0;
    expect(fitsConfig(parseYaml(text))).toBe(fine);
  });

  test.each(
    policies()
      .map(([, text]) => text)
      .filter((text) => !text.includes('*a')),
  )('%s', (text) => {
    const fine =
      readPolicy(text, 'f').problems.filter(({ why }) => !why.startsWith('there is no role')).length === 0;
    expect(fitsPolicy(parseYaml(text))).toBe(fine);
  });

  test('patterns of capabilities are the same as on the wire', () => {
    const token = fc.constantFrom('*', '>', 'a', 'b-2', 'A', '', 'x'.repeat(64), 'x'.repeat(65), '>>', '**');
    fc.assert(
      fc.property(fc.array(token, { maxLength: 10 }), (tokens) => {
        const pattern = tokens.join('.');
        const text = `version: 1\nroles: { r: { call: [${JSON.stringify(pattern)}] } }`;
        expect(readPolicy(text, 'f').problems.length === 0).toBe(isPattern(pattern));
      }),
    );
  });
});

/** Settings with values that fit and values that do not. */
function samples(): [SettingKey, string][] {
  return keys.flatMap((key) =>
    [...wrong(key), fitting(key)[0]].map((value): [SettingKey, string] => [key, value]),
  );
}

/** What is wrong, the policy, and where that stands. */
function policies(): [string, string, string][] {
  return [
    ['an unknown key', 'version: 1\nrolls: {}\n', '2:1 rolls: there is no such key; did you mean roles?'],
    [
      'an unknown right',
      'version: 1\nroles: { r: { cal: [] } }\n',
      '2:15 roles.r.cal: there is no such key; did you mean call?',
    ],
    ['no version', 'roles: {}\n', '1:1 version: it is missing'],
    ['another version', 'version: 2\n', '1:10 version: it must be 1, not 2'],
    [
      'a word for a list',
      'version: 1\nroles:\n  r: { call: fs.read }\n',
      '3:14 roles.r.call: it must be a list, each entry a capability pattern (a * stands for one word, a > for all that follow), not "fs.read"',
    ],
    [
      'a bad pattern',
      "version: 1\nroles:\n  r:\n    call:\n      - fs.read\n      - 'A*'\n",
      '6:9 roles.r.call[1]: it must be a capability pattern (a * stands for one word, a > for all that follow), not "A*"',
    ],
    [
      'yes for true',
      'version: 1\nroles: { r: { mayRoot: yes } }\n',
      '2:24 roles.r.mayRoot: it must be true or false, not "yes"',
    ],
    [
      'a role that is not there',
      'version: 1\nroles: { reader: {} }\nmembers:\n  a: [raeder]\n',
      '4:7 members.a: there is no role raeder; did you mean reader?',
    ],
    [
      'a bad name',
      'version: 1\nmembers: { Bob: [] }\n',
      '2:12 members.Bob: the key must be a name: 1 to 64 of a-z 0-9 _ -',
    ],
    [
      'an unknown way',
      "version: 1\nrouting: { 'a.>': random }\n",
      '2:19 routing.a.>: it must be least-loaded or round-robin or fastest or cheapest or best or nearest or preferred or weighted, or a map, not "random"',
    ],
    [
      'an alias',
      'version: 1\nroles: &a {}\nmembers: *a\n',
      '3:10 members: it must be a map, not an alias (write the value out)',
    ],
  ];
}

function thrown(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (err) {
    return err;
  }
}

describe('the policy', () => {
  test.each(policies())('%s', (_, text, said) => {
    const [first] = readPolicy(text, 'mesh.policy.yaml').problems;
    expect(`${first?.line}:${first?.column} ${first?.where}: ${first?.why}`).toBe(said);
    const err = thrown(() => compilePolicy(text, 'mesh.policy.yaml'));
    expect(err).toBeInstanceOf(MeshError);
    expect((err as MeshError).code).toBe('config_invalid');
    expect((err as MeshError).details['file']).toMatch(/^mesh\.policy\.yaml:\d+:\d+$/);
  });
});

describe('what init writes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'capmesh-init-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const all = { data: '.mesh', policy: 'mesh.policy.yaml', port: 4_222, sync: 'always' };

  test('counts as it stands, and with every default taken from behind its #', () => {
    const text = renderConfig(folder, all);
    const found = read(text);
    expect(saidOf(found)).toEqual([]);
    expect([found.value('data'), found.value('server.port'), found.value('server.sync')]).toEqual([
      '.mesh',
      4_222,
      'always',
    ]);
    const open = text.replace(/^( *)# (?= *[a-z]\w*:( |$))/gm, '$1');
    expect(saidOf(read(open))).toEqual([]);
    const said = keys.filter((key) => read(open).given(key) !== undefined);
    expect(said).toEqual(
      expect.arrayContaining(['gateways', 'users.operator', 'call.timeoutMs', 'log.level']),
    );
    for (const key of said.filter((one) => read(text).given(one) === undefined)) {
      expect([key, read(open).value(key)]).toEqual([key, table[key].otherwise]);
    }
    expect(readPolicy(renderPolicy(folder), 'p').problems).toEqual([]);
  });

  test('names its schema where the package is installed, and where it is not', () => {
    const project = join(folder, 'project');
    const inner = join(project, '.mesh');
    mkdirSync(join(project, 'node_modules'), { recursive: true });
    symlinkSync(resolve('.'), join(project, 'node_modules', 'capmesh'));
    const pathIn = (where: string, schema: 'mesh' | 'policy'): string =>
      resolve(where, schemaLine(where, schema).replace('# yaml-language-server: $schema=', ''));
    expect(schemaLine(project, 'mesh')).toBe(
      '# yaml-language-server: $schema=node_modules/capmesh/schemas/config/mesh.schema.json',
    );
    expect(schemaLine(inner, 'policy')).toContain('=../node_modules/capmesh/');
    for (const where of [project, inner, folder]) {
      expect([where, existsSync(pathIn(where, 'mesh')), existsSync(pathIn(where, 'policy'))]).toEqual([
        where,
        true,
        true,
      ]);
    }
    expect(renderConfig(project, all).split('\n')[0]).toBe(schemaLine(project, 'mesh'));
    expect(renderPolicy(project).split('\n')[0]).toBe(schemaLine(project, 'policy'));
  });
});

describe('the commands take their flags from the table', () => {
  const shared = (
    ['data', 'server.url', 'server.creds', 'server.natsContext', 'policy', 'log.level'] as const
  ).map((key) => [table[key].flag?.split(' ')[0], helpOf(key)] as const);

  test.each(modules)('%s', (_, { register }) => {
    const program = new Command('mesh');
    register(program);
    const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
    const options = all(program).flatMap((command) =>
      // This one also takes the url of what is to be mounted.
      command.options.filter(({ long }) => command.parent?.name() !== 'mount' || long !== '--url'),
    );
    expect(options.length).toBeGreaterThan(0);
    for (const { long, description } of options) {
      const own = shared.find(([flag]) => flag === long);
      expect([long, description]).toEqual([long, own?.[1] ?? description]);
    }
  });
});

test('durations and limits in ms take a unit', () => {
  expect(Object.entries(limitShapes).filter(([name]) => name.endsWith('Ms')).length).toBeGreaterThan(4);
  expect(readLimit('attemptMs=30s')).toEqual({ name: 'attemptMs', value: 30_000 });
  expect(readLimit('attemptMs=2 min')).toEqual({ name: 'attemptMs', value: 120_000 });
  expect(readLimit('parked=30s')).toHaveProperty('why');
});
