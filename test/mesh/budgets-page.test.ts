/** The page on budgets is true: its code is written, its commands are typed, in their order. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPage } from '../support/markdown.js';
import { sitDown } from '../support/reader.js';

const UP = 'npx mesh up --port 4222';
const page = readPage('docs/budgets.md');
const { reader, leave } = sitDown([
  [UP, 'The mesh is up'],
  ['node writer.mjs', 'writer serves'],
]);

beforeAll(async () => {
  await reader.type(UP);
}, 60_000);
afterAll(leave);

test('a budget, and what was spent of it', { timeout: 120_000 }, async () => {
  await reader.follow(page, 'A budget');
  const said = await reader.follow(page, 'Looking');
  expect(said).toMatch(/^principal\.me\.month\.\d{6} +0\.10 USD +1\.00 USD +0\.\d+ USD +0\.\d+ USD +\d+d?/m);
  expect(said).toMatch(/^team\.press\.month\.\d{6} +0\.10 USD +20\.00 USD/m);
  expect(said).toMatch(/^text\.write reserved 0\.10 USD, was charged 0\.01 USD, \d+ ms \(reported\)$/m);
  expect(said).toMatch(/"spent":\{"micros":100000\}/);
});

test("a caller's own limit; a threshold holds, somebody approves", { timeout: 120_000 }, async () => {
  expect(await reader.follow(page, "A caller's own limit")).toContain('written');
  const said = await reader.follow(page, 'When it runs out');
  expect(said).toMatch(/^principal\.me\.month.* hold$/m);
  expect(said).toMatch(/^approved: me\.\w{26}/m);
  expect(said.match(/written/g)).toHaveLength(8);
});

test('a limit that is set; the ledger and the log agree', { timeout: 120_000 }, async () => {
  const said = await reader.follow(page, 'Steering');
  expect(said).toMatch(/^principal\.me\.month may spend 5\.00 USD \(before: 1\.00 USD\)\.$/m);
  expect(said).toMatch(/^principal\.me\.month.* set by operator$/m);
  expect(said).toMatch(/^principal\.me\.month may spend 1\.00 USD \(before: 5\.00 USD\)\.$/m);
  expect(said).toMatch(/\[not_found\][^]*exit code 1/);
  expect(await reader.follow(page, 'Holding it against the log')).toMatch(/^They agree\.$/m);
});

test('every section with code is followed by a test', () => {
  const here = ['A budget', 'Looking', "A caller's own limit", 'When it runs out', 'Steering'];
  expect(new Set(page.fences.map(({ section }) => section))).toEqual(
    new Set([...here, 'Holding it against the log']),
  );
});
