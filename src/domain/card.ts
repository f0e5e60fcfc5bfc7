/**
 * Cards: what an agent offers, checked before anyone may see it.
 *
 * The *contract* of a capability major is its schemas, whether it is idempotent, and its life. All agents that
 * offer one major of a capability share one contract; a minor version may change anything else.
 */
import { createHash } from 'node:crypto';
import type { BodyType } from '../wire/content.js';
import type { Card } from '../wire/generated/messages.js';
import { meshError } from '../wire/errors.js';
import { limits } from '../wire/limits.js';
import { asCapability, type Capability, type Token } from '../wire/names.js';
import { checkSchema } from './schema-safety.js';

/** One capability of a card, defaults filled in. */
export interface Offer {
  readonly name: Capability;
  readonly major: number;
  readonly minor: number;
  readonly description: string;
  readonly input: object | boolean;
  readonly output: object | boolean;
  readonly proficiency: 'novice' | 'competent' | 'expert';
  readonly costMicros: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly idempotent: boolean;
  readonly readOnly: boolean;
  readonly lifeMs: number;
  readonly attemptMs: number;
  /** What bodies may be. */
  readonly takes: readonly BodyType[];
  /** What results may be. */
  readonly gives: readonly BodyType[];
  /** The agent reads and sends large bodies by reference. */
  readonly references: boolean;
  /** Digest of the contract. */
  readonly contract: string;
}

/**
 * The offers of a card that already fits `schemas/card.json`.
 * Throws card_invalid, card_schema, name_invalid.
 */
export function offersOf(agent: Token, card: Card): Offer[] {
  const seen = new Set<string>();
  return card.capabilities.map((c, i) => {
    const name = asCapability(c.name, `capability ${i} of ${agent}`);
    const [major = 0, minor = 0] = c.version.split('.').map(Number);
    const id = `${name}@${major}`;
    if (seen.has(id)) {
      throw meshError('card_invalid', {
        agent,
        pointer: `/capabilities/${i}/name`,
        why: `${id} stands twice`,
      });
    }
    seen.add(id);
    const input = (c.input ?? true) as object | boolean;
    const output = (c.output ?? true) as object | boolean;
    checkSchema(input, name, `/capabilities/${i}/input`);
    checkSchema(output, name, `/capabilities/${i}/output`);
    const idempotent = c.idempotent ?? false;
    const lifeMs = c.lifeMs ?? limits.lifeMs;
    return {
      name,
      major,
      minor,
      description: c.description ?? '',
      input,
      output,
      proficiency: c.proficiency ?? 'competent',
      costMicros: c.costMicros ?? 0,
      attributes: c.attributes ?? {},
      idempotent,
      readOnly: c.readOnly ?? false,
      lifeMs,
      attemptMs: c.attemptMs ?? limits.attemptMs,
      takes: c.takes ?? ['json'],
      gives: c.gives ?? ['json'],
      references: c.references ?? false,
      contract: digestOf([sorted(input), sorted(output), idempotent, lifeMs]),
    };
  });
}

/** Digest of a card: the same for the same content, whatever the order of its keys. */
export function cardDigest(card: Card): string {
  return digestOf(sorted(card));
}

function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 22);
}

/** The same value with the keys of its objects in one order. */
export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(sorted);
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(entries.map(([k, v]) => [k, sorted(v)]));
  }
  return value;
}
