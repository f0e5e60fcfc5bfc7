/**
 * From zero to least privilege: the page is followed to the letter, and what it says was proven is looked for.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPage } from '../support/markdown.js';
import { sitDown } from '../support/reader.js';

const desk = sitDown([
  ['npx mesh up', 'The mesh is up'],
  ['node bank.mjs\n', 'bank serves bank.balance and bank.pay'],
  ['node books.mjs\n', 'books serves books.settle'],
]);
let said: ReadonlyMap<string, string>;
const under = (section: string): string => said.get(section) ?? '';

beforeAll(async () => {
  said = await desk.reader.followAll(readPage('docs/howto/least-privilege.md'));
}, 180_000);
afterAll(() => desk.leave());

test('names come by a token that is good once', () => {
  expect(under('Names').match(/has joined as/g)).toHaveLength(5);
  expect(under('Names')).toMatch(/\[permission_denied\][^]*a second key for eve: exit code 3/);
  expect(statSync(join(desk.folder, 'eve.creds.json')).mode & 0o777).toBe(0o600);
});

test('the policy says what is meant', () => {
  expect(under('A policy that allows what is needed')).toContain('4 passed, 0 failed');
});

test('each refusal has its code, and the intersection holds', () => {
  const text = under('Calls, and refusals');
  expect(text).toMatch(/"paid": 40/);
  expect(text).toMatch(/\[policy_denied\][^]*through-the-books[^]*past the books: exit code 3/);
  expect(text).toMatch(/\[not_granted\][^]*never listed: exit code 3/);
  expect(text).toMatch(/\[root_denied\][^]*without a task: exit code 3/);
  expect(text).toMatch(/\[not_granted\] eve may not call bank\.pay[^]*for eve: exit code 1/);
});

test('a grant is narrow, for its holder, and only becomes narrower', () => {
  const text = under('A grant instead of a role');
  expect(text.match(/"has": 70/g)).toHaveLength(2);
  expect(text).toMatch(/\[grant_exceeded\][^]*another account: exit code 3/);
  expect(text).toMatch(/\[grant_holder\][^]*stolen by ann: exit code 3/);
  expect(text).toMatch(/\[grant_widened\][^]*capabilities[^]*wider: exit code \d/);
});

test('a second person approves', () => {
  const text = under('A second pair of eyes');
  expect(text).toMatch(/ann herself: exit code 3/);
  expect(text).toMatch(/"paid": 4000/);
});

test('what is taken back is gone', () => {
  const text = under('Take it back');
  expect(text).toMatch(/\[grant_revoked\][^]*fell with it: exit code 3/);
  expect(text).toMatch(/bank is out; 1 connection was cut/);
  expect(text).toMatch(/nobody pays: exit code \d/);
  expect(text).toMatch(/"paid": 41/);
});

test('the doctor has nothing to mend, and nothing is left but the version of the server', () => {
  const text = under('Look at all of it');
  expect(text).toContain('Nothing to mend.');
  const warned = [...text.matchAll(/^warn +([\w-]+)/gm)].map(([, check]) => check);
  expect(warned.filter((check) => !check?.startsWith('server-'))).toEqual([]);
});
