/**
 * `mesh grant issue` and `mesh grant delegate`: make a grant, make a narrower one from it.
 */
import { MESH_ISSUER } from '../../domain/grants/issuers.js';
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import {
  delegateGrant,
  issueGrant,
  type Holder,
  type Signed,
  type Signer,
  type Terms,
} from '../../domain/grants/sign.js';
import { asksIdentity } from '../../fabric/callout-conf.js';
import { textIfAny } from '../../fabric/folder.js';
import { readIssuer } from '../../fabric/issuer.js';
import { privateKeyOf, publicKeyOf } from '../../fabric/keys.js';
import { credentialsFile, loadCredentials, readUsers } from '../../fabric/users.js';
import { meshError } from '../../wire/errors.js';
import { asToken, type Token } from '../../wire/names.js';
import { isSessionRole } from '../../wire/session-role.js';
import { dataFolder } from '../context.js';
import { asOperator } from '../operator.js';
import { withSettings } from '../settings.js';
import { note, paint, say, sayJson } from '../output.js';
import { describeLink } from './inspect.js';
import { grantText } from './text.js';
import { termOptions, termsOf, type TermFlags } from './terms.js';

interface MakeOptions extends TermFlags {
  readonly to: string;
  readonly key?: string;
  readonly out?: string;
  readonly data?: string;
  readonly config?: string;
  readonly json?: boolean;
}

interface IssueOptions extends MakeOptions {
  readonly principal?: string;
  readonly issuer?: string;
  readonly seed?: string;
}

interface DelegateOptions extends MakeOptions {
  readonly as?: string;
  readonly creds?: string;
}

/** Add both commands. */
export function register(grant: Command): void {
  const issue = grant
    .command('issue')
    .summary('make a grant for a member')
    .description(
      'Make a grant, signed with the key of this mesh (or of another issuer of the policy). The grant goes to stdout; whoever it was made for presents it with its calls. Unless said otherwise it allows to read for an hour, within the tasks of others, and cannot be delegated.',
    )
    .option('--principal <name>', 'on whose authority it stands (default: the holder)')
    .option('--issuer <name>', 'another issuer of the policy, with --seed')
    .option('--seed <file>', 'file with the seed (nkey) of that issuer');
  makeOptions(termOptions(issue)).addHelpText('after', ISSUE_HELP).action(issueCommand);
  const delegate = grant
    .command('delegate <grant>')
    .summary('make a narrower grant from one you hold')
    .description(
      'Make a grant from one you hold, signed with your own key: the same or less, for somebody else. What is not said is as in the grant; only --root must be said again.',
    )
    .option('--as <name>', 'who holds the grant: a name with credentials in the data folder')
    .option('--creds <file>', 'the same by its credentials file');
  makeOptions(termOptions(delegate)).addHelpText('after', DELEGATE_HELP).action(delegateCommand);
}

function makeOptions(command: Command): Command {
  return withSettings(command, 'data')
    .requiredOption('--to <name>', 'the member who may use it')
    .option('--key <nkey>', 'public nkey of that member (default: the one that the mesh knows)')
    .option('--out <file>', 'write the grant to a file that only you can read')
    .option('--json', 'print one JSON line');
}

const ISSUE_HELP = `
Examples:
  $ mesh grant issue --to clerk --can 'stock.>' --root > clerk.grant
  $ mesh grant issue --to clerk --can pay.bill --do execute --arg '{"at":"/amount","max":100}' --life 15m --root
  $ mesh grant issue --to planner --principal alice --can 'stock.>' --do read,write --depth 2 --out planner.grant
  $ mesh call stock.read '{"sku":"a-1"}' --as clerk --grant @clerk.grant`;

const DELEGATE_HELP = `
Examples:
  $ mesh grant delegate @planner.grant --as planner --to clerk --can stock.read --root > clerk.grant
  $ mesh grant delegate @planner.grant --creds planner.creds.json --to clerk --do read --life 5m --json

The grant is its text, @file, or - for stdin. On another machine the key of the member is given with --key.`;

