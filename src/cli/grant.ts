/**
 * `mesh grant`: authority that is handed on.
 */
import type { Command } from 'commander';
import { register as registerInspect } from './grant/inspect.js';
import { register as registerMake } from './grant/make.js';
import { register as registerRevoke } from './grant/revoke.js';

/** Add the command and what it can do. */
export function register(program: Command): void {
  const grant = program
    .command('grant')
    .summary('hand authority on, narrow it, take it back')
    .description(
      'Grants: signed authority for one member, which may pass on the same or less. docs/grants.md tells all of it.',
    );
  registerMake(grant);
  registerInspect(grant);
  registerRevoke(grant);
}
