/**
 * What a service shows, as its settings say: logs, metrics, traces.
 */
import { destination, pino } from 'pino';
import type { Settings } from '../domain/config/resolve.js';
import type { SettingValue } from '../domain/config/settings.js';
import { pageAddress, servePage, type Page } from '../sight/page.js';
import { scrub, scrubText } from '../sight/scrub.js';
import type { Log } from '../wire/log.js';

/** The settings. */
export const SIGHT = ['log.level', 'metrics.listen', 'trace.ratio'] as const;

/** The same, as arguments for the n-th child: each gets a port of its own, counted on from the first. */
export function sightArgs(settings: Settings, nth: number): string[] {
  const address = pageAddress(settings.value('metrics.listen'));
  const port = address === undefined || address.port === 0 ? 0 : address.port + nth;
  const host = address?.host.includes(':') === true ? `[${address.host}]` : address?.host;
  return [
    ...['--log', settings.orDefault('log.level')],
    ...['--metrics', address === undefined ? 'off' : `${host}:${port}`],
    ...['--trace-ratio', String(settings.orDefault('trace.ratio'))],
  ];
}

/** A log on stderr, one JSON object per line, without bodies, tickets and secrets. */
export function openLog(level: SettingValue<'log.level'>, name: string): { log: Log; calls: boolean } {
  const options = {
    level,
    name,
    formatters: { log: (facts: object) => scrub(facts) as Record<string, unknown> },
    serializers: { err: (err: unknown) => err },
    hooks: {
      logMethod(this: unknown, args: unknown[], method: (...args: unknown[]) => void) {
        method.apply(
          this,
          args.map((arg) => (typeof arg === 'string' ? scrubText(arg) : arg)),
        );
      },
    },
  };
  return { log: pino(options as never, destination(2)), calls: level === 'debug' };
}

/** Open the page of metrics, unless it is off. Throws config_invalid. */
export async function openPage(settings: Settings): Promise<Page | undefined> {
  const address = pageAddress(settings.value('metrics.listen'));
  return address === undefined ? undefined : await servePage(address);
}
