/**
 * Writes everything that follows from the subject table, the streams, the schemas, the limits and the settings:
 * `src/wire/generated`, `schemas/config`, `docs/reference`, and the tables in `docs/protocol.md`. Run it from the root
 * of the repository: `npm run generate`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { configPage, configSchemas } from './generate/config.js';
import { pages } from './generate/docs.js';
import { errorsFile } from './generate/errors.js';
import { messagesFile, schemasFile } from './generate/messages.js';
import { permissionsFile } from './generate/permissions.js';
import { PROTOCOL, protocolPage } from './generate/protocol.js';
import { streamsFile } from './generate/streams.js';
import { subjectsFile } from './generate/subjects.js';

/** The content of every generated file, formatted, by its path from the root. The same input gives the same bytes. */
export async function generate(): Promise<Map<string, string>> {
  const sources: Record<string, string> = {
    'subjects.ts': subjectsFile(),
    'permissions.ts': permissionsFile(),
    'streams.ts': streamsFile(),
    'errors.ts': errorsFile(),
    'messages.ts': await messagesFile(),
    'schemas.ts': schemasFile(),
  };
  const files = new Map<string, string>();
  for (const [name, text] of Object.entries(sources)) {
    files.set(`src/wire/generated/${name}`, text);
  }
  for (const [name, text] of Object.entries(configSchemas())) {
    files.set(`schemas/config/${name}`, text);
  }
  for (const [name, text] of Object.entries({ ...pages(), 'config.md': configPage() })) {
    files.set(`docs/reference/${name}`, text);
  }
  files.set(PROTOCOL, protocolPage());
  for (const [path, text] of files) {
    const options = await resolveConfig(resolve(path));
    files.set(path, await format(text, { ...options, filepath: path }));
  }
  return files;
}

/** Write the files below the current folder. */
async function write(): Promise<void> {
  for (const [path, text] of await generate()) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await write();
}
