/**
 * An operator on the wire: asks control for views and gives it commands. All that an operator does goes through
 * control; the command line touches no stream.
 */
import type { Settings } from '../domain/config/resolve.js';
import type { SettingKey } from '../domain/config/settings.js';
import type { Msg, NatsConnection } from '../fabric/connection.js';
import { fromBody, meshError } from '../wire/errors.js';
import type { Admin, ErrorBody, View } from '../wire/generated/messages.js';
import { subject } from '../wire/generated/subjects.js';
import { header } from '../wire/headers.js';
import { asToken, type Token } from '../wire/names.js';
import { openContext, type ContextOptions } from './context.js';

/** Views read for up to five seconds, commands wait for a gateway as long. */
const ANSWER_MS = 10_000;

/** Which view. */
export type What =
  | 'agents'
  | 'agent'
  | 'breakers'
  | 'budgets'
  | 'calls'
  | 'call'
  | 'dead'
  | 'learned'
  | 'parked'
  | 'policy'
  | 'reconcile'
  | 'shadow'
  | 'state'
  | 'traffic';

/** Which command. */
export type Command =
  | 'plain'
  | 'breaker'
  | 'forget'
  | 'register'
  | 'enrol'
  | 'revoke'
  | 'reinstate'
  | 'member'
  | 'replay'
  | 'discard'
  | 'body'
  | 'budget'
  | 'lift'
  | 'release'
  | 'cancel'
  | 'policy'
  | 'shadow';

/** A connection as operator or viewer. */
export class Operator {
  readonly settings: Settings;
  readonly #nc: NatsConnection;
  readonly #name: Token;

  private constructor(nc: NatsConnection, name: Token, settings: Settings) {
    this.#nc = nc;
    this.#name = name;
    this.settings = settings;
  }

  /** Connect; `keys` are further settings whose flags the command takes. Throws what finding and connecting throw. */
  static async open(options: ContextOptions, keys: readonly SettingKey[] = []): Promise<Operator> {
    const { url, credentials, settings } = openContext(options, 'operator', keys);
    const name = asToken(credentials.name, 'the name in the credentials');
    const { connectBroker } = await import('../fabric/connection.js');
    return new Operator(await connectBroker({ url, name, seed: credentials.seed }), name, settings);
  }

  /** Ask for a view. Throws what control answers, `unavailable`, `permission_denied`. */
  view<T>(what: What, view: View): Promise<T> {
    return this.#request<T>(subject.view({ from: this.#name, what: what as Token }), view);
  }

  /** Give a command. Throws what control answers, `unavailable`, `permission_denied`. */
  command<T>(what: Command, admin: Admin): Promise<T> {
    return this.#request<T>(subject.admin({ from: this.#name, what: what as Token }), admin);
  }

  /** Leave. */
  async close(): Promise<void> {
    await this.#nc.close();
  }

  #request<T>(to: string, body: object): Promise<T> {
    return askControl<T>(this.#nc, to, body);
  }
}

/** One request to control. Throws what it answers, `unavailable`, `permission_denied`. */
export async function askControl<T>(nc: NatsConnection, to: string, body: object): Promise<T> {
  try {
    return await answerOf<T>(await nc.request(to, JSON.stringify(body), { timeout: ANSWER_MS }));
  } catch (err) {
    throw requestError(err, to);
  }
}

/** Do something as an operator, and leave. */
export async function asOperator<T>(
  options: ContextOptions,
  keys: readonly SettingKey[],
  work: (operator: Operator) => Promise<T>,
): Promise<T> {
  const operator = await Operator.open(options, keys);
  try {
    return await work(operator);
  } finally {
    await operator.close();
  }
}

async function answerOf<T>(msg: Msg): Promise<T> {
  const { headersOf } = await import('../fabric/raw.js');
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
