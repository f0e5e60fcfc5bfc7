/** The rules of the house, read from the text of the repository. Each one is shown a breach first. */
import { describe, expect, it } from 'vitest';
import { docstrings } from './tidy/docstrings.js';
import { machine, muted, notes, sleeps } from './tidy/hygiene.js';
import { circles, layers } from './tidy/imports.js';
import { readRepo } from './tidy/repo.js';
import { fileSizes, functionSizes } from './tidy/sizes.js';
import { words } from './tidy/words.js';

const rules = [layers, circles, fileSizes, functionSizes, words, docstrings, sleeps, notes, muted, machine];
const repo = readRepo();

describe.each(rules.map((rule) => [rule.name, rule] as const))(
  'tidy: %s',
  (_, { check, planted, seenAt }) => {
    it('sees a planted breach, and nothing else', () => {
      expect(check(planted).map((finding) => finding.split(' ')[0])).toEqual(seenAt);
    });

    it('finds none in the repository', () => {
      const findings = check(repo);
      expect(findings, `\n${findings.join('\n')}\n`).toHaveLength(0);
    });
  },
);

it('reads the whole repository', () => {
  const paths = repo.map((file) => file.path);
  expect(paths).toEqual(expect.arrayContaining(['package.json', 'subjects/table.ts', 'src/wire/names.ts']));
});
