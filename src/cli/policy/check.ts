/**
 * `mesh policy check`: everything that is wrong in a policy file.
 */
import type { Command } from 'commander';
import { readPolicy } from '../../domain/policy-read.js';
import type { Rule } from '../../domain/rules/types.js';
import { exits, paint, safe, say, sayJson } from '../output.js';
import { fileOptions, here, policyFileOf, textsOf, type FileOptions } from './file.js';

/** Add the command. */
export function registerCheck(policy: Command): void {
  fileOptions(policy.command('check [file]'))
    .summary('everything that is wrong in a policy file')
    .description(
      'Everything that is wrong in a policy file and in those of its owners, with line, rule, and what was expected.',
    )
    .addHelpText('after', HELP)
    .action(check);
}

const HELP = `
Examples:
  $ mesh policy check
  $ mesh policy check candidate.yaml --json

Exits with 0 when it can be used, with 1 when there is something to correct.`;

function check(named: string | undefined, options: FileOptions): void {
  const file = policyFileOf(named, options);
  const { text, files } = textsOf(file);
  const { problems, rules, digest: made } = readPolicy(text, here(file), files);
  const fine = problems.length === 0;
  process.exitCode = fine ? exits.completed : exits.failed;
  const digest = fine ? made : undefined;
  const owners = ownersOf(rules);
  if (options.json === true) {
    return sayJson({
      fine,
      problems,
      rules: rules.length,
      owners,
      ...(digest === undefined ? {} : { digest }),
    });
  }
  if (digest !== undefined) {
    const whose = Object.entries(owners).map(([owner, count]) => `${count} of ${owner}`);
    const list = whose.length === 0 ? '' : ` (${whose.join(', ')})`;
    return say(`${paint.green('Nothing to correct.')} ${rules.length} rules${list}, digest ${digest}`);
  }
  say(
    ...problems.map(
      ({ file, line, column, where, why }) =>
        `${paint.red(`${file}:${line}:${column}`)} ${where === '' ? '' : `${safe(where)}: `}${safe(why)}`,
    ),
  );
}

/** How many rules stand in the file of each owner. */
function ownersOf(rules: readonly Rule[]): Record<string, number> {
  const owners: Record<string, number> = {};
  for (const { owner } of rules) {
    if (owner !== undefined) {
      owners[owner] = (owners[owner] ?? 0) + 1;
    }
  }
  return owners;
}
