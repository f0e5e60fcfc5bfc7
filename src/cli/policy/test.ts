/**
 * `mesh policy test`: unit tests of a policy.
 */
import type { Command } from 'commander';
import { readCases, runCases, type CaseResult } from '../../domain/rules/cases.js';
import { exits, paint, safe, say, sayJson } from '../output.js';
import { fileOptions, here, policyFileOf, readPolicyFile, textOf, type FileOptions } from './file.js';

/** Add the command. */
export function registerTest(policy: Command): void {
  fileOptions(policy.command('test <tests>'))
    .summary('run unit tests of a policy')
    .description(
      'Run the tests of a YAML file: calls, and what the policy must say of each. Nothing runs and nothing is sent.',
    )
    .addHelpText('after', HELP)
    .action(test);
}

const HELP = `
Examples:
  $ mesh policy test mesh.policy.test.yaml
  $ mesh policy test mesh.policy.test.yaml --policy candidate.yaml --json

A test: { name: …, call: { from, capability, args, labels, chain, agent, now }, expect: allow | deny | hold | ask,
code: …, rules: [those that matter] }. Exits with 0 when all pass, with 1 when one does not.`;

function test(tests: string, options: FileOptions): void {
  const policy = readPolicyFile(policyFileOf(undefined, options));
  const results = runCases(policy, readCases(textOf(tests), here(tests)), Date.now());
  const failed = results.filter((one) => one.wrong !== undefined);
  process.exitCode = failed.length === 0 ? exits.completed : exits.failed;
  if (options.json === true) {
    return sayJson({
      passed: results.length - failed.length,
      failed: failed.length,
      tests: results.map(({ name, wrong, explained: { effect, code, mattered } }) => ({
        ...{ name, passed: wrong === undefined, effect, mattered },
        ...(code === undefined ? {} : { code }),
        ...(wrong === undefined ? {} : { wrong }),
      })),
    });
  }
  say(...results.map(lineOf), `${results.length - failed.length} passed, ${failed.length} failed`);
}

function lineOf({ name, wrong }: CaseResult): string {
  return wrong === undefined
    ? `${paint.green('pass')} ${safe(name)}`
    : `${paint.red('FAIL')} ${safe(name)}: ${safe(wrong)}`;
}
