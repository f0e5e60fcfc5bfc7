/**
 * The settings of the `mesh` command, as data: key in `mesh.yaml`, variable, flag, what it holds, and what counts when
 * nobody says anything. The flags of the commands, the shape of the file, `docs/reference/config.md` and what
 * `mesh init` writes are made from this table.
 */
import { limitTable } from '../../wire/limits.js';
import { STAGES, type Stage } from '../../wire/stages.js';
import { acceptable } from '../weakness/acceptable.js';
import { mountSettings } from './mount-settings.js';
import {
  whole,
  type Choice,
  type Flag,
  type List,
  type OneShape,
  type Part,
  type Text,
  type ValueOf,
} from './shape.js';

/** One setting. */
export interface Setting {
  readonly shape: OneShape | List<Text> | List<Choice>;
  /** As the commands take it, with the name of its value. Secrets have none: arguments can be read by everybody. */
  readonly flag?: string;
  /** Several commands may have the same flag for different settings. */
  readonly env?: string;
  /** What it is for, in a few words without a stop. */
  readonly what: string;
  /** What counts when nobody says anything; a word for it where it is not a value. */
  readonly otherwise: string | number | boolean;
  /** A path: in the file it begins at the folder of the file, else at the current one. */
  readonly path?: true;
}

const file: Text = { is: 'text', expected: 'a path', pattern: /^[^\0\n]{1,1024}$/ };

const user: Text = { is: 'text', expected: 'a name: 1 to 64 of a-z 0-9 _ -', pattern: /^[a-z0-9_-]{1,64}$/ };

const url: Text = {
  is: 'text',
  expected: 'the url of a NATS server (nats://host:4222)',
  pattern: /^(?:(?:nats|tls|wss?):\/\/)?[^\s/]+$/,
};

const seed: Text = {
  is: 'text',
  expected: 'the seed of a user (SU…)',
  pattern: /^SU[A-Z2-7]{56}$/,
  secret: true,
};

/** The same forms as for `mesh serve mcp --http`. */
const listen: Text = {
  is: 'text',
  expected: 'a port, host:port, or off',
  pattern:
    /^(?:off|(?:(?:\[[0-9a-fA-F:]+\]|[\w.-]+):)?(?:\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5]))$/,
  digits: 65_535,
};

const ratio: Part = { is: 'part', min: 0, max: 1 };

const yesOrNo: Flag = { is: 'flag' };

const hosts: List<Text> = {
  is: 'list',
  of: { is: 'text', expected: 'a host name', pattern: /^[\w.:[\]-]{1,253}$/ },
};

const origins: List<Text> = {
  is: 'list',
  of: { is: 'text', expected: 'an origin (https://host)', pattern: /^https?:\/\/[^\s/,]{1,253}$/ },
};

const accepted: List<Text> = {
  is: 'list',
  of: {
    is: 'text',
    expected: acceptable.join(', '),
    pattern: new RegExp(`^(?:${acceptable.join('|')})$`),
  },
};

const sync: Choice<'default' | 'always'> = { is: 'choice', of: ['default', 'always'] };

const level: Choice<'silent' | 'error' | 'warn' | 'info' | 'debug'> = {
  is: 'choice',
  of: ['silent', 'error', 'warn', 'info', 'debug'],
};

