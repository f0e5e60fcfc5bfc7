/**
 * Delegating a grant with the key of a connection. The key signs here and goes nowhere.
 */
import type { Constraint } from '../domain/grants/arguments.js';
import { delegateGrant, type Terms } from '../domain/grants/sign.js';
import { privateKeyOf, publicKeyOf } from '../fabric/keys.js';
import type { DelegateOptions } from './options.js';

/** Throws grant_widened, grant_unproven, grant_unreadable, grant_too_large. */
export async function delegate(
  seed: string,
  grant: string,
  { to, key, lifeMs, args, ...rest }: DelegateOptions,
): Promise<string> {
  const where = 'the credentials';
  const signer = { key: privateKeyOf(seed, where), publicKey: publicKeyOf(seed, where) };
  const terms: Partial<Terms> = {
    ...rest,
    ...(args === undefined ? {} : { args: args as readonly Constraint[] }),
    ...(lifeMs === undefined ? {} : { exp: Math.floor((Date.now() + lifeMs) / 1_000) }),
  };
  return (await delegateGrant(signer, grant.trim(), { name: to, publicKey: key }, terms)).text;
}
