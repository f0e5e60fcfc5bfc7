/**
 * Commands that run until they are told to stop: `mesh gateway`, `mesh control`.
 */
import { destination, pino } from 'pino';
import type { Command } from 'commander';
import { MeshError } from '../wire/errors.js';
import type { Log } from '../wire/log.js';
import { openContext, type ContextOptions } from './context.js';
import { exitOfError, say, sayError, sayJson } from './output.js';
import { stopRequest } from './stop.js';

/** What a service is started with. */
export interface ServiceOptions {
  readonly url: string;
  readonly seed: string;
  readonly name: string;
  readonly policyFile: string;
  readonly log: Log;
}

/** Something that runs and can be stopped. */
export interface Service {
  stop(): Promise<void>;
}

/** Options of both commands. */
export function serviceOptions(command: Command, user: string): Command {
  return command
    .option('--data <folder>', 'data folder (default: $MESH_DATA or .mesh)')
    .option('--as <name>', 'user whose credentials in the data folder to use', user)
    .option('--url <url>', 'server (default: the one of the data folder, else $NATS_URL)')
    .option('--policy <file>', 'policy (default: mesh.policy.yaml in the data folder)')
    .option('--json', 'print one JSON line when ready');
}

/** Start the service, report that it is ready, and keep it until a signal comes or the parent is gone. */
export async function serveUntilStopped(
  options: ContextOptions,
  user: string,
  start: (options: ServiceOptions) => Promise<Service>,
): Promise<void> {
  const stopped = stopRequest();
  const { url, credentials, policyFile } = openContext(options, user);
  const log = pino({ level: process.env['MESH_LOG'] ?? 'warn', name: user }, destination(2));
  const service = await start({ url, seed: credentials.seed, name: credentials.name, policyFile, log }).catch(
    (err: unknown) => {
      if (!(err instanceof MeshError)) {
        log.error({ err }, 'did not start'); // the printed error does not carry its cause
      }
      sayError(err, options.json === true);
      process.exit(exitOfError(err)); // a connection made on the way would keep the process
    },
  );
  if (options.json === true) {
    sayJson({ ready: true, service: user, pid: process.pid, url });
  } else {
    say(`${user} is ready (process ${process.pid}, ${url})`);
  }
  await stopped;
  await service.stop();
  process.exit(); // whatever a library still holds must not keep a stopped service alive
}