/** Every setting but the limits, by its key. */
export const settings = {
  data: {
    shape: file,
    flag: '--data <folder>',
    env: 'MESH_DATA',
    what: 'data folder: keys, credentials, streams, logs',
    otherwise: '.mesh',
    path: true,
  },
  policy: {
    shape: file,
    flag: '--policy <file>',
    env: 'MESH_POLICY',
    what: 'policy: who may do what',
    otherwise: 'mesh.policy.yaml in the data folder',
    path: true,
  },
  gateways: {
    shape: whole(1, 64),
    flag: '--gateways <n>',
    env: 'MESH_GATEWAYS',
    what: 'how many gateways mesh up starts',
    otherwise: 1,
  },
  split: {
    shape: { is: 'list', of: { is: 'choice', of: STAGES } } as List<Choice<Stage>>,
    flag: '--split <stages>',
    env: 'MESH_SPLIT',
    what: 'stages of the chain that interceptors judge, with commas: authority, policy',
    otherwise: 'none',
  },
  identity: {
    shape: whole(0, 16),
    flag: '--identity <n>',
    env: 'MESH_IDENTITY',
    what: 'how many processes say who connects; with none the server knows all users itself',
    otherwise: 0,
  },
  'server.url': {
    shape: url,
    flag: '--url <url>',
    env: 'NATS_URL',
    what: 'a server that is not ours; mesh up then starts none',
    otherwise: 'the mesh that runs on the data folder',
  },
  'server.port': {
    shape: whole(1, 65_535),
    flag: '--port <n>',
    env: 'MESH_PORT',
    what: 'port of our server on 127.0.0.1',
    otherwise: 'a free one',
  },
  'server.sync': {
    shape: sync,
    flag: '--sync <mode>',
    env: 'MESH_SYNC',
    what: 'when our server flushes to disk; only always survives a power loss',
    otherwise: 'default',
  },
  'server.offline': {
    shape: yesOrNo,
    flag: '--offline',
    env: 'MESH_OFFLINE',
    what: 'fetch no nats-server when none is found',
    otherwise: false,
  },
  'server.accept': {
    shape: accepted,
    flag: '--accept <check>',
    env: 'MESH_ACCEPT',
    what: 'check of mesh doctor that need not be fine for a gateway to start, which it says at every start',
    otherwise: 'none',
  },
  'server.creds': {
    shape: file,
    flag: '--creds <file>',
    env: 'MESH_CLI_CREDS',
    what: 'credentials file to use instead of those in the data folder',
    otherwise: 'the user in the data folder',
    path: true,
  },
  'server.natsContext': {
    shape: { is: 'text', expected: 'the name of a context', pattern: /^[\w-]{1,64}$/ },
    flag: '--nats-context <name>',
    env: 'MESH_NATS_CONTEXT',
    what: 'context of the nats command to take server and nkey from',
    otherwise: 'none',
  },
  'server.seed': {
    shape: seed,
    env: 'MESH_SEED',
    what: 'nkey seed of the user, instead of a file',
    otherwise: 'none',
  },
  'users.caller': {
    shape: user,
    flag: '--as <name>',
    env: 'MESH_AS',
    what: 'who calls: a name with credentials in the data folder',
    otherwise: 'me',
  },
  'users.operator': {
    shape: user,
    flag: '--as <name>',
    env: 'MESH_OPERATOR',
    what: 'operator or viewer who looks and commands',
    otherwise: 'operator',
  },
  'users.gateway': {
    shape: user,
    flag: '--as <name>',
    what: 'user that gateways are',
    otherwise: 'gateway',
  },
  'users.control': {
    shape: user,
    flag: '--as <name>',
    what: 'user that control is',
    otherwise: 'control',
  },
  'call.timeoutMs': {
    shape: whole(1, limitTable.lifeMaxMs.value, 'ms'),
    flag: '--timeout <ms>',
    env: 'MESH_TIMEOUT',
    what: 'how long a call may take',
    otherwise: limitTable.deadlineDefaultMs.value,
  },
  'call.inFlight': {
    shape: whole(1, limitTable.pendingCalls.value),
    flag: '--in-flight <n>',
    what: 'with --each: calls at a time',
    otherwise: 64,
  },
  ...mountSettings,
  'serve.names': {
    shape: { is: 'choice', of: ['plain', 'dots'] } as Choice<'plain' | 'dots'>,
    flag: '--names <style>',
    env: 'MESH_SERVE_NAMES',
    what: 'plain: fs.read is the tool fs__read; dots: it is fs.read',
    otherwise: 'plain',
  },
  'serve.allowHosts': {
    shape: hosts,
    flag: '--allow-host <name>',
    env: 'MESH_SERVE_ALLOW_HOSTS',
    what: 'over HTTP: host names that are served too',
    otherwise: 'none',
  },
  'serve.allowOrigins': {
    shape: origins,
    flag: '--allow-origin <origin>',
    env: 'MESH_SERVE_ALLOW_ORIGINS',
    what: 'over HTTP: origins whose pages are served too',
    otherwise: 'none',
  },
  'views.rows': {
    shape: whole(1, limitTable.viewRows.value),
    flag: '--limit <n>',
    what: 'rows that a listing shows',
    otherwise: 50,
  },
  'log.level': {
    shape: level,
    flag: '--log <level>',
    env: 'MESH_LOG',
    what: 'how much gateways and control write to their logs',
    otherwise: 'warn',
  },
  'metrics.listen': {
    shape: listen,
    flag: '--metrics <where>',
    env: 'MESH_METRICS',
    what: 'where /metrics, /healthz and /readyz are: port, host:port or off',
    otherwise: 'a free port on 127.0.0.1',
  },
  'trace.ratio': {
    shape: ratio,
    flag: '--trace-ratio <0-1>',
    env: 'MESH_TRACE_RATIO',
    what: 'share of traces that are sampled',
    otherwise: 0.1,
  },
} as const satisfies Record<string, Setting>;

/** Key of a setting. */
export type SettingKey = keyof typeof settings;

/** What a setting holds. */
export type SettingValue<K extends SettingKey> = ValueOf<(typeof settings)[K]['shape']>;

/** How limits are set: not one setting each, but a list of `name=value`. */
export const limitSource = { flag: '--set-limit <name=value>', env: 'MESH_LIMITS', key: 'limits' } as const;

/** Variables that are read elsewhere: no setting, and no mistake. */
export const otherVariables: readonly string[] = ['MESH_CONFIG', 'MESH_URL', 'MESH_CREDS'];
