/**
 * A configuration that is wider than the shipped one in one place: what the suite must find.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { places } from '../../src/fabric/folder.js';
import { readUsers, snippetFor, type User } from '../../src/fabric/users.js';
import type { TestMesh } from '../support/mesh.js';

/** Subjects that these users may use too. */
export interface Widening {
  readonly users: (user: User) => boolean;
  readonly publish?: readonly string[];
  readonly subscribe?: readonly string[];
}

/** Let these users do more, on a server that runs. */
export async function widen(
  mesh: TestMesh,
  { users, publish = [], subscribe = [] }: Widening,
): Promise<void> {
  const blocks = readUsers(mesh.dir).map((user) =>
    users(user) ? add(add(snippetFor(user), 'publish', publish), 'subscribe', subscribe) : snippetFor(user),
  );
  writeFileSync(join(mesh.dir, places.usersConf), ['users: [', ...blocks, ']', ''].join('\n'));
  await mesh.server.reload();
}

function add(block: string, right: string, subjects: readonly string[]): string {
  const more = subjects.map((subject) => JSON.stringify(subject)).join(', ');
  return subjects.length === 0
    ? block
    : block
        .replace(`${right}: { deny: [">"] }`, `${right}: { allow: [${more}] }`)
        .replace(`${right}: { allow: [`, `${right}: { allow: [${more}, `);
}
