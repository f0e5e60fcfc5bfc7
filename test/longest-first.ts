/** The order of test files: those that take longest begin, so that none of them runs by itself at the end. */
import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Names of files (without `.test.ts`), longest first; all others follow in the runner's own order. */
const LONGEST = [
  'docs',
  'python-tutorial',
  'kill',
  'package',
  'server-crash',
  'cli-dead',
  'hostile',
  'cli-calls',
  'least-privilege',
  'config',
  'examples',
  'serve-mcp',
  'serve-mcp-cli',
  'identity-revoke',
  'budgets-page',
  'dead-page',
  'cli-later',
  'agents-add',
  'readme',
  'streams',
  'dead',
  'operations-page',
  'promises',
];

/** Sorts within each group of projects. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const usual = await super.sort(files);
    return usual.toSorted(
      (a, b) =>
        a.project.config.sequence.groupOrder - b.project.config.sequence.groupOrder || rankOf(a) - rankOf(b),
    );
  }
}

function rankOf({ moduleId }: TestSpecification): number {
  const rank = LONGEST.indexOf(basename(moduleId, '.test.ts'));
  return rank < 0 ? LONGEST.length : rank;
}
