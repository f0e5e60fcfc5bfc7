/**
 * Commands that run until they are told to stop: `mesh gateway`, `mesh control`.
 */
import { destination, pino } from 'pino';
import type { Command } from 'commander';
import { MeshError } from '../wire/errors.js';
import type { Log } from '../wire/log.js';
import { CONNECTS, openContext, type ContextOptions } from './context.js';
import { exitOfError, note, say, sayError, sayJson } from './output.js';
import { withLimits, withSettings } from './settings.js';

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
export function serviceOptions(command: Command, user: 'gateway' | 'control'): Command {
  const all = withSettings(command, ...CONNECTS, `users.${user}`, 'policy', 'log.level');
  return withLimits(all).option('--json', 'print one JSON line when ready');
}

/** Start the service, report that it is ready, and keep it until a signal comes or the parent is gone. */
export async function serveUntilStopped(
  options: ContextOptions,
  user: 'gateway' | 'control',
  start: (options: ServiceOptions) => Promise<Service>,
): Promise<void> {
  const stopped = stopRequest();
  const { url, credentials, policyFile, settings } = openContext(options, user, ['log.level']);
  const log = pino({ level: settings.orDefault('log.level'), name: user }, destination(2));
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

/** Resolves at the first wish to stop. At the second signal the process ends as it is. */
function stopRequest(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (asked) {
        note(`${signal} again: ending at once`);
        process.exit(1);
      }
      asked = true;
      resolve();
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
    // Started by `mesh up`: the channel closes when it dies, however it dies.
    process.once('disconnect', resolve);
  });
}
