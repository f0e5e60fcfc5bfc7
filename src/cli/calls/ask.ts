/**
 * Asking control for a view.
 */
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { connectBroker, type Msg } from '../../fabric/connection.js';
import { headersOf } from '../../fabric/raw.js';
import { fromBody, meshError } from '../../wire/errors.js';
import type { Admin, ErrorBody, View } from '../../wire/generated/messages.js';
import { subject } from '../../wire/generated/subjects.js';
import { header } from '../../wire/headers.js';
import { asToken, type Token } from '../../wire/names.js';
import { openContext, type ContextOptions } from '../context.js';

/** A view reads for up to five seconds. */
const ANSWER_MS = 10_000;

/** Which view. */
export type What = 'agents' | 'agent' | 'calls' | 'call' | 'state' | 'traffic';

/** Views over one connection. */
export interface Views {
  /** Ask for a view. Throws what control answers, `unavailable`, `permission_denied`. */
  ask<T>(what: What, view: View): Promise<T>;
  /** Give an operator command. Throws the same. */
  tell<T>(what: 'plain' | 'forget' | 'revoke', admin: Admin): Promise<T>;
  close(): Promise<void>;
}

/** Options of all commands that show a view. */
export function viewOptions(command: Command): Command {
  return command
    .option('--as <name>', 'operator or viewer whose credentials in the data folder to use', 'operator')
    .option('--data <folder>', 'data folder (default: $MESH_DATA or .mesh)')
    .option('--url <url>', 'server (default: the one of the data folder, else $NATS_URL)')
    .option('--json', 'print one JSON line');
}

/** Ask for a view. Throws what control answers, `unavailable`, `permission_denied`, and what a connection throws. */
export function askView<T>(options: ContextOptions, what: What, view: View): Promise<T> {
  return once(options, (views) => views.ask<T>(what, view));
}

/** Give an operator command. Throws the same. */
export function askAdmin<T>(
  options: ContextOptions,
  what: 'plain' | 'forget' | 'revoke',
  admin: Admin,
): Promise<T> {
  return once(options, (views) => views.tell<T>(what, admin));
}

async function once<T>(options: ContextOptions, run: (views: Views) => Promise<T>): Promise<T> {
  const views = await openViews(options);
  try {
    return await run(views);
  } finally {
    await views.close();
  }
}

/** Connect to ask for several views. Throws what a connection throws. */
export async function openViews(options: ContextOptions): Promise<Views> {
  const { url, credentials } = openContext(options, 'operator');
  const from = asToken(credentials.name, 'the name in the credentials');
  const nc = await connectBroker({ url, name: from, seed: credentials.seed });
  const request = async <T>(to: string, body: object): Promise<T> => {
    try {
      return answerOf<T>(await nc.request(to, JSON.stringify(body), { timeout: ANSWER_MS }));
    } catch (err) {
      throw requestError(err, to);
    }
  };
  return {
    ask: <T>(what: What, view: View) => request<T>(subject.view({ from, what: what as Token }), view),
    tell: <T>(what: string, admin: Admin) => request<T>(subject.admin({ from, what: what as Token }), admin),
    close: () => nc.close(),
  };
}

function answerOf<T>(msg: Msg): T {
  if (headersOf(msg).get(header.serviceErrorCode) !== undefined) {
    throw fromBody(msg.json<ErrorBody>());
  }
  return msg.json<T>();
}

function requestError(err: unknown, to: string): unknown {
  const name = err instanceof Error ? err.name : '';
  const cause = err instanceof Error && err.cause instanceof Error ? err.cause.name : '';
  if ([name, cause].includes('PermissionViolationError')) {
    return meshError('permission_denied', { subject: to }, err);
  }
  if (name === 'TimeoutError') {
    return meshError('unavailable', { waitedMs: ANSWER_MS, why: 'no control answers' }, err);
  }
  const nobody = [name, cause].includes('NoRespondersError');
  return nobody ? meshError('unavailable', { waitedMs: 0, why: 'no control runs' }, err) : err;
}

/** Parser of an option that is a whole number. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

const UNITS = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
] as const;

/** A duration for people. */
export function duration(ms: number | undefined): string {
  if (ms === undefined) {
    return '';
  }
  const [size, unit] = UNITS.find(([one]) => ms >= one) ?? [1, 'ms'];
  const value = ms / size;
  return `${unit === 'ms' || value >= 100 ? Math.round(value) : Number(value.toPrecision(3))} ${unit}`;
}
