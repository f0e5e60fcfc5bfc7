/**
 * `mesh policy diff`: what changes between two policies.
 */
import type { Command } from 'commander';
import type { StoredPolicy } from '../../fabric/policy-store.js';
import type { PolicyData } from '../../domain/policy-data.js';
import { compileData, type Policy } from '../../domain/policy.js';
import { diffPolicies, type PolicyDiff, type RightChange, type RuleChange } from '../../domain/rules/diff.js';
import { atOnce } from '../../domain/slices.js';
import { viewOptions, askView } from '../calls/ask.js';
import type { ContextOptions } from '../context.js';
import { paint, safe, say, sayJson, table } from '../output.js';
import { readPolicyFile } from './file.js';

/** Add the command. */
export function registerDiff(policy: Command): void {
  viewOptions(policy.command('diff <before> [after]'))
    .summary('who gains and loses what between two policies')
    .description(
      'Who gains and who loses what between two policy files, and which rules come, go and change. With one file: between the policy in force and that file.',
    )
    .addHelpText('after', HELP)
    .action(diff);
}

const HELP = `
Examples:
  $ mesh policy diff mesh.policy.yaml candidate.yaml
  $ mesh policy diff candidate.yaml --json           what pushing it would change`;

async function diff(first: string, second: string | undefined, options: ContextOptions): Promise<void> {
  const after = readPolicyFile(second ?? first);
  const before = second === undefined ? await inForce(options) : readPolicyFile(first);
  const found = diffPolicies(before, after);
  if (options.json === true) {
    return sayJson({ before: before.digest, after: after.digest, ...found });
  }
  print(found);
}

async function inForce(options: ContextOptions): Promise<Policy> {
  const { data, digest } = await askView<StoredPolicy<PolicyData>>(options, 'policy', {});
  return atOnce(compileData(data, digest));
}

function print({ rights, rules }: PolicyDiff): void {
  if (rights.length + rules.length === 0) {
    return say('Nothing changes.');
  }
  say(...table([...rights.map(rightCells), ...rules.map(ruleCells)]));
}

const WORDS = {
  call: 'to call {}',
  serve: 'to serve {}',
  mayRoot: 'to begin trees of calls',
  issue: 'to issue grants (with this key)',
} as const;

function rightCells({ who, change, what, pattern = '', keeps }: RightChange): string[] {
  const left = keeps === undefined ? '' : `but keeps ${keeps.join(', ')}`;
  const mark = change === 'gains' ? paint.green('+') : paint.red('-');
  return [mark, safe(who), change, WORDS[what].replace('{}', pattern), left];
}

function ruleCells({ rule, effect, change, keys = [] }: RuleChange): string[] {
  const mark = { added: paint.green('+'), removed: paint.red('-'), changed: paint.yellow('~') }[change];
  return [mark, `rule ${safe(rule)}`, change, effect, keys.join(', ')];
}
