/**
 * `mesh agents`: who is there, and who may come.
 */
import type { Command } from 'commander';
import { register as registerAdd } from './agents/add.js';
import { register as registerEnrol } from './agents/enrol.js';
import { register as registerFind } from './agents/find.js';
import { register as registerJoin } from './agents/join.js';
import { register as registerRevoke } from './agents/revoke.js';
import { register as registerViews } from './agents-view.js';

/** Add the command and what it can do. */
export function register(program: Command): void {
  const agents = program
    .command('agents')
    .summary('who is there; add a name')
    .description('The agents and callers of a mesh.');
  registerViews(agents);
  registerFind(agents);
  registerAdd(agents);
  registerEnrol(agents);
  registerJoin(agents);
  registerRevoke(agents);
}
