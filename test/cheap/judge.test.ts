import { expect, test } from 'vitest';
import { judge, type History } from '../support/judge.js';

const good: History = {
  first: new Map([
    ['a', 'completed:{"n":1}'],
    ['b', 'unknown:attempt_lost'],
  ]),
  again: new Map([
    ['a', 'completed:{"n":1}'],
    ['b', 'unknown:attempt_lost'],
  ]),
  register: ['me.a', 'me.b'],
  effects: ['me.a', 'me.b'],
  caller: 'me',
  idempotent: false,
};

test('an honest history is clean', () => {
  expect(judge(good)).toMatchObject({
    calls: 2,
    completed: 1,
    unknown: 1,
    lost: [],
    doubled: [],
    effectsTwice: [],
    disagree: [],
    other: [],
  });
});

test.each([
  ['an id without an answer', { first: new Map([['a', undefined]]) }, 'lost'],
  ['an answer that is not in the register', { register: ['me.b'] }, 'lost'],
  ['two outcomes in the register', { register: ['me.a', 'me.a', 'me.b'] }, 'doubled'],
  ['another answer to a retry', { again: new Map([['a', 'completed:{"n":2}']]) }, 'doubled'],
  ['an effect made twice', { effects: ['me.a', 'me.a'] }, 'effectsTwice'],
  ['completed without an effect', { effects: ['me.b'] }, 'disagree'],
  ['an effect of no call', { effects: ['me.a', 'me.x'] }, 'disagree'],
] as const)('the judge sees: %s', (_, planted, field) => {
  expect(judge({ ...good, ...planted })[field]).not.toEqual([]);
});
