/**
 * `mesh serve token`: who may come in over HTTP.
 */
import type { Command } from 'commander';
import { asToken } from '../../wire/names.js';
import { MeshError } from '../../wire/errors.js';
import { folderOf } from '../context.js';
import { note, paint, say, sayJson, table } from '../output.js';
import { readSettings, withSettings, type Flags } from '../settings.js';
import { addToken, readTokens, removeToken } from './tokens.js';

interface TokenOptions extends Flags {
  readonly replace?: boolean;
  readonly json?: boolean;
}

/** Add the commands. */
export function register(serve: Command): void {
  const token = serve
    .command('token')
    .summary('who may come in over HTTP')
    .description('Bearer tokens: each stands for one caller of the mesh, and only its digest is kept.');
  withOptions(token.command('add <user>'))
    .summary('make a token for a caller')
    .description('Make a token that stands for a caller, and print it: nobody can tell it again.')
    .option('--replace', 'take the token it has out of force')
    .addHelpText('after', ADD_HELP)
    .action(add);
  withOptions(token.command('ls'))
    .summary('whose tokens there are')
    .description('The callers that have a token, and since when.')
    .addHelpText('after', '\nExamples:\n  $ mesh serve token ls')
    .action(ls);
  withOptions(token.command('rm <user>'))
    .summary('take a token out of force')
    .description('Take the token of a caller out of force; its sessions end within a second.')
    .addHelpText('after', '\nExamples:\n  $ mesh serve token rm desk')
    .action(rm);
}

const ADD_HELP = `
Examples:
  $ mesh agents add desk --caller
  $ mesh serve token add desk
  $ mesh serve token add desk --replace      the old one is worth nothing any more

A server that runs takes it up within a second.`;

function withOptions(command: Command): Command {
  return withSettings(command, 'data').option('--json', 'print one JSON line');
}

function folder(options: TokenOptions): string {
  return folderOf(readSettings(options, ['data']));
}

async function add(name: string, { replace, json, ...flags }: TokenOptions): Promise<void> {
  const user = asToken(name, 'the user');
  const token = await addToken(folder(flags), user, replace === true).catch((err: unknown) => {
    if (err instanceof MeshError && err.code === 'config_missing') {
      note(`${user} has no credentials here; mesh agents add ${user} --caller makes them.`);
    }
    throw err;
  });
  if (json === true) {
    return sayJson({ user, token });
  }
  note(`Who sends this as a bearer token is ${paint.green(user)}. It is shown only now:`);
  say(token);
}

function ls({ json, ...flags }: TokenOptions): void {
  const rows = readTokens(folder(flags)).map(({ user, addedAt }) => ({ user, addedAt }));
  if (json === true) {
    return sayJson({ tokens: rows });
  }
  if (rows.length === 0) {
    note('no tokens');
  } else {
    say(
      ...table(
        rows.map(({ user, addedAt }) => [user, addedAt]),
        ['user', 'since'],
      ),
    );
  }
}

async function rm(user: string, { json, ...flags }: TokenOptions): Promise<void> {
  await removeToken(folder(flags), user);
  if (json === true) {
    sayJson({ user, removed: true });
  } else {
    say(`the token of ${user} is out of force`);
  }
}
