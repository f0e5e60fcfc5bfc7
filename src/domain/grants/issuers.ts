/**
 * Who may issue grants, as `mesh.policy.yaml` lists them.
 */
import { publicKeyBytes } from '../../wire/nkey.js';

/** Name → public nkey. */
export type Issuers = ReadonlyMap<string, string>;

/** The name under which the mesh itself issues. */
export const MESH_ISSUER = 'mesh';

/** What is wrong with a list of issuers: the name, and why. */
export function issuerTroubles(issuers: Readonly<Record<string, string>>): [name: string, why: string][] {
  const seen = new Map<string, string>();
  return Object.entries(issuers).flatMap(([name, key]): [string, string][] => {
    const other = seen.get(key);
    seen.set(key, name);
    const why =
      name === MESH_ISSUER
        ? 'the mesh issues under this name itself'
        : publicKeyBytes(key) === undefined
          ? 'it is no public nkey: its checksum is wrong'
          : other === undefined
            ? undefined
            : `${other} has the same key`;
    return why === undefined ? [] : [[name, why]];
  });
}
