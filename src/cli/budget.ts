/**
 * `mesh budget`: what may be spent, what was, and what of it is left.
 */
import type { Command } from 'commander';
import { registerLift, registerSet } from './budget/set.js';
import { registerReconcile } from './budget/reconcile.js';
import { registerShow } from './budget/show.js';
import { registerWatch } from './budget/watch.js';

/** Add the command and what it can do. */
export function register(program: Command): void {
  const budget = program
    .command('budget')
    .summary('what may be spent, what was, and what is left')
    .description(
      'Budgets of agents, principals, teams, capabilities and trees of calls. The policy names them; docs/budgets.md says how.',
    );
  registerShow(budget);
  registerWatch(budget);
  registerSet(budget);
  registerLift(budget);
  registerReconcile(budget);
}
