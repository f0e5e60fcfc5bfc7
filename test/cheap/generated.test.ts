/** Generated files are committed; here they are made again and compared. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { generate } from '../../subjects/generate.js';
import { SECURITY, securityPage } from '../hostile/page.js';

const fresh = await generate();

describe('generated files', () => {
  it.each([...fresh])('%s is fresh', (path, text) => {
    const stored = existsSync(path) ? readFileSync(path, 'utf8') : '';
    expect(stored === text, `${path} is stale: run npm run generate`).toBe(true);
  });

  it(`${SECURITY} has the attacks that are tried`, async () => {
    const fresh = await securityPage();
    expect(fresh === readFileSync(SECURITY, 'utf8'), 'it is stale: run npm run generate').toBe(true);
  });

  it.each(['src/wire/generated', 'schemas/config', 'docs/reference'])('%s holds nothing else', (folder) => {
    const foreign = readdirSync(folder).filter((name) => !fresh.has(`${folder}/${name}`));
    expect(foreign, 'delete what npm run generate does not write').toEqual([]);
  });
});
