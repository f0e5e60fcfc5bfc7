/**
 * `mesh grant revoke`: take a grant back, with all that was made from it.
 */
import type { Command } from 'commander';
import { readGrant } from '../../domain/grants/chain.js';
import { meshError } from '../../wire/errors.js';
import { isToken } from '../../wire/names.js';
import { viewOptions } from '../calls/ask.js';
import type { ContextOptions } from '../context.js';
import { asOperator } from '../operator.js';
import { paint, say, sayJson } from '../output.js';
import { grantText } from './text.js';

interface RevokeOptions extends ContextOptions {
  readonly holder?: string;
  readonly why?: string;
}

/** Add the command. */
export function register(grant: Command): void {
  viewOptions(grant.command('revoke [grant]'))
    .summary('take a grant back')
    .description(
      'Revoke a grant or a delegation: its last link, and everything that was or will be made from it. Gateways refuse it within a moment, and tasks that run under it are stopped. It cannot be undone; make a new grant instead.',
    )
    .option('--holder <name>', 'revoke all that this member was given until now')
    .option('--why <text>', 'why, for people')
    .addHelpText('after', HELP)
    .action(revoke);
}

const HELP = `
Examples:
  $ mesh grant revoke 01jd9zq0c3w8k5v7x2m4n6p8r0          the id of a link (mesh grant inspect)
  $ mesh grant revoke @clerk.grant --why 'left the team'
  $ mesh grant revoke --holder clerk`;

async function revoke(given: string | undefined, options: RevokeOptions): Promise<void> {
  const { holder, why } = options;
  if ((given === undefined) === (holder === undefined)) {
    throw meshError('usage', { why: 'say a grant (its id, its text, @file or -) or a --holder' });
  }
  const what = given === undefined ? { holder: holder ?? '' } : { grant: idOf(given) };
  const admin = { ...what, ...(why === undefined ? {} : { why }) };
  const done = await asOperator(options, [], (operator) => operator.command<object>('revoke', admin));
  if (options.json === true) {
    sayJson(done);
  } else {
    say(`${paint.green(what.grant ?? what.holder ?? '')} is revoked, with all that was made from it`);
  }
}

function idOf(given: string): string {
  return isToken(given) ? given : (readGrant(grantText(given)).at(-1)?.claims.jti ?? '');
}
