/** The page on operations is true, but for dead and parked calls (dead-page): its commands are typed, in their order. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPage } from '../support/markdown.js';
import { sitDown } from '../support/reader.js';

const UP = 'npx mesh up';
const page = readPage('docs/operations.md');
const { reader, folder, leave } = sitDown([[UP, 'The mesh is up']]);

beforeAll(async () => {
  await reader.type('npx mesh init --yes --port 4222');
  await reader.type(UP);
}, 60_000);
afterAll(leave);

test('what to watch is shown', { timeout: 60_000 }, async () => {
  const watch = await reader.follow(page, 'What to watch');
  expect(watch).toMatch(/^Nothing to mend\.$/m);
  expect(watch).toMatch(/^queues: .*parked 0/m);
});

test('a gateway ends, and another one is there', { timeout: 60_000 }, async () => {
  const before = gatewayPid();
  expect(await reader.follow(page, 'Restart')).toMatch(/^Nothing to mend\.$/m);
  expect(gatewayPid()).not.toBe(before);
});

test('everything is saved, lost, and there again', { timeout: 120_000 }, async () => {
  await reader.type("npx mesh call nobody.offers '{}' || true");
  const before = await reader.type('npx mesh calls ls --json');
  await reader.interrupt(UP);
  const after = await reader.follow(page, 'Backup');
  const { calls } = JSON.parse(before) as { calls: { call: string }[] };
  expect(calls.length).toBeGreaterThan(0);
  expect(calls.filter(({ call }) => !after.includes(call))).toEqual([]);
  expect(after).toMatch(/^Nothing to mend\.$/m);
});

function gatewayPid(): number | undefined {
  const state = readFileSync(join(folder, '.mesh', 'mesh.json'), 'utf8');
  return (JSON.parse(state) as { gateways: { pid: number }[] }).gateways[0]?.pid;
}
