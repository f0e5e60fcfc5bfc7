/** The page on approvals is true: its code is written, its commands are typed, in their order. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPage } from '../support/markdown.js';
import { sitDown } from '../support/reader.js';

const UP = 'npx mesh up --port 4222';
const page = readPage('docs/approvals.md');
const { reader, leave } = sitDown([
  [UP, 'The mesh is up'],
  ['node bank.mjs', 'bank serves'],
]);

beforeAll(async () => {
  await reader.type(UP);
}, 60_000);
afterAll(leave);

test('a rule holds, somebody approves', { timeout: 120_000 }, async () => {
  await reader.follow(page, 'A rule that holds');
  const said = await reader.follow(page, 'Approving');
  expect(said).toMatch(/"transferred": ?5\b/);
  expect(said).toMatch(/^me\.\w{26} +pay\.transfer +bank .*0 of 1 by finance +may decide$/m);
  expect(said).toMatch(/^ +rule +large: large sums want a second pair of eyes$/m);
  expect(said).toMatch(/^ +"amount": 5000$/m);
  expect(said).toMatch(/--digest [0-9a-f]{64}$/m);
  expect(said).toMatch(/^approved: me\.\w{26} goes through the chain again/m);
  expect(said).toMatch(/"transferred": ?5000\b/);
  expect(said).toMatch(/^approved by ann$/m);
});

test('somebody denies', { timeout: 120_000 }, async () => {
  const said = await reader.follow(page, 'Denying');
  expect(said).toMatch(/\[approval_not_entitled\][^]*exit code 3[^]*^denied: me\./m);
  expect(said).toMatch(/\[approval_denied\] ann denied the call: not this year[^]*exit code 3/);
});

test('every section with code is followed by a test', () => {
  const here = ['A rule that holds', 'Approving', 'Denying'];
  expect(new Set(page.fences.map(({ section }) => section))).toEqual(new Set(here));
});
