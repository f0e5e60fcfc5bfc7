/**
 * `mesh agents join`: make a key here, and have the mesh take it for a name. The key never leaves this machine.
 */
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { connectBroker } from '../../fabric/connection.js';
import { readJson, writeWhole } from '../../fabric/folder.js';
import { createUserKey } from '../../fabric/keys.js';
import { enrolPrefix } from '../../wire/enrolment.js';
import { meshError } from '../../wire/errors.js';
import { asToken, type Token } from '../../wire/names.js';
import { isSessionRole, type SessionRole } from '../../wire/session-role.js';
import { paint, say, sayJson } from '../output.js';
import { readSettings, withSettings, type Flags } from '../settings.js';

interface JoinOptions extends Flags {
  readonly out?: string;
  readonly json?: boolean;
}

/** Add the command. */
export function register(agents: Command): void {
  withSettings(agents.command('join <file>'), 'server.url')
    .summary('join with the token of mesh agents enrol')
    .description(
      'Make a key on this machine, show the mesh the enrolment token with it, and write credentials that connect() and MESH_CREDS take. The server is the one in the file, unless a setting names another. The token is used up by that.',
    )
    .option('--out <file>', 'where to write the credentials (default: <name>.creds.json)')
    .option('--json', 'print one JSON line')
    .addHelpText('after', HELP)
    .action(join);
}

const HELP = `
Examples:
  $ mesh agents join inventory.enrol.json
  $ MESH_TLS_CA=ca.pem mesh agents join inventory.enrol.json --url tls://nats.example:4222`;

interface Invitation {
  readonly name: Token;
  readonly role: SessionRole;
  readonly token: string;
  readonly url?: string;
}

async function join(file: string, options: JoinOptions): Promise<void> {
  const invitation = read(file);
  const { name, role, token } = invitation;
  const url = readSettings(options, ['server.url']).given('server.url')?.value ?? invitation.url;
  if (url === undefined) {
    throw meshError('config_missing', { what: 'the url of the server (--url)' });
  }
  const { seed, publicKey } = createUserKey();
  const out = resolve(options.out ?? `${name}.creds.json`);
  // Before the token is used: a key that cannot be kept must not be taken for the name.
  writeWhole(out, `${JSON.stringify({ name, role, seed, url }, undefined, 2)}\n`);
  const label = `${name} joins from ${hostname()}`;
  const nc = await connectBroker({ url, name, seed, token: () => token, label });
  await nc.close();
  if (options.json === true) {
    sayJson({ name, role, publicKey, credentials: out, url });
  } else {
    say(
      `${paint.green(name)} has joined as ${role === 'agent' ? 'an agent' : `a ${role}`}; its credentials: ${out}`,
    );
  }
}

function read(file: string): Invitation {
  const value = (readJson(resolve(file)) ?? {}) as Partial<Record<keyof Invitation, unknown>>;
  const { name, role, token, url } = value;
  if (typeof token !== 'string' || !token.startsWith(enrolPrefix) || !isSessionRole(role)) {
    throw meshError('config_invalid', { file, where: '/', why: 'it is not what mesh agents enrol writes' });
  }
  return {
    name: asToken(name, 'name in the enrolment'),
    role,
    token,
    ...(typeof url === 'string' ? { url } : {}),
  };
}
