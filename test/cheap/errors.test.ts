/** Errors are a closed set: what src throws is in the table, and what is in the table is thrown. */
import { describe, expect, it } from 'vitest';
import { checkError, readErrors } from '../../subjects/generate/errors.js';
import { readRepo } from './tidy/repo.js';
import { isSource, withoutComments } from './tidy/rule.js';

const table = readErrors();
const codes = Object.keys(table);
const sources = readRepo()
  .filter(isSource)
  .map((file) => withoutComments(file.text));

describe('errors', () => {
  it('that src makes are in schemas/errors.json', () => {
    const made = sources.flatMap((text) =>
      [...text.matchAll(/\b[mM]eshError\(\s*'(\w*)'/g)].map((m) => m[1]),
    );
    expect(made.filter((code) => code === undefined || !Object.hasOwn(table, code))).toEqual([]);
  });

  it('of schemas/errors.json are all used in src; take out what is not', () => {
    expect(codes.filter((code) => !sources.some((text) => text.includes(`'${code}'`)))).toEqual([]);
  });

  it('all say what to do', () => {
    expect(codes.filter((code) => !/^.{10,}$/s.test(table[code]?.help.trim() ?? ''))).toEqual([]);
  });

  it.each([
    ['Bad-Code', { class: 'input', retry: 'never', message: 'm', help: 'h' }],
    ['no_help', { class: 'input', retry: 'never', message: 'm', help: ' ' }],
    ['no_message', { class: 'input', retry: 'never', help: 'h' }],
    ['no_class', { class: 'weather', retry: 'never', message: 'm', help: 'h' }],
    ['no_retry', { class: 'input', retry: 'often', message: 'm', help: 'h' }],
  ])('the generator refuses %s', (code, row) => {
    expect(() => checkError(code, row)).toThrow(code);
  });
});
