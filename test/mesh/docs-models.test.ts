/** `docs/models.md` is true: its commands are typed in their order, against a provider of our own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPage } from '../support/markdown.js';
import { startModelProvider, type ModelProvider } from '../support/model-provider.js';
import { cleanEnv, Reader } from '../support/reader.js';

const folder = mkdtempSync(join(tmpdir(), 'capmesh-docs-models-'));
const page = readPage('docs/models.md');
let provider: ModelProvider;
let reader: Reader;

beforeAll(async () => {
  provider = await startModelProvider();
  reader = await Reader.atHome(folder);
});
