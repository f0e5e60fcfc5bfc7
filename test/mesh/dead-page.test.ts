/** What the page on operations says of dead and parked calls is true: its commands are typed, in their order. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPage } from '../support/markdown.js';
import { sitDown } from '../support/reader.js';

const UP = 'npx mesh up';
const FRAGILE = 'while sleep 0.2; do node fragile.mjs';
const page = readPage('docs/operations.md');
const { reader, leave } = sitDown([
  [UP, 'The mesh is up'],
  [FRAGILE, 'fragile serves'],
]);

beforeAll(async () => {
  await reader.type('npx mesh init --yes --port 4222');
  await reader.type(UP);
}, 60_000);
afterAll(leave);

test('a call dies, is looked at, and runs again', { timeout: 180_000 }, async () => {
  await reader.follow(page, 'Dead and parked');
  const dies = await reader.follow(page, 'A call that dies');
  expect(dies).toMatch(/\[poison\].*\n[\s\S]*exit code 4/);
  expect(dies).toMatch(/^me\.\w{26} +fragile\.work +5 +/m);
  expect(dies).toMatch(/done for +me\n/);
  expect(dies).toContain('"order": 7');
  const again = await reader.follow(page, 'Running it again');
  expect(again).toMatch(/^me\.\w{26} +would replay\nme\.\w{26} +replayed as me\.\w{26}\nno dead calls$/m);
  expect(again).toMatch(/^me\.\w{26} +fragile\.work +fragile +completed/m);
});

test('a call waits, is tried, and is cancelled', { timeout: 120_000 }, async () => {
  await reader.interrupt(FRAGILE);
  const waits = await reader.follow(page, 'Calls that wait');
  expect(waits).toMatch(/^me\.\w{26} +fragile\.work .* waits for capacity \(no live agent\)$/m);
  expect(waits).toMatch(/^me\.\w{26} +held\nexit code 4\nme\.\w{26} +cancelled$/m);
});

test('every section of the page is followed by a test', () => {
  const here = ['Dead and parked', 'A call that dies', 'Running it again', 'Calls that wait'];
  const there = ['What to watch', 'Restart', 'Backup'];
  expect(new Set(page.fences.map(({ section }) => section))).toEqual(new Set([...here, ...there]));
});
