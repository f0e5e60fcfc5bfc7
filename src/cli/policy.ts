/**
 * `mesh policy`: who may do what, as people review it: checked, tested, explained, compared, pushed.
 */
import type { Command } from 'commander';
import { registerCheck } from './policy/check.js';
import { registerDiff } from './policy/diff.js';
import { registerExplain } from './policy/explain.js';
import { registerPush } from './policy/push.js';
import { registerShadow } from './policy/shadow.js';
import { registerTest } from './policy/test.js';

/** Add the command and what it can do. */
export function register(program: Command): void {
  const policy = program
    .command('policy')
    .summary('check, test, explain, compare and push policies')
    .description('The policy of the mesh: mesh.policy.yaml. docs/policy.md says what can stand in it.');
  registerCheck(policy);
  registerTest(policy);
  registerExplain(policy);
  registerDiff(policy);
  registerPush(policy);
  registerShadow(policy);
}
