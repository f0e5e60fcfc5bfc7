/**
 * Who may issue grants, as `mesh.policy.yaml` lists them.
 */
import { isToken } from '../../wire/names.js';
import { publicKeyBytes } from '../../wire/nkey.js';

/** Name → public nkey. */
export type Issuers = ReadonlyMap<string, string>;

/** Read `issuers:` of a policy: a map of names to public nkeys, each key once. The name `mesh` is the mesh's own. */
export function readIssuers(value: unknown, refuse: (where: string, why: string) => never): Issuers {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuse('/issuers', 'it must be a map of names to public nkeys');
  }
  const issuers = new Map<string, string>();
  for (const [name, key] of Object.entries(value as Record<string, unknown>)) {
    const where = `/issuers/${name}`;
    if (!isToken(name) || name === 'mesh') {
      refuse(where, 'it is not a name, or the one that the mesh issues under itself');
    }
    if (typeof key !== 'string' || publicKeyBytes(key) === undefined) {
      refuse(where, 'it must be a public nkey: U and 55 letters or digits');
    }
    if ([...issuers.values()].includes(key as string)) {
      refuse(where, 'another issuer has the same key');
    }
    issuers.set(name, key as string);
  }
  return issuers;
}
