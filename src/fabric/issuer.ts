/**
 * The key with which the mesh issues grants: made by `mesh up`, kept in the data folder, readable by its owner only.
 */
import { join } from 'node:path';
import { meshError } from '../wire/errors.js';
import { locked, places, readJson, writeWhole } from './folder.js';
import { createUserKey, publicKeyOf, type UserKey } from './keys.js';

/** The issuer key of the folder; made when there is none. Throws config_invalid, folder_unusable. */
export async function ensureIssuer(dir: string): Promise<UserKey> {
  return await locked(join(dir, places.usersLock), () => {
    const had = readIssuer(dir);
    if (had !== undefined) {
      return had;
    }
    const fresh = createUserKey();
    writeWhole(join(dir, places.issuer), `${JSON.stringify(fresh, undefined, 2)}\n`);
    return fresh;
  });
}

/** The issuer key of the folder, or undefined when it has none. Throws config_invalid. */
export function readIssuer(dir: string): UserKey | undefined {
  const file = join(dir, places.issuer);
  const value = readJson(file) as Partial<UserKey> | null | undefined;
  if (value === undefined) {
    return undefined;
  }
  if (typeof value?.seed !== 'string') {
    throw meshError('config_invalid', { file, where: '/seed', why: 'it is not there' });
  }
  return { seed: value.seed, publicKey: publicKeyOf(value.seed, file) };
}
