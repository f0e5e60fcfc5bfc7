import { afterAll, beforeAll, expect, test } from 'vitest';
import { openWorlds, type Worlds } from './open.js';
import { runAttacks } from './run.js';
import { attacks } from './table.js';

let worlds: Worlds;
beforeAll(async () => {
  worlds = await openWorlds();
});
afterAll(() => worlds.stop());

test('nothing that nobody is entitled to works', { timeout: 200_000 }, async () => {
  const only = process.env['HOSTILE_ONLY'];
  const list = attacks.filter(({ id }) => only === undefined || new RegExp(only).test(id));
  const report = await runAttacks(list, {
    ...worlds,
    onSeen: (s) => console.log(s.attack.id, s.succeeded ? 'SUCCEEDED' : 'held', Math.round(s.ms), s.passed, s.wrong.join(' | ')),
  });
  console.log(report.line);
  expect({ succeeded: report.succeeded, failed: report.failed }).toEqual({ succeeded: [], failed: [] });
});
