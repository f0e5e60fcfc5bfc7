/** What a candidate policy would decide otherwise: counted in rows, in bounded memory, and added up over gateways. */
import { expect, test } from 'vitest';
import { Differences, mergeReports, saysSame, type Said } from '../../src/domain/shadow.js';
import { limits } from '../../src/wire/limits.js';

const allow: Said = { said: 'allow', rules: [] };
const deny: Said = { said: 'deny', code: 'policy_denied', rules: ['no'] };
const held = (needs: string): Said => ({ said: 'hold', rules: ['large'], needs });
const call = (n: number, capability = 'a.b') => ({ capability, from: 'me', call: `c${n}` });

test('who must approve counts, which rule says so does not', () => {
  expect(saysSame(allow, { said: 'allow', rules: ['other'] })).toBe(true);
  expect(saysSame(deny, { said: 'deny', code: 'not_granted', rules: [] })).toBe(true);
  expect(saysSame(held('1 of boss'), held('2 of boss'))).toBe(false);
  expect(saysSame(allow, held('1 of boss'))).toBe(false);
});

test('rows and examples are bounded, and nothing is lost from the counts', () => {
  const counts = new Differences('live', 'candidate', 1);
  const kinds = limits.shadowRows + 50;
  for (let n = 0; n < 2 * kinds; n++) {
    counts.add(call(n, `c.n${n % kinds}`), allow, deny, n);
  }
  Array.from({ length: 9 }, (_, n) => counts.add(call(n, 'c.n0'), allow, deny, 1_000 + n));
  counts.add(call(0), allow, allow, 0);
  const { rows, more, differ, same } = counts.report();
  expect([rows.length, more, differ, same]).toEqual([limits.shadowRows, 100, 2 * kinds + 9, 1]);
  expect(rows[0]).toMatchObject({ capability: 'c.n0', count: 11, calls: ['c8', 'c7', 'c6'], lastAt: 1_008 });
});

test('reports of gateways are added up where they are about the same policies', () => {
  const report = (live: string, since: number, times: number) => {
    const counts = new Differences(live, 'candidate', since);
    Array.from({ length: times }, (_, n) => counts.add(call(n), allow, deny, n));
    counts.skipped = times;
    return counts.report();
  };
  const merged = mergeReports([report('old', 1, 7), report('new', 3, 2), report('new', 2, 3)]);
  expect(merged).toMatchObject({ live: 'new', since: 2, differ: 5, skipped: 5, more: 0 });
  expect(merged?.rows.map(({ count }) => count)).toEqual([5]);
  expect(mergeReports([])).toBeUndefined();
});
