/**
 * How much disk a folder takes.
 */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const SECTOR = 512;

/** Bytes that the files below the folder occupy. Files may vanish while it looks. */
export function diskUse(folder: string): number {
  let bytes = 0;
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    bytes += entry.isDirectory() ? diskUse(path) : fileUse(path);
  }
  return bytes;
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function fileUse(path: string): number {
  try {
    return lstatSync(path).blocks * SECTOR;
  } catch {
    return 0;
  }
}
