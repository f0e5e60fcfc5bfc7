/** Leftovers: sleeps, notes to self, muted tests, traces of the machine it was written on. */
import { matchLines, withoutComments, type Rule, type SourceFile } from './rule.js';

/** The rules and their planted samples name what they forbid. */
function isHarness({ path }: SourceFile): boolean {
  return path.startsWith('test/cheap/tidy');
}

function isTest(file: SourceFile): boolean {
  return file.path.startsWith('test/') && file.path.endsWith('.ts') && !isHarness(file);
}

/** Tests wait for a fact, never for a time. */
export const sleeps: Rule = {
  name: 'sleeps',
  check: (files) =>
    files
      .filter((file) => isTest(file) && !file.path.startsWith('test/support/'))
      .flatMap((file) =>
        matchLines(
          file,
          withoutComments(file.text),
          /setTimeout\(\s*(resolve|res|r|done)\b|['"](node:)?timers\/promises['"]/,
          'wait for the fact with a helper of test/support',
        ),
      ),
  planted: [
    { path: 'test/mesh/a.test.ts', text: 'await new Promise((r) => setTimeout(r, 100));\n' },
    { path: 'test/support/wait.ts', text: "import { setTimeout } from 'node:timers/promises';\n" },
  ],
  seenAt: ['test/mesh/a.test.ts:1'],
};

/** What is not done is said in an issue or in the docs. */
export const notes: Rule = {
  name: 'notes to self',
  check: (files) =>
    files
      .filter((file) => !isHarness(file))
      .flatMap((file) =>
        matchLines(file, file.text, /\b(TODO|FIXME|XXX)\b/, 'do it, or say in the docs that it is missing'),
      ),
  planted: [{ path: 'docs/a.md', text: '\n- TODO: write this\n' }],
  seenAt: ['docs/a.md:2'],
};

/** A muted test says why, on its own line. */
export const muted: Rule = {
  name: 'muted tests',
  check: (files) =>
    files
      .filter(isTest)
      .flatMap((file) =>
        matchLines(
          file,
          file.text,
          /\.(skip|only)\((?!.*\/\/ \w)/,
          'run it, or say why in a comment on this line',
        ),
      ),
  planted: [
    {
      path: 'test/cheap/a.test.ts',
      text: "it.skip('x', f);\nit.skip('y', f); // needs a server of 2.14.5\nit.only('z', f);\n",
    },
  ],
  seenAt: ['test/cheap/a.test.ts:1', 'test/cheap/a.test.ts:3'],
};

/** The repository stands on its own, on every machine. A package may have a folder of any name. */
export const machine: Rule = {
  name: 'traces of a machine',
  check: (files) =>
    files
      .filter((file) => !isHarness(file))
      .flatMap((file) =>
        matchLines(
          file,
          file.text,
          /(?<![\w-]|sdk\/)(shared|knowledge)\/|(?<![\w.-])\/(work|root|home|Users)\/|\b[A-Z]:\\\\?\w/,
          'name only what is in the repository, by its path from the root',
        ),
      ),
  planted: [
    { path: 'src/wire/a.ts', text: "import '../work/a.js';\n// see shared/notes.md\n" },
    { path: 'README.md', text: 'cd /home/me/capmesh\n' },
  ],
  seenAt: ['src/wire/a.ts:2', 'README.md:1'],
};
