/**
 * A completion put together from its chunks.
 */

type Fields = Record<string, unknown>;

/** One chunk, as far as it is looked at. */
export interface Chunk {
  readonly id?: unknown;
  readonly created?: unknown;
  readonly model?: unknown;
  readonly choices?: readonly unknown[];
  readonly usage?: unknown;
  readonly error?: { readonly message?: unknown };
}

interface Choice {
  readonly index: number;
  readonly message: Fields;
  logprobs: Fields | undefined;
  finish: unknown;
}

/** Names and kinds are said once; everything else that is text goes on where it was. */
const SAID_ONCE = new Set(['id', 'type', 'role', 'name', 'index']);

/** A completion that is being said. */
export class Completion {
  readonly #choices = new Map<number, Choice>();
  readonly #facts: { id: string; created: number; model: string };

  /** `model`: what it is called unless the provider says its name. */
  constructor(model: string, nowMs: number) {
    this.#facts = { id: '', created: Math.floor(nowMs / 1_000), model };
  }

  /** Add a chunk. */
  add({ id, created, model, choices = [] }: Chunk): void {
    this.#facts.id ||= typeof id === 'string' ? id : '';
    this.#facts.model = typeof model === 'string' && model !== '' ? model : this.#facts.model;
    this.#facts.created = Number.isSafeInteger(created) ? Number(created) : this.#facts.created;
    choices.filter(isFields).forEach((choice) => this.#addChoice(choice));
  }

  /** Something was said, and every choice has come to its end. */
  get done(): boolean {
    return this.#choices.size > 0 && [...this.#choices.values()].every(({ finish }) => finish !== null);
  }

  /** As a whole; `usage` as the provider said it, if that can be believed. */
  value(usage: unknown): object {
    const choices = [...this.#choices.values()]
      .sort((a, b) => a.index - b.index)
      .map(({ index, message, logprobs, finish }) => ({
        index,
        message,
        finish_reason: finish,
        logprobs: logprobs ?? null,
      }));
    return {
      ...this.#facts,
      object: 'chat.completion',
      choices,
      ...(usage === undefined ? {} : { usage }),
    };
  }

  #addChoice({ index, delta, logprobs, finish_reason: finish = null }: Fields): void {
    const at = Number.isSafeInteger(index) ? Number(index) : 0;
    const known = this.#choices.get(at);
    const choice = known ?? {
      index: at,
      message: { role: 'assistant', content: null },
      logprobs: undefined,
      finish: null,
    };
    this.#choices.set(at, choice);
    if (isFields(delta)) {
      grow(choice.message, delta);
    }
    if (isFields(logprobs)) {
      grow((choice.logprobs ??= {}), logprobs);
    }
    choice.finish = finish ?? choice.finish;
  }
}

/** Grow a value by what a chunk adds to it: texts go on, lists with an index by their entries, others at their end. */
function grow(target: Fields, delta: Fields): void {
  for (const [key, more] of Object.entries(delta)) {
    const before = Object.hasOwn(target, key) ? target[key] : undefined;
    if (more === null || more === undefined) {
      continue;
    }
    if (before === undefined || before === null || SAID_ONCE.has(key)) {
      put(target, key, Array.isArray(more) ? growList([], more) : more);
    } else if (typeof before === 'string' && typeof more === 'string') {
      target[key] = before + more;
    } else if (Array.isArray(before) && Array.isArray(more)) {
      growList(before, more);
    } else if (isFields(before) && isFields(more)) {
      grow(before, more);
    } else {
      target[key] = more;
    }
  }
}

function growList(list: unknown[], more: readonly unknown[]): unknown[] {
  for (const entry of more) {
    const index = isFields(entry) ? entry['index'] : undefined;
    const known = list.find((one) => isFields(one) && one['index'] === index);
    if (index !== undefined && isFields(known) && isFields(entry)) {
      grow(known, entry);
    } else {
      list.push(isFields(entry) ? { ...entry } : entry);
    }
  }
  return list;
}

/** A key of its own, whatever it is called. */
function put(target: Fields, key: string, value: unknown): void {
  const own = isFields(value) ? { ...value } : value;
  Object.defineProperty(target, key, { value: own, enumerable: true, writable: true, configurable: true });
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
