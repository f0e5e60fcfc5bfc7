/**
 * Retries: what may be said of them, how long they wait, and that they stay a part of the traffic.
 */
import { describe, expect, test } from 'vitest';
import { Allowance, isRetried, retriesOf, retryMs, type RetryRules } from '../../src/domain/care/retries.js';
import { Times } from '../../src/domain/care/times.js';
import { readPolicy } from '../../src/domain/policy-read.js';
import { limits } from '../../src/wire/limits.js';
import { saidError } from '../../src/wire/said.js';
import { seeded } from '../support/random.js';

const problems = (said: string) =>
  readPolicy(`version: 1\nretries:\n  a.b: ${said}\n`, 'f').problems.map(({ where }) => where);

describe('settings', () => {
  test.each([
    ['attempts: 0', 'attempts'],
    ['attempts: -1', 'attempts'],
    ['attempts: 1.5', 'attempts'],
    ['attempts: .nan', 'attempts'],
    [`attempts: ${limits.dispatches + 1}`, 'attempts'],
    ['of: all', 'of'],
    ['backoff: 0', 'backoff'],
    ['backoff: -1s', 'backoff'],
    ['backoff: 0.5', 'backoff'],
    ['backoff: .inf', 'backoff'],
    ['backoff: 1h', 'backoff'],
    ['backoffMax: 1e308', 'backoffMax'],
    ['backoff: 2s, backoffMax: 1s', 'backoffMax'],
    ['backoffMax: 10ms', 'backoffMax'],
    ['budget: 0', 'budget'],
    ['budget: 101', 'budget'],
    ['budget: 0.1', 'budget'],
    ['budget: "20"', 'budget'],
    ['retry: 3', 'retry'],
    ['hedge: { share: 0 }', 'hedge.share'],
    ['hedge: { share: 101 }', 'hedge.share'],
    ['hedge: { share: 2.5 }', 'hedge.share'],
    ['hedge: { share: .nan }', 'hedge.share'],
    ['hedge: { after: p99 }', 'hedge.after'],
    ['hedge: { after: 0 }', 'hedge.after'],
    ['hedge: { after: 0ms }', 'hedge.after'],
    ['hedge: { after: -5 }', 'hedge.after'],
    ['hedge: { after: 0.5 }', 'hedge.after'],
    ['hedge: { after: 1h }', 'hedge.after'],
    ['hedge: { after: 11min }', 'hedge.after'],
    ['hedge: { when: p95 }', 'hedge.when'],
    ['hedge: p95', 'hedge'],
    ['attempts: 1, hedge: {}', 'hedge'],
  ])('%s is refused when the policy is read', (said, key) => {
    expect(problems(`{ ${said} }`)).toContain(`retries.a.b.${key}`);
  });

  test('what is fine is taken, the first pattern counts, and nothing is retried without any', () => {
    expect(problems('{}')).toEqual([]);
    expect(problems('{ attempts: 5, of: any, backoff: 1, backoffMax: 10min, budget: 100 }')).toEqual([]);
    const by = retriesOf({ 'a.b': { attempts: 2 }, 'a.>': { backoff: 5_000 } });
    expect(by.of('a.b')).toMatchObject({ attempts: 2, of: 'transient', budget: 20 });
    expect(by.of('a.c')).toMatchObject({ backoff: 5_000, backoffMax: 5_000 });
    expect(by.of('b')).toBeUndefined();
    const said = ['{}', '{ after: p95, share: 7 }', '{ after: 200ms }', '{ after: 30 }', '{ after: 2min }'];
    expect(said.map((hedge) => problems(`{ hedge: ${hedge} }`))).toEqual(said.map(() => []));
    const hedges = retriesOf({
      a: { hedge: {} },
      b: { hedge: { after: '30' } },
      c: { hedge: { after: '2s' } },
    });
    expect(['a', 'b', 'c', 'd'].map((name) => hedges.of(name)?.hedge)).toEqual([
      { after: undefined, share: 5 },
      { after: 30, share: 5 },
      { after: 2_000, share: 5 },
      undefined,
    ]);
    expect(retriesOf().of('a.b')).toBeUndefined();
  });
});

test('a failure that may pass by itself is transient; what the mesh or the caller did is never tried again', () => {
  const said = ['handler_transient', 'provider_busy', 'handler_failed', 'output_invalid'] as const;
  expect(said.map((code) => isRetried(code, 'transient'))).toEqual([true, true, false, false]);
  expect(said.every((code) => isRetried(code, 'any'))).toBe(true);
  expect(
    ['body_missing', 'grant_revoked', 'budget_exceeded'].map((c) => isRetried(c as never, 'any')),
  ).toEqual([false, false, false]);
  expect(saidError('a', { code: 'handler_transient', message: 'later' })?.retry).toBe('later');
});

test('the wait doubles, is capped, and half of it is chance', () => {
  const rules = retriesOf({ '>': { backoff: 100, backoffMax: 350 } }).of('x') as RetryRules;
  expect([1, 2, 3, 4, 60].map((n) => retryMs(n, rules, 0))).toEqual([50, 100, 175, 175, 175]);
  expect([1, 2, 3].map((n) => retryMs(n, rules, 0.999_999))).toEqual([100, 200, 350]);
});

/** Retries that are made when this share of attempts fails; a bug lets each failure earn one. */
function storm(seed: number, calls: number, failing: number, percent: number, bug = false): number {
  const chance = seeded(seed);
  const allowance = new Allowance();
  let retries = 0;
  for (let i = 0; i < calls; i++) {
    allowance.earn(percent);
    for (let attempt = 1; attempt < 5 && chance() < failing; attempt++) {
      if (bug) {
        allowance.earn(100);
      }
      if (!allowance.take()) {
        break;
      }
      retries++;
    }
  }
  return retries;
}

test('retries stay a part of the calls, whoever fails; a bug that lets failures earn is seen', () => {
  const seed = Date.now() % 1e6;
  for (const percent of [1, 20, 100]) {
    const most = (1_000 * percent) / 100 + limits.retryBurst;
    for (const failing of [0.05, 0.5, 1]) {
      const made = storm(seed, 1_000, failing, percent);
      expect(made, `seed ${seed}`).toBeLessThanOrEqual(most);
      expect(made, `seed ${seed}`).toBeGreaterThan(0);
    }
    expect(storm(seed, 1_000, 1, percent), `seed ${seed}`).toBeGreaterThan(most - 2);
  }
  expect(storm(seed, 1_000, 1, 20, true)).toBeGreaterThan(210);
});

test('times are those of the last attempts, by rank', () => {
  const times = new Times();
  expect(times.percentile(95)).toBeUndefined();
  for (let ms = 1; ms <= 100; ms++) {
    times.add(ms);
  }
  expect(times.size).toBe(100);
  for (let i = 0; i < 300; i++) {
    times.add(i % 10 === 0 ? 500 : 5);
  }
  expect(times.size).toBe(limits.retryTimes);
  expect([times.percentile(50), times.percentile(95)]).toEqual([5, 500]);
});