async function issueCommand(options: IssueOptions): Promise<void> {
  const dir = dataFolder(options.data, options.config);
  const holder = await holderOf(dir, options);
  const given = termsOf(options, Date.now());
  if (given.can === undefined) {
    throw meshError('usage', { why: 'a grant needs --can' });
  }
  const principal = asToken(options.principal ?? holder.name, '--principal');
  const terms = { ...DEFAULTS, exp: Math.floor(Date.now() / 1_000) + 3_600, ...given } as Terms;
  const { signer, issuer } = issuerOf(dir, options);
  tell(await issueGrant(signer, { issuer, principal, holder }, terms), options);
}

const DEFAULTS = { actions: ['read'], depth: 0, root: false };

async function delegateCommand(given: string, options: DelegateOptions): Promise<void> {
  const dir = dataFolder(options.data, options.config);
  const { as, creds } = options;
  if ((as === undefined) === (creds === undefined)) {
    throw meshError('usage', { why: 'say who holds the grant: --as or --creds' });
  }
  const file = creds ?? credentialsFile(dir, as ?? '');
  const signer = signerOf(loadCredentials(file).seed, file);
  tell(
    await delegateGrant(signer, grantText(given), await holderOf(dir, options), termsOf(options, Date.now())),
    options,
  );
}

function issuerOf(dir: string, { issuer, seed }: IssueOptions): { signer: Signer; issuer: string } {
  if ((issuer === undefined) !== (seed === undefined)) {
    throw meshError('usage', { why: '--issuer and --seed go together' });
  }
  if (issuer !== undefined && seed !== undefined) {
    const text = textIfAny(seed);
    if (text === undefined) {
      throw meshError('config_missing', { what: `the seed file ${seed}` });
    }
    return { signer: signerOf(text, seed), issuer: asToken(issuer, '--issuer') };
  }
  const own = readIssuer(dir);
  if (own === undefined) {
    throw meshError('config_missing', { what: `the issuer key of the mesh in ${dir} (mesh up makes it)` });
  }
  return { signer: signerOf(own.seed, dir), issuer: MESH_ISSUER };
}

function signerOf(seed: string, where: string): Signer {
  return { key: privateKeyOf(seed, where), publicKey: publicKeyOf(seed, where) };
}

async function holderOf(dir: string, { to, key, config }: MakeOptions): Promise<Holder> {
  const name = asToken(to, '--to');
  const publicKey = key ?? (await keyOf(dir, name, config));
  if (publicKey === undefined) {
    throw meshError('usage', {
      why: `${name} is no user of ${dir}: add it, or give its public key with --key`,
    });
  }
  return { name, publicKey };
}

/** Where identity says who connects, its register knows the keys, and not the folder. */
async function keyOf(dir: string, name: Token, config: string | undefined): Promise<string | undefined> {
  const listed = readUsers(dir).find((user) => user.name === name);
  if (!asksIdentity(dir) || (listed !== undefined && !isSessionRole(listed.role))) {
    return listed?.publicKey;
  }
  const options = { data: dir, ...(config === undefined ? {} : { config }) };
  const member = await asOperator(options, [], (operator) =>
    operator.command<{ key?: string }>('member', { agent: name }),
  );
  return member.key;
}

function tell({ text, claims }: Signed, { out, json }: MakeOptions): void {
  if (out !== undefined) {
    writeFileSync(out, `${text}\n`, { mode: 0o600 });
  }
  if (json === true) {
    return sayJson({ id: claims.jti, claims, ...(out === undefined ? { grant: text } : { file: out }) });
  }
  describeLink(claims, text.split('~').length).forEach(note);
  if (out === undefined) {
    say(text);
  } else {
    say(`${paint.green(claims.jti)} is in ${out}`);
  }
}
