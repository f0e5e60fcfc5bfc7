/**
 * The registry as one process sees it: cards by agent, and for every capability major its contract and agents.
 */
import { createHash } from 'node:crypto';
import type { Card } from '../wire/generated/messages.js';
import { meshError } from '../wire/errors.js';
import { limits } from '../wire/limits.js';
import { matches, type Capability, type Token } from '../wire/names.js';
import { cardDigest, offersOf, type Offer } from './card.js';
import { compile, type Validator } from './validator.js';

/** One capability major: its contract and who offers it. */
export interface Entry {
  readonly name: Capability;
  readonly major: number;
  readonly contract: string;
  readonly idempotent: boolean;
  readonly lifeMs: number;
  readonly input: Validator;
  readonly output: Validator;
  readonly offers: Map<Token, Offer>;
  /** Somebody who offers it does not take JSON. */
  picky: boolean;
}

/** A card as it is kept. */
export interface Registered {
  readonly agent: Token;
  readonly card: Card;
  readonly digest: string;
  readonly offers: readonly Offer[];
}

/** Cards and capabilities. `version` grows with every change, so that derived lists know when to be made anew. */
export class Registry {
  readonly #agents = new Map<Token, Registered>();
  readonly #entries = new Map<string, Map<number, Entry>>();
  version = 0;
  #digest = { version: -1, text: '' };

  /**
   * Why the card cannot be taken, as a thrown error, or nothing. `alive` tells whether another agent counts: a card
   * without any live instance holds no claim on a contract.
   * Throws card_invalid, card_schema, card_conflict, registry_full.
   */
  check(agent: Token, card: Card, alive: (agent: Token) => boolean): Offer[] {
    const offers = offersOf(agent, card);
    if (!this.#agents.has(agent) && this.#agents.size >= limits.agents) {
      throw meshError('registry_full', { max: limits.agents, what: 'agents' });
    }
    for (const offer of offers) {
      const entry = this.#entries.get(offer.name)?.get(offer.major);
      if (entry === undefined && this.#entries.size >= limits.capabilities) {
        throw meshError('registry_full', { max: limits.capabilities, what: 'capabilities' });
      }
      if (entry?.contract !== offer.contract) {
        mustCompile(offer);
      }
      for (const [other, theirs] of entry?.offers ?? []) {
        if (other !== agent && theirs.contract !== offer.contract && alive(other)) {
          throw meshError('card_conflict', { capability: offer.name, major: offer.major, other });
        }
      }
    }
    return offers;
  }

  /** Take a checked card; replaces the agent's former one. */
  put(agent: Token, card: Card): Registered {
    const digest = cardDigest(card);
    const known = this.#agents.get(agent);
    if (known?.digest === digest) {
      return known;
    }
    this.remove(agent);
    const registered: Registered = { agent, card, digest, offers: offersOf(agent, card) };
    this.#agents.set(agent, registered);
    for (const offer of registered.offers) {
      const entry = this.#entryFor(offer);
      entry.offers.set(agent, offer);
      entry.picky = !takesJson(entry);
    }
    this.version++;
    return registered;
  }

  /** Forget an agent's card. */
  remove(agent: Token): void {
    for (const offer of this.#agents.get(agent)?.offers ?? []) {
      const entry = this.#entries.get(offer.name)?.get(offer.major);
      if (entry?.offers.delete(agent) === true) {
        entry.picky = !takesJson(entry);
      }
    }
    if (this.#agents.delete(agent)) {
      this.version++;
    }
  }

  /** The entry for a capability: the asked major, or the highest that somebody offers. */
  find(name: string, major?: number): Entry | undefined {
    const majors = this.#entries.get(name);
    if (majors === undefined) {
      return undefined;
    }
    if (major !== undefined) {
      return majors.get(major);
    }
    let best: Entry | undefined;
    for (const entry of majors.values()) {
      if (
        best === undefined ||
        Number(entry.offers.size > 0) > Number(best.offers.size > 0) ||
        (entry.offers.size > 0 && entry.major > best.major)
      ) {
        best = entry;
      }
    }
    return best;
  }

  /** The majors of a capability that somebody offers. */
  majorsOf(name: string): number[] {
    return [...(this.#entries.get(name)?.values() ?? [])]
      .filter((e) => e.offers.size > 0)
      .map((e) => e.major);
  }

  /** The card of an agent. */
  agent(name: Token): Registered | undefined {
    return this.#agents.get(name);
  }

  /** All cards. */
  agents(): IterableIterator<Registered> {
    return this.#agents.values();
  }

  /** Digest of all cards: the same in every process that holds the same ones. */
  get digest(): string {
    if (this.#digest.version !== this.version) {
      const cards = [...this.#agents.values()].map(({ agent, digest }) => `${agent} ${digest}\n`).sort();
      const text = createHash('sha256').update(cards.join('')).digest('base64url');
      this.#digest = { version: this.version, text };
    }
    return this.#digest.text;
  }

  /** Entries whose name falls under the pattern. */
  *search(pattern: string): Generator<Entry> {
    for (const [name, majors] of this.#entries) {
      if (matches(pattern, name)) {
        yield* majors.values();
      }
    }
  }

  #entryFor(offer: Offer): Entry {
    let majors = this.#entries.get(offer.name);
    if (majors === undefined) {
      majors = new Map();
      this.#entries.set(offer.name, majors);
    }
    let entry = majors.get(offer.major);
    // Another contract comes in only when nobody alive holds the old one: then the old offers end with it.
    if (entry === undefined || entry.contract !== offer.contract) {
      entry = {
        name: offer.name,
        major: offer.major,
        contract: offer.contract,
        idempotent: offer.idempotent,
        lifeMs: offer.lifeMs,
        input: compile(offer.input),
        output: compile(offer.output),
        offers: new Map(),
        picky: false,
      };
      majors.set(offer.major, entry);
    }
    return entry;
  }
}

function takesJson(entry: Entry): boolean {
  return [...entry.offers.values()].every((offer) => offer.takes.includes('json'));
}

/** What is safe may still not be a schema (`{"type": "strnig"}`). Throws card_schema. */
function mustCompile(offer: Offer): void {
  for (const side of ['input', 'output'] as const) {
    try {
      compile(offer[side]);
    } catch (err) {
      const why = err instanceof Error ? err.message : 'it does not compile';
      throw meshError(
        'card_schema',
        { capability: offer.name, pointer: `/${side}`, why: why.slice(0, 200) },
        err,
      );
    }
  }
}
