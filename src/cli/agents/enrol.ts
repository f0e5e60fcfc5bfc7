/**
 * `mesh agents enrol`: let somebody join who makes a key of its own.
 */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { asksIdentity } from '../../fabric/callout-conf.js';
import { writeWhole } from '../../fabric/folder.js';
import { enrolDigest, enrolPrefix } from '../../wire/enrolment.js';
import { meshError } from '../../wire/errors.js';
import { limits } from '../../wire/limits.js';
import { asToken } from '../../wire/names.js';
import { wholeNumber } from '../calls/ask.js';
import { CONNECTS, openContext, type ContextOptions } from '../context.js';
import { asOperator } from '../operator.js';
import { paint, say, sayJson } from '../output.js';
import { withSettings } from '../settings.js';

interface EnrolOptions extends ContextOptions {
  readonly caller?: boolean;
  readonly minutes: number;
  readonly out?: string;
}

/** Add the command. */
export function register(agents: Command): void {
  withSettings(agents.command('enrol <name>'), ...CONNECTS, 'users.operator')
    .summary('let somebody join with a key of its own')
    .description(
      'Write a ticket of entry: a token that is used once, by one key, until it ends. Give the file to whoever runs the agent; mesh agents join uses it there. For a name that has a key already the new key replaces it. Needs mesh up --identity.',
    )
    .option('--caller', 'a caller: it may call, and serves nothing')
    .option(
      '--minutes <n>',
      'how long the token can be used',
      wholeNumber(1, limits.enrolMaxMs / 60_000),
      limits.enrolMs / 60_000,
    )
    .option('--out <file>', 'where to write it (default: <name>.enrol.json)')
    .option('--json', 'print one JSON line')
    .addHelpText('after', HELP)
    .action(enrol);
}

const HELP = `
Examples:
  $ mesh agents enrol inventory                      writes inventory.enrol.json, good for an hour
  $ mesh agents enrol shop --caller --minutes 10 --out shop.json`;

async function enrol(name: string, options: EnrolOptions): Promise<void> {
  const agent = asToken(name, 'the name to enrol');
  const { dir, url } = openContext(options, 'operator');
  if (!asksIdentity(dir)) {
    throw meshError('usage', {
      why: 'nobody can enrol: this mesh runs without identity (mesh up --identity 2)',
    });
  }
  const token = enrolPrefix + randomBytes(32).toString('base64url');
  const until = Date.now() + options.minutes * 60_000;
  const role = options.caller === true ? 'caller' : 'agent';
  const admin = { agent, role, digest: enrolDigest(token), until } as const;
  await asOperator(options, [], (operator) => operator.command('enrol', admin));
  const file = resolve(options.out ?? `${agent}.enrol.json`);
  writeWhole(file, `${JSON.stringify({ name: agent, role, token, url, until }, undefined, 2)}\n`);
  if (options.json === true) {
    sayJson({ name: agent, role, until, file });
  } else {
    say(
      `${paint.green(agent)} can join until ${new Date(until).toISOString()}, once, with`,
      `  mesh agents join ${file}`,
      'Whoever has the file can be it: send it as you would send a password.',
    );
  }
}
