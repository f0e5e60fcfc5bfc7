/**
 * Where a command works: the data folder, the mesh that runs on it, and who the command is.
 */
import { join, resolve } from 'node:path';
import type { Origin, Settings } from '../domain/config/resolve.js';
import type { SettingKey } from '../domain/config/settings.js';
import { places } from '../fabric/folder.js';
import { readNatsContext } from '../fabric/nats-context.js';
import { credentialsFile, loadCredentials } from '../fabric/users.js';
import { meshError } from '../wire/errors.js';
import { pathIn, readSettings, type Flags } from './settings.js';
import { readState, type MeshState } from './state.js';

/** Options that every command of a running mesh takes. */
export interface ContextOptions {
  readonly data?: string;
  /** Whose credentials to use. */
  readonly as?: string;
  readonly url?: string;
  readonly creds?: string;
  readonly natsContext?: string;
  readonly policy?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** Flags of every command that connects. */
export const CONNECTS = ['data', 'server.url', 'server.creds', 'server.natsContext'] as const;

/** Who connects. */
export interface Identity {
  readonly name: string;
  readonly seed: string;
  /** The server that comes with it. */
  readonly url?: string;
}

/** What a command needs to reach the mesh as somebody. */
export interface Context {
  readonly dir: string;
  readonly url: string;
  readonly credentials: Identity;
  readonly policyFile: string;
  /** Missing when nobody started a mesh on this folder, for example on another machine. */
  readonly state: MeshState | undefined;
  readonly settings: Settings;
}

/** The setting that names a user, by the name it has when nobody says anything. */
const USERS: Readonly<Record<string, SettingKey>> = {
  me: 'users.caller',
  operator: 'users.operator',
  gateway: 'users.gateway',
  control: 'users.control',
};

/** The data folder: `--data`, else MESH_DATA, else `data` in the settings file, else `.mesh` here. */
export function dataFolder(option?: string, config?: string): string {
  const flags = {
    ...(option === undefined ? {} : { data: option }),
    ...(config === undefined ? {} : { config }),
  };
  return folderOf(readSettings(flags, ['data']));
}

/** The data folder in force. */
export function folderOf(settings: Settings): string {
  return pathIn(settings, 'data') ?? resolve('.mesh');
}

/**
 * Find the mesh and load credentials. `user` is who the command is when nobody says anything; `keys` are further
 * settings whose flags it takes. Throws `not_running`, `config_missing`, `config_invalid`.
 */
export function openContext(
  options: ContextOptions,
  user: string,
  keys: readonly SettingKey[] = [],
): Context {
  const named = USERS[user];
  const settings = readSettings(options as Flags, [
    ...CONNECTS,
    'policy',
    ...(named === undefined ? [] : [named]),
    ...keys,
  ]);
  return contextOf(settings, user, options.as);
}

/** The same from settings that were read already. */
export function contextOf(settings: Settings, user: string, as?: string): Context {
  const dir = folderOf(settings);
  const state = readState(dir);
  const who = whoOf(settings, user, as);
  const credentials = identify(settings, dir, who, state);
  const url = serverOf(settings, state, credentials)?.url;
  if (url === undefined) {
    throw meshError('not_running', { folder: dir });
  }
  const policyFile = pathIn(settings, 'policy') ?? state?.policy ?? join(dir, places.policy);
  return { dir, url, credentials: credentials.identity, policyFile, state, settings };
}

/** A server and who said so. */
export interface ServerChoice {
  readonly url: string;
  readonly origin: Origin | 'running' | 'credentials';
}

/** The server to connect to: what runs on the data folder stands above variables and files, which mean other folders too. */
export function serverOf(
  settings: Settings,
  state: MeshState | undefined,
  credentials?: Credentials,
): ServerChoice | undefined {
  const given = settings.given('server.url');
  const own = credentials?.identity.url;
  const foreign = credentials?.from === 'server.natsContext';
  if (given?.origin.rank === 0) {
    return { url: given.value, origin: given.origin };
  }
  if (foreign && own !== undefined && credentials.rank <= (given?.origin.rank ?? 3)) {
    return { url: own, origin: 'credentials' };
  }
  if (state !== undefined && !foreign) {
    return { url: state.url, origin: 'running' };
  }
  if (given !== undefined) {
    return { url: given.value, origin: given.origin };
  }
  return own === undefined ? undefined : { url: own, origin: 'credentials' };
}

interface Who {
  readonly name: string;
  /** Whoever is named on the command line is meant, whatever else is set. */
  readonly rank: number;
}

function whoOf(settings: Settings, user: string, as: string | undefined): Who {
  const key = USERS[user];
  if (key === undefined) {
    return { name: as ?? user, rank: as === undefined ? 3 : 0 };
  }
  return { name: String(settings.value(key) ?? user), rank: settings.origin(key).rank };
}

/** Credentials and which setting they come from. */
export interface Credentials {
  readonly identity: Identity;
  readonly from: 'server.seed' | 'server.creds' | 'server.natsContext' | 'data';
  readonly rank: number;
}

const WAYS = ['server.seed', 'server.creds', 'server.natsContext'] as const;

/**
 * Of several ways to say who we are the one that was said nearest counts. A name beside a seed completes it; a name
 * that was said nearer than a credentials file means the data folder.
 */
function identify(settings: Settings, dir: string, who: Who, state: MeshState | undefined): Credentials {
  const ranked = WAYS.flatMap((key) => {
    const given = settings.given(key);
    const outdone = key === 'server.creds' && given !== undefined && given.origin.rank > who.rank;
    return given === undefined || outdone ? [] : [{ key, given }];
  }).sort((a, b) => a.given.origin.rank - b.given.origin.rank);
  const [first] = ranked;
  if (first === undefined) {
    const reachable = serverOf(settings, state) !== undefined;
    return { identity: loadOwn(dir, who.name, reachable), from: 'data', rank: who.rank };
  }
  const { key, given } = first;
  const { rank } = given.origin;
  switch (key) {
    case 'server.seed':
      return { identity: { name: who.name, seed: given.value }, from: key, rank };
    case 'server.creds':
      return { identity: loadCredentials(pathIn(settings, key) ?? ''), from: key, rank };
    case 'server.natsContext':
      return { identity: readNatsContext(given.value, who.name), from: key, rank };
  }
}

function loadOwn(dir: string, name: string, reachable: boolean): Identity {
  try {
    return loadCredentials(credentialsFile(dir, name));
  } catch (err) {
    // Without a mesh the missing file is a symptom; name the cause.
    throw reachable ? err : meshError('not_running', { folder: dir }, err);
  }
}

/** What runs on the folder. Throws `not_running`. */
export function runningState(dir: string): MeshState {
  const state = readState(dir);
  if (state === undefined) {
    throw meshError('not_running', { folder: dir });
  }
  return state;
}
