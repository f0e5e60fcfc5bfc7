/**
 * What all doors over HTTP share: the address, who may come in, and as whom.
 */
import type { Allowed } from '../../adapters/door/gate.js';
import type { Listening } from '../../adapters/door/listen.js';
import { connect, type Mesh } from '../../agent/index.js';
import type { Settings } from '../../domain/config/resolve.js';
import type { SettingKey } from '../../domain/config/settings.js';
import { credentialsFile, loadCredentials } from '../../fabric/users.js';
import { meshError } from '../../wire/errors.js';
import { CONNECTS, folderOf, serverOf, type ContextOptions } from '../context.js';
import { note, say, sayJson } from '../output.js';
import { readSettings, type Flags } from '../settings.js';
import { readState } from '../state.js';
import { isLoopback, isWildcard, type Address } from './address.js';
import { TokenBook } from './tokens.js';

/** Settings of every door. */
export const DOORS = ['serve.allowHosts', 'serve.allowOrigins', 'call.timeoutMs'] as const;

/** A door that is open. */
export interface Door {
  readonly url: string;
  close(): Promise<void>;
}

/** What a door is opened with. */
export interface DoorTerms extends Listening {
  readonly allowed: Allowed;
  readonly who: (bearer: string) => string | undefined;
  readonly join: (user: string) => Promise<Mesh>;
}

/** Something that runs until somebody leaves. */
export interface Running {
  readonly left: Promise<void>;
  readonly close: () => Promise<void>;
}

/** Open one and say where it is; `what` is spoken there. Throws usage, not_running, port_in_use, config_*. */
export async function overHttp(
  what: string,
  at: Address,
  options: ContextOptions,
  keys: readonly SettingKey[],
  open: (terms: DoorTerms, settings: Settings) => Promise<Door>,
): Promise<Running> {
  if ([options.as, options.creds, options.natsContext].some((one) => one !== undefined)) {
    const why = 'over HTTP the bearer token says who a client is, not --as, --creds or --nats-context';
    throw meshError('usage', { why });
  }
  const settings = readSettings(options as Flags, [...CONNECTS, ...DOORS, ...keys]);
  const hosts = lower(settings.value('serve.allowHosts'));
  if (isWildcard(at) && hosts.length === 0) {
    throw meshError('usage', { why: `--http ${at.host}:${at.port} needs --allow-host <name>` });
  }
  const dir = folderOf(settings);
  serverAt(settings, dir);
  const tokens = new TokenBook(dir, note);
  const terms: DoorTerms = {
    ...at,
    allowed: {
      hosts: isWildcard(at) ? hosts : [...hosts, nameOf(at)],
      origins: lower(settings.value('serve.allowOrigins')),
    },
    who: (bearer) => tokens.who(bearer),
    join: (user) => {
      const creds = loadCredentials(credentialsFile(dir, user));
      return connect({ url: serverAt(settings, dir), creds });
    },
  };
  const door = await open(terms, settings);
  tell(what, door.url, at, tokens.size, options.json === true);
  const close = async (): Promise<void> => {
    tokens.stop();
    await door.close();
  };
  return { left: new Promise(() => undefined), close };
}

/** The server of now: a mesh that was started again may have another port. Throws not_running. */
function serverAt(settings: Settings, dir: string): string {
  const server = serverOf(settings, readState(dir));
  if (server === undefined) {
    throw meshError('not_running', { folder: dir });
  }
  return server.url;
}

function lower(names: readonly string[] = []): string[] {
  return names.map((name) => name.toLowerCase());
}

function nameOf({ host }: Address): string {
  return host.includes(':') ? `[${host}]` : host.toLowerCase();
}

function tell(what: string, url: string, at: Address, tokens: number, json: boolean): void {
  if (json) {
    sayJson({ ready: true, url, pid: process.pid });
  } else {
    say(`${what} at ${url}`);
  }
  if (tokens === 0) {
    note('nobody may come in yet: mesh serve token add <user>');
  }
  if (!isLoopback(at)) {
    note('others can reach this machine: tokens cross the network in clear text unless a proxy adds TLS');
  }
}
