/** What somebody does wrong on the first evening is told so that it can be mended, and costs no key. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { connect, type MeshError } from '../../src/agent/index.js';
import { places, prepareFolder } from '../../src/fabric/folder.js';

const folder = mkdtempSync(join(tmpdir(), 'capmesh-first-'));
const url = 'nats://127.0.0.1:1';
const seed = 'SUAAVVD6WBVBSAAXHCGZVXNKLRH6XBD3WK2HL3ZCWPRR4QP4YPX7KMBXPE';

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const missing = (creds: string): Promise<MeshError> =>
  connect({ url, creds }).then(
    () => expect.unreachable('it connected'),
    (err: MeshError) => err,
  );

test('a credentials file that is not there is named', async () => {
  const err = await missing(join(folder, 'nobody.json'));
  expect(err.code).toBe('config_missing');
  expect(err.sentence).toContain('nobody.json');
});

test('credentials that cannot be read are not quoted', async () => {
  const broken = `{"name":"me","seed":"${seed}"`;
  const file = join(folder, 'half.json');
  writeFileSync(file, broken);
  for (const creds of [broken, file, `{"name":"me","seed":${seed}}`]) {
    const err = await missing(creds);
    expect(err.code).toBe('config_missing');
    expect(inspect(err, { depth: 9 })).not.toContain(seed.slice(0, 8));
  }
});

test('the folder of a mesh in a repository gives git its policy and no key', () => {
  const dir = join(folder, '.mesh');
  prepareFolder(dir);
  [places.policy, places.users, places.state, join(places.creds, 'me.json')].forEach((name) =>
    writeFileSync(join(dir, name), ''),
  );
  execFileSync('git', ['init', '-q'], { cwd: folder });
  const added = execFileSync('git', ['add', '--dry-run', '.mesh'], { cwd: folder, encoding: 'utf8' });
  expect(added.trim().split('\n')).toEqual(["add '.mesh/.gitignore'", `add '.mesh/${places.policy}'`]);
});
