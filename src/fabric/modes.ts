/**
 * Which files of a data folder others can read. Where a file system knows no modes there is nothing to say.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { places } from './folder.js';

const SECRETS = [
  places.users,
  places.usersConf,
  places.identityKeys,
  places.issuer,
  places.tokens,
  places.calloutConf,
];

/** Folders and secrets of the folder that others than their owner can read or write. */
export function openFiles(dir: string): string[] {
  if (process.platform === 'win32') {
    return [];
  }
  const creds = join(dir, places.creds);
  const secrets = [...SECRETS.map((name) => join(dir, name)), ...list(creds)];
  return [dir, creds, ...secrets].filter(isOpen);
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => join(folder, name));
  } catch {
    return [];
  }
}

function isOpen(path: string): boolean {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  return (mode & 0o077) !== 0;
}
