/**
 * The server's configuration: `nats-server.conf` at the top of the package is the template, the rendering lies in the
 * data folder.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { places, textIfAny, writeWhole } from './folder.js';
import { packageFile } from './package.js';

/** How often the server flushes to disk: every two minutes, or before each acknowledgement. */
export type Sync = 'default' | 'always';

/** What varies from run to run. */
export interface ServerSettings {
  readonly dir: string;
  /** -1 lets the server choose a free one. */
  readonly port: number;
  readonly sync: Sync;
  /** A public key whose seed nobody has. */
  readonly nobody: string;
}

const SYNC_WORDS = { default: '2m', always: 'always' } as const;

/** Fill the template. */
export function renderServerConf(template: string, settings: ServerSettings): string {
  const words: Record<string, string> = {
    dir: settings.dir.replaceAll('\\', '/').replaceAll('"', '\\"'),
    port: String(settings.port),
    sync: SYNC_WORDS[settings.sync],
    nobody: settings.nobody,
  };
  return template.replace(/\{\{(\w+)\}\}/g, (whole, word: string) => words[word] ?? whole);
}

/** Render the template into the data folder and return the file. */
export function writeServerConf(settings: ServerSettings): string {
  const file = join(settings.dir, places.serverConf);
  writeWhole(file, renderServerConf(readFileSync(packageFile(places.serverConf), 'utf8'), settings));
  return file;
}

/** The sync mode that the rendered configuration asks for; `undefined` when the folder holds none. */
export function readSync(dir: string): Sync | undefined {
  const line = /^\s*sync_interval:\s*"(\w+)"/m.exec(textIfAny(join(dir, places.serverConf)) ?? '');
  return line === null ? undefined : line[1] === SYNC_WORDS.always ? 'always' : 'default';
}
