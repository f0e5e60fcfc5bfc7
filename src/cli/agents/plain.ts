/**
 * Registering a plain responder: what an agent with the SDK says of itself, the operator says for it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { meshError, MeshError } from '../../wire/errors.js';
import { limits } from '../../wire/limits.js';
import { asCapability } from '../../wire/names.js';
import type { ContextOptions } from '../context.js';
import { asOperator } from '../operator.js';

/** A capability it serves. */
export interface PlainCapability {
  readonly name: string;
  readonly version: string;
}

/** What the operator says of all of them. */
export interface PlainOptions {
  /** A second dispatch of any of them is harmless. */
  readonly idempotent?: boolean;
  /** Tasks that all its replicas together work on at once. */
  readonly concurrency?: number;
}

/** Where it must listen. */
export interface PlainReply {
  readonly agent: string;
  readonly queue: string;
  readonly subjects: readonly { readonly capability: string; readonly subject: string }[];
}

/** Control looks at the policy twice a second: one that was changed just now is in force after this. */
const POLICY_MS = 1_500;
const AGAIN_MS = 250;

/** Register it. Throws what control refuses: `not_certified`, `card_invalid`, `card_conflict` … */
export async function registerPlain(
  context: ContextOptions,
  agent: string,
  user: string,
  serves: readonly PlainCapability[],
  { idempotent = false, concurrency = limits.concurrencyDefault }: PlainOptions,
): Promise<PlainReply> {
  const capabilities = serves.map((one) => ({ ...one, ...(idempotent ? { idempotent } : {}) }));
  const admin = { agent, user, card: { concurrency, capabilities } };
  const until = Date.now() + POLICY_MS;
  for (;;) {
    try {
      return await asOperator(context, [], (operator) => operator.command<PlainReply>('plain', admin));
    } catch (err) {
      if (!(err instanceof MeshError) || err.code !== 'not_certified' || Date.now() > until) {
        throw err;
      }
      await sleep(AGAIN_MS);
    }
  }
}

/** Read `name` or `name@major.minor`. Throws `usage`, `name_invalid`. */
export function readCapability(text: string): PlainCapability {
  const [name = '', version = '1.0', ...more] = text.split('@');
  if (more.length > 0 || !/^\d+\.\d+$/.test(version)) {
    throw meshError('usage', { why: `--serves takes name or name@major.minor, not ${JSON.stringify(text)}` });
  }
  return { name: asCapability(name), version };
}
