/**
 * Contexts of the `nats` command: where a server is and who we are to it, as its users keep it already.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { meshError } from '../wire/errors.js';
import { isToken } from '../wire/names.js';
import { readJson, textIfAny } from './folder.js';

/** What of a context is used. */
export interface NatsContext {
  readonly name: string;
  readonly seed: string;
  readonly url?: string;
}

/** The file of a context: below XDG_CONFIG_HOME, else `.config` of the user. */
export function natsContextFile(context: string): string {
  const config = process.env['XDG_CONFIG_HOME'];
  const base = config === undefined || config === '' ? join(homedir(), '.config') : config;
  return join(base, 'nats', 'context', `${context}.json`);
}

/**
 * Read a context. It must sign in with an nkey; its inbox prefix says the user's name, else `name` counts.
 * Throws config_missing, config_invalid.
 */
export function readNatsContext(context: string, name: string): NatsContext {
  const file = natsContextFile(context);
  const value = readJson(file);
  if (value === undefined) {
    throw meshError('config_missing', { what: `the context of the nats command ${file}` });
  }
  const { url, nkey, inbox_prefix: inbox } = value as Record<string, unknown>;
  const seed = typeof nkey === 'string' && nkey !== '' ? textIfAny(nkey)?.trim() : undefined;
  if (seed === undefined) {
    throw meshError('config_invalid', { file, where: 'nkey', why: 'it must name the file of an nkey seed' });
  }
  const own = typeof inbox === 'string' ? /^_INBOX\.([^.]+)$/.exec(inbox)?.[1] : undefined;
  return {
    name: isToken(own) ? own : name,
    seed,
    ...(typeof url === 'string' && url !== '' ? { url } : {}),
  };
}
