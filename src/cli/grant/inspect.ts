/**
 * `mesh grant inspect`: what stands in a grant, and whether this mesh would believe it.
 */
import { MESH_ISSUER } from '../../domain/grants/issuers.js';
import { join } from 'node:path';
import type { Command } from 'commander';
import { constraintText } from '../../domain/grants/arguments.js';
import { GrantBook } from '../../domain/grants/book.js';
import { readGrant } from '../../domain/grants/chain.js';
import type { Claims } from '../../domain/grants/claims.js';
import type { Link } from '../../domain/grants/token.js';
import { ownerFiles } from '../../domain/owners/read.js';
import { compilePolicy } from '../../domain/policy.js';
import { asksIdentity } from '../../fabric/callout-conf.js';
import { places, textIfAny } from '../../fabric/folder.js';
import { readPolicyTexts } from '../../fabric/policy-files.js';
import { readIssuer } from '../../fabric/issuer.js';
import { readUsers } from '../../fabric/users.js';
import { asMeshError, type MeshError } from '../../wire/errors.js';
import { folderOf } from '../context.js';
import { pathIn, readSettings, withSettings } from '../settings.js';
import { exitOfError, paint, safe, say, sayError, sayJson, table } from '../output.js';
import { grantText } from './text.js';

interface InspectOptions {
  readonly data?: string;
  readonly policy?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** Add the command. */
export function register(grant: Command): void {
  withSettings(grant.command('inspect <grant>'), 'data', 'policy')
    .summary('what stands in a grant, and whether it holds')
    .description(
      'Show each link of a grant and judge it by the keys and the policy of the data folder. It asks nobody: what was revoked is known to gateways only, and so are the keys of members where identity says who connects.',
    )
    .option('--json', 'print one JSON line')
    .addHelpText('after', HELP)
    .action(inspect);
}

const HELP = `
Examples:
  $ mesh grant inspect @clerk.grant
  $ mesh grant inspect - --json < clerk.grant | jq .links

Exits with 0 when it holds, with 3 when it does not.`;

function inspect(given: string, options: InspectOptions): void {
  const text = grantText(given);
  const links = readGrant(text);
  const error = judge(text, links, options);
  process.exitCode = error === undefined ? 0 : exitOfError(error);
  if (options.json === true) {
    const verdict = error === undefined ? { holds: true } : { holds: false, error: error.toBody() };
    return sayJson({ ...verdict, links: links.map(({ kid, claims }) => ({ kid, ...claims })) });
  }
  links.forEach(({ claims }, i) => say(...describeLink(claims, i + 1)));
  if (error === undefined) {
    say(paint.green('It holds.'));
  } else {
    sayError(error, false);
  }
}

function judge(text: string, links: readonly Link[], options: InspectOptions): MeshError | undefined {
  const settings = readSettings({ ...options }, ['data', 'policy']);
  const dir = folderOf(settings);
  const file = pathIn(settings, 'policy') ?? join(dir, places.policy);
  try {
    const written = textIfAny(file);
    const issuers =
      written === undefined
        ? new Map()
        : compilePolicy(written, file, readPolicyTexts(file, ownerFiles).files).issuers;
    const book = new GrantBook(() => issuers);
    book.setIssuer(MESH_ISSUER, readIssuer(dir)?.publicKey);
    const keys = asksIdentity(dir)
      ? links.map(({ claims }) => [claims.delegatee, claims.cnf.kid] as const) // the folder does not know them
      : readUsers(dir).map(({ name, publicKey }) => [name, publicKey] as const);
    keys.forEach(([name, key]) => book.setHolder(name, key));
    book.open(text, links.at(-1)?.claims.delegatee ?? '', Date.now());
    return undefined;
  } catch (err) {
    return asMeshError(err, 'mesh grant inspect');
  }
}

/** A link for people. */
export function describeLink(claims: Claims, link: number): string[] {
  const { jti, iss, sub, delegatee, can, args, labels, budget, deadline, depth, root, exp, nbf } = claims;
  const until = new Date(exp * 1_000).toISOString();
  const rows: (string | undefined)[][] = [
    ['for', `${delegatee}, on the authority of ${sub}, signed by ${iss}`],
    ['can', `${claims.actions.join(', ')} ${can.join(' ')}`],
    ['arguments', args?.map(constraintText).join(' and ')],
    [
      'labels',
      labels &&
        Object.entries(labels)
          .map(([k, v]) => `${k}=${v.join('|')}`)
          .join(' '),
    ],
    [
      'budget',
      budget &&
        Object.entries(budget)
          .map(([k, v]) => `${k}=${v}`)
          .join(' '),
    ],
    ['valid', `${nbf === undefined ? '' : `from ${new Date(nbf * 1_000).toISOString()} `}until ${until}`],
    ['deadline', deadline === undefined ? undefined : new Date(deadline).toISOString()],
    ['further', `${depth} delegations${root ? ', calls of its own' : ''}`],
  ];
  const known = rows.filter((row): row is string[] => row[1] !== undefined && row[1] !== '');
  const head = `${paint.bold(`link ${link}`)} ${jti}`;
  return [
    head,
    ...table(known.map(([key = '', value = '']) => [paint.dim(key), safe(value)])).map((line) => `  ${line}`),
  ];
}
