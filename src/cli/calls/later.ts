/**
 * `mesh calls wait | watch | cancel`: calls that were made before, by their id. The caller's own credentials are enough.
 */
import type { Command } from 'commander';
import type { Mesh } from '../../agent/index.js';
import { asMeshError } from '../../wire/errors.js';
import { CONNECTS, openContext, type ContextOptions } from '../context.js';
import { exitOfError, exits, say, sayError, sayJson } from '../output.js';
import { withSettings } from '../settings.js';
import { follow, questioner, sayOutcome } from './follow.js';

interface LaterOptions extends ContextOptions {
  readonly timeout?: number;
}

/** Add the commands. */
export function registerLater(calls: Command): void {
  ownOptions(calls.command('wait <call>'))
    .summary('wait for the outcome of a call')
    .description('Wait for the outcome of a call that was made before, and print it like mesh call.')
    .addHelpText('after', WAIT_HELP)
    .action((call: string, options: LaterOptions) =>
      withMesh(options, async (mesh, timeout) =>
        sayOutcome(await mesh.wait(call, timeout), options.json === true),
      ),
    );
  ownOptions(calls.command('watch <call>'))
    .summary('read the partial outputs of a call, answer its questions')
    .description(
      'Print the partial outputs nobody has read yet, ask you what the handler asks, then print the outcome. The call must have been made with mesh call --detach --stream.',
    )
    .addHelpText('after', WATCH_HELP)
    .action((call: string, options: LaterOptions) =>
      withMesh(options, (mesh, timeout) => watch(mesh, call, { ...options, timeout })),
    );
  ownOptions(calls.command('cancel <call>'))
    .summary('ask the mesh to stop a call')
    .description('Ask the mesh to stop a call, and wait for its outcome, which still decides.')
    .addHelpText('after', CANCEL_HELP)
    .action((call: string, options: LaterOptions) =>
      withMesh(options, (mesh, timeout) => cancel(mesh, call, { ...options, timeout })),
    );
}

function ownOptions(command: Command): Command {
  return withSettings(command, ...CONNECTS, 'users.caller', 'call.timeoutMs').option(
    '--json',
    'print one JSON value per line',
  );
}

const EXITS =
  'Exits with 0 completed, 1 failed or cancelled, 2 usage, 3 refused, 4 expired, unknown, or not settled in time.';

const WAIT_HELP = `
Examples:
  $ mesh calls wait 01jd9zq0c3w8k5v7x2m4n6p8r0
  $ mesh calls wait 01jd9zq0c3w8k5v7x2m4n6p8r0 --timeout 600000 --json | jq .value

${EXITS}`;

const WATCH_HELP = `
Examples:
  $ mesh calls watch "$(mesh call report.write --detach --stream --timeout 600000)"
  $ mesh calls watch 01jd9zq0c3w8k5v7x2m4n6p8r0 --json

An agent waits ten seconds for a reader of its partial outputs, then goes on without. Questions are asked where stdin
is a terminal. ${EXITS}`;

const CANCEL_HELP = `
Examples:
  $ mesh calls cancel 01jd9zq0c3w8k5v7x2m4n6p8r0

Exits with 0 when the call ended as cancelled, 1 when it ended in another way first.`;

async function watch(mesh: Mesh, call: string, { timeout, json }: LaterOptions): Promise<void> {
  const onQuestion = questioner();
  const stream = mesh.watch(call, {
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
    ...(onQuestion === undefined ? {} : { onQuestion }),
  });
  await follow(stream, json === true);
}

async function cancel(mesh: Mesh, call: string, options: LaterOptions): Promise<void> {
  mesh.cancel(call);
  const status = await mesh.wait(call, options.timeout).then(
    () => 'completed',
    (err: unknown) => {
      const error = asMeshError(err, 'mesh calls cancel');
      if (error.status === undefined) {
        throw error;
      }
      return error.status;
    },
  );
  if (options.json === true) {
    sayJson({ call, status });
  } else {
    say(status);
  }
  process.exitCode = status === 'cancelled' ? exits.completed : exits.failed;
}

async function withMesh(
  options: LaterOptions,
  run: (mesh: Mesh, timeoutMs: number) => Promise<void>,
): Promise<void> {
  try {
    const { url, credentials, settings } = openContext(options, 'me', ['call.timeoutMs']);
    const { connect } = await import('../../agent/index.js');
    const mesh = await connect({ url, creds: credentials });
    try {
      await run(mesh, settings.orDefault('call.timeoutMs'));
    } finally {
      await mesh.close();
    }
  } catch (err) {
    process.exitCode = exitOfError(err);
    sayError(err, options.json === true);
  }
}
