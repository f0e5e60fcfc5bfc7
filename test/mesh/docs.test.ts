/**
 * The tutorial and the how-tos are followed to the letter. The tutorial packs and installs the real package; for the
 * how-tos the repository is linked, as npm would. The port is a free one.
 */
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { readPage } from '../support/markdown.js';
import { cleanEnv, install, pathWithQuickNpx, Reader } from '../support/reader.js';

const repository = resolve('.');
const folder = mkdtempSync(join(tmpdir(), 'capmesh-docs-'));
// The real npx is tried by package.test.ts and in the tutorial's Python half, test/interop/python-tutorial.test.ts.
const env = cleanEnv({ XDG_CACHE_HOME: join(folder, 'cache'), PATH: pathWithQuickNpx(folder) });
const SLOW = 240_000;
let reader: Reader | undefined;

afterEach(() => reader?.stop());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the tutorial', { timeout: SLOW }, async () => {
  symlinkSync(repository, join(folder, 'capmesh'));
  reader = new Reader({
    folder,
    env,
    stays: [
      ['npx mesh up', 'The mesh is up'],
      ['node out/inventory.js\n', 'inventory serves inventory.query'],
      ['node out/quotes.js', 'quotes serves quote.make'],
    ],
    done: ['npm ci --prefix capmesh'], // it would take the tests their tools away
    stepMs: 120_000,
  });
  const { fences, ...page } = readPage('docs/tutorial.md');
  const here = fences.filter(({ section }) => section !== 'The same in Python'); // test/interop/python-tutorial.test.ts
  const said = await reader.follow({ ...page, fences: here });
  expect(said).toMatch(/"sku": "lamp",\s+"inStock": 12/);
  expect(said).toMatch(
    /\[schema_violation\][^]*exit code 3[^]*\[(not_granted|capability_unknown)\][^]*exit code 3/,
  );
  expect(said).toMatch(/"total": 75,\s+"deliverable": true/);
  expect(said).toMatch(/nobody knows what a boat costs[^]*exit code 1/);
  expect(said).toContain("{ sku: 'lamp', count: 2, total: 50, deliverable: true }");
  expect(said).toContain('boat: handler_failed');
  expect(said).toMatch(/"sku": "piano"[^]*"deliverable": true/);
  expect(said).toMatch(/# pass 1|pass 1/);
});

/** What a how-to takes for granted, and what its commands print. */
const HOWTOS: Readonly<Record<string, { readonly before?: string; readonly says: readonly RegExp[] }>> = {
  'instances.md': {
    before: "npx mesh agents add inventory\necho '  inventory: [worker]' >> .mesh/mesh.policy.yaml",
    says: [/"by": "i-\w+"/, /2? ?live instances/],
  },
  'mcp.md': { says: [/list_directory/, /package\.json/] },
  'shell.md': {
    says: [
      /"text": "hello"/,
      /"from a pipe"/,
      /exit code [34]/,
      /"text": "once"[^]*"text": "once"/,
      /echo\.say.*completed/,
    ],
  },
  'policy.md': { says: [] },
};

describe('how to', () => {
  // These are followed by package.test.ts, bodies-docs.test.ts and least-privilege.test.ts.
  const elsewhere = ['test-your-agents.md', 'many-calls.md', 'least-privilege.md'];
  const pages = readdirSync('docs/howto').filter((name) => !elsewhere.includes(name));

  test('every page is followed', () => {
    expect(pages.toSorted()).toEqual(Object.keys(HOWTOS).toSorted());
  });

  test.each(Object.entries(HOWTOS))('%s', { timeout: SLOW }, async (name, { before, says }) => {
    const own = join(folder, name);
    install(own, ['mcp-server-filesystem']);
    reader = new Reader({
      folder: own,
      env,
      stays: [
        ['npx mesh up', 'The mesh is up'],
        ['node echo.mjs', 'echo serves echo.say'],
        ['mesh mount mcp', 'tools'],
      ],
      done: ['npm install @modelcontextprotocol/server-filesystem'],
    });
    await reader.type('npx mesh up --port 4222');
    await reader.type(before ?? 'true');
    const said = await reader.follow(readPage(`docs/howto/${name}`));
    for (const what of says) {
      expect(said).toMatch(what);
    }
  });
});
