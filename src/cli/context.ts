/**
 * Where a command works: the data folder, the mesh that runs on it, and who the command is.
 */
import { join, resolve } from 'node:path';
import { places } from '../fabric/folder.js';
import { credentialsFile, loadCredentials, type Credentials } from '../fabric/users.js';
import { meshError } from '../wire/errors.js';
import { readState, type MeshState } from './state.js';

/** Options that every command of a running mesh takes. */
export interface ContextOptions {
  readonly data?: string;
  /** Whose credentials to use. */
  readonly as?: string;
  readonly url?: string;
  readonly policy?: string;
  readonly json?: boolean;
}

/** What a command needs to reach the mesh as somebody. */
export interface Context {
  readonly dir: string;
  readonly url: string;
  readonly credentials: Credentials;
  readonly policyFile: string;
  /** Missing when nobody started a mesh on this folder, for example on another machine. */
  readonly state: MeshState | undefined;
}

/** The data folder: `--data`, else MESH_DATA, else `.mesh` here. */
export function dataFolder(option?: string): string {
  return resolve(option ?? process.env['MESH_DATA'] ?? '.mesh');
}

/** Find the mesh and load credentials. Throws `not_running`, `config_missing`. */
export function openContext(options: ContextOptions, defaultName: string): Context {
  const dir = dataFolder(options.data);
  const state = readState(dir);
  const given = options.url ?? state?.url ?? process.env['NATS_URL'];
  const credentials = loadOwn(dir, options.as ?? defaultName, given !== undefined);
  const url = given ?? credentials.url;
  if (url === undefined) {
    throw meshError('not_running', { folder: dir });
  }
  const policyFile = resolve(options.policy ?? state?.policy ?? join(dir, places.policy));
  return { dir, url, credentials, policyFile, state };
}

function loadOwn(dir: string, name: string, reachable: boolean): Credentials {
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
