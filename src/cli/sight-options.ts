/**
 * Options of a service about what it shows: logs, metrics, traces.
 */
import type { Command } from 'commander';
import { destination, pino } from 'pino';
import { pageAddress, servePage, type Page } from '../sight/page.js';
import { readRatio } from '../sight/ratio.js';
import { scrub, scrubText } from '../sight/scrub.js';
import { meshError } from '../wire/errors.js';
import type { Log } from '../wire/log.js';

/** What the options say. */
export interface SightFlags {
  readonly log?: string;
  readonly metrics?: string;
  readonly traceRatio?: string;
}

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'];

/** Add the options. */
export function sightOptions(command: Command): Command {
  return command
    .option('--log <level>', 'debug, info, warn, error or silent (default: $MESH_LOG or warn)')
    .option(
      '--metrics <where>',
      'port, host:port or off (default: $MESH_METRICS or a free port on 127.0.0.1)',
    )
    .option('--trace-ratio <0-1>', 'share of traces that are sampled (default: $MESH_TRACE_RATIO or 0.1)');
}

/** The same, as arguments for the n-th child: each gets a port of its own, counted on from the first. */
export function sightArgs({ log, metrics, traceRatio }: SightFlags, nth: number): string[] {
  const address = pageAddress(metrics ?? process.env['MESH_METRICS']);
  const port = address === undefined || address.port === 0 ? 0 : address.port + nth;
  const host = address?.host.includes(':') === true ? `[${address.host}]` : address?.host;
  return [
    ...(log === undefined ? [] : ['--log', log]),
    ...['--metrics', address === undefined ? 'off' : `${host}:${port}`],
    ...(traceRatio === undefined ? [] : ['--trace-ratio', traceRatio]),
  ];
}

/** Say at once what is wrong with the options. Throws usage. */
export function checkSight(flags: SightFlags): void {
  levelOf(flags);
  ratioOf(flags);
  pageAddress(flags.metrics ?? process.env['MESH_METRICS']);
}

function levelOf({ log }: SightFlags): string {
  const level = log ?? process.env['MESH_LOG'] ?? 'warn';
  if (!LEVELS.includes(level)) {
    throw meshError('usage', { why: `"${level}" is no level of the log: give one of ${LEVELS.join(', ')}` });
  }
  return level;
}

/** The ratio of sampled traces. Throws usage. */
export function ratioOf({ traceRatio }: SightFlags): number {
  return readRatio(traceRatio ?? process.env['MESH_TRACE_RATIO']);
}

/** A log on stderr, one JSON object per line, without bodies, tickets and secrets. Throws usage. */
export function openLog(flags: SightFlags, name: string): { log: Log; calls: boolean } {
  const level = levelOf(flags);
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

/** Open the page of metrics, unless it is off. Throws usage, config_invalid. */
export async function openPage({ metrics }: SightFlags): Promise<Page | undefined> {
  const address = pageAddress(metrics ?? process.env['MESH_METRICS']);
  return address === undefined ? undefined : await servePage(address);
}
