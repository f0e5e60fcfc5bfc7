/**
 * Commands that run until they are told to stop: `mesh gateway`, `mesh control`.
 */
import type { Command } from 'commander';
import { MeshError } from '../wire/errors.js';
import type { Page, Sightly } from '../sight/page.js';
import type { Log } from '../wire/log.js';
import { CONNECTS, openContext, type ContextOptions } from './context.js';
import { exitOfError, say, sayError, sayJson } from './output.js';
import { withLimits, withSettings } from './settings.js';
import { openLog, openPage, SIGHT } from './sight-options.js';
import { stopRequest } from './stop.js';

/** What a service is started with. */
export interface ServiceOptions {
  readonly url: string;
  readonly seed: string;
  readonly name: string;
  readonly policyFile: string;
  readonly dir: string;
  /** Checks that need not be fine (gateways). */
  readonly accept: readonly string[];
  readonly log: Log;
  readonly sight: { readonly ratio: number; readonly logCalls: boolean };
}

/** Something that runs and can be stopped. */
export interface Service {
  readonly sight: Sightly;
  /** What is to be known of how it was started. */
  readonly notes?: readonly string[];
  stop(): Promise<void>;
}

/** Options of both commands. */
export function serviceOptions(command: Command, user: 'gateway' | 'control'): Command {
  const policy = user === 'control' ? (['policy'] as const) : []; // gateways get it from control
  const accept = user === 'gateway' ? (['server.accept'] as const) : []; // control takes no calls
  const all = withSettings(command, ...CONNECTS, `users.${user}`, ...policy, ...accept, ...SIGHT);
  return withLimits(all).option('--json', 'print one JSON line when ready');
}

/** Options of a service that reads no policy. */
export function runnerOptions(command: Command, user: string): Command {
  return withLimits(withSettings(command, ...CONNECTS, ...SIGHT))
    .option('--as <name>', `user whose credentials in the data folder to use (default: ${user})`)
    .option('--json', 'print one JSON line when ready');
}

/** Start the service, report that it is ready, and keep it until a signal comes or the parent is gone. */
export async function serveUntilStopped(
  options: ContextOptions,
  user: 'gateway' | 'control' | 'identity',
  start: (options: ServiceOptions) => Promise<Service>,
): Promise<void> {
  const stopped = stopRequest();
  const { url, credentials, policyFile, dir, settings } = openContext(options, user, [
    ...SIGHT,
    'server.accept',
  ]);
  const { seed, name } = credentials;
  const { log, calls } = openLog(settings.orDefault('log.level'), user);
  const page = await openPage(settings);
  const sight = { ratio: settings.orDefault('trace.ratio'), logCalls: calls };
  const accept = settings.value('server.accept') ?? [];
  const service = await start({ url, seed, name, policyFile, dir, accept, log, sight }).catch(
    (err: unknown) => {
      if (!(err instanceof MeshError)) {
        log.error({ err }, 'did not start'); // the printed error does not carry its cause
      }
      sayError(err, options.json === true);
      process.exit(exitOfError(err)); // a connection made on the way would keep the process
    },
  );
  page?.show(service.sight);
  sayReady(options, user, url, page, service.notes ?? []);
  await stopped;
  await service.stop();
  await page?.close();
  process.exit(); // whatever a library still holds must not keep a stopped service alive
}

function sayReady(
  options: ContextOptions,
  user: string,
  url: string,
  page: Page | undefined,
  notes: readonly string[],
): void {
  const { pid } = process;
  if (options.json === true) {
    const metrics = page === undefined ? {} : { metrics: page.url };
    sayJson({ ready: true, service: user, pid, url, ...metrics, ...(notes.length === 0 ? {} : { notes }) });
  } else {
    const shown = page === undefined ? '' : `, metrics at ${page.url}/metrics`;
    say(`${user} is ready (process ${pid}, ${url}${shown})`, ...notes.map((one) => `  ${one}`));
  }
}
