/**
 * Whom a grant is made for: a name and the key that it has now.
 */
import type { Holder } from '../../domain/grants/sign.js';
import { asksIdentity } from '../../fabric/callout-conf.js';
import { connectBroker } from '../../fabric/connection.js';
import { holderKey } from '../../fabric/grants.js';
import { readUsers } from '../../fabric/users.js';
import { meshError } from '../../wire/errors.js';
import { asToken, type Token } from '../../wire/names.js';
import { contextOf } from '../context.js';
import { readSettings } from '../settings.js';

/** What the options say of the holder. */
export interface HolderOptions {
  readonly to: string;
  readonly key?: string;
  readonly data?: string;
  readonly config?: string;
}

/**
 * The key that was given, else the one that the mesh has for a name that has joined, else the one of the data folder.
 * Throws usage.
 */
export async function holderOf(dir: string, options: HolderOptions): Promise<Holder> {
  const name = asToken(options.to, '--to');
  const own = readUsers(dir).find((user) => user.name === name)?.publicKey;
  const publicKey = options.key ?? (asksIdentity(dir) ? await joinedKey(name, options) : undefined) ?? own;
  if (publicKey === undefined) {
    throw meshError('usage', {
      why: `${name} is no user of ${dir} and has not joined the mesh: add it, or give its public key with --key`,
    });
  }
  return { name, publicKey };
}

/** Nothing when the mesh does not run, or we may not ask it: then the folder or --key has to do. */
async function joinedKey(name: Token, { data, config }: HolderOptions): Promise<string | undefined> {
  const flags = { ...(data === undefined ? {} : { data }), ...(config === undefined ? {} : { config }) };
  try {
    const { url, credentials } = contextOf(readSettings(flags, ['data', 'users.operator']), 'operator');
    const nc = await connectBroker({ url, name: credentials.name, seed: credentials.seed });
    try {
      return await holderKey(nc, name);
    } finally {
      await nc.close();
    }
  } catch {
    return undefined;
  }
}
