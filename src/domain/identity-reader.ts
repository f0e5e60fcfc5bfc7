/**
 * Reading a configuration by hand: every refusal names the file and the place in it.
 */
import { meshError } from '../wire/errors.js';

type Fields = Readonly<Record<string, unknown>>;

/** One mapping of a configuration file. */
export class Reader {
  readonly #fields: Fields;
  readonly #file: string;
  readonly #at: string;

  private constructor(fields: Fields, file: string, at: string) {
    this.#fields = fields;
    this.#file = file;
    this.#at = at;
  }

  /** The mapping at the top. An empty file is an empty mapping. Throws `config_invalid`. */
  static of(value: unknown, file: string, keys: readonly string[]): Reader {
    const reader = Reader.#below(value ?? {}, file, '');
    reader.only(keys);
    return reader;
  }

  static #below(value: unknown, file: string, at: string): Reader {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw meshError('config_invalid', { file, where: at === '' ? '/' : at, why: 'it must be a mapping' });
    }
    return new Reader(value as Fields, file, at);
  }

  /** Refuse, naming the place below this mapping. */
  refuse(where: string, why: string): never {
    throw meshError('config_invalid', { file: this.#file, where: `${this.#at}${where}`, why });
  }

  /** Refuse keys that mean nothing: a typing error must not become a default. */
  only(keys: readonly string[]): void {
    const odd = Object.keys(this.#fields).find((key) => !keys.includes(key));
    if (odd !== undefined) {
      this.refuse(`/${odd}`, `only ${keys.join(', ')} may stand here`);
    }
  }

  /** What stands under a key. */
  value(key: string): unknown {
    return Object.hasOwn(this.#fields, key) ? this.#fields[key] : undefined;
  }

  /** A text that is not empty. */
  text(key: string): string {
    const value = this.value(key);
    return typeof value === 'string' && value !== '' ? value : this.refuse(`/${key}`, 'it must be a text');
  }

  /** A list of texts. */
  texts(key: string): string[] {
    const value = this.value(key);
    return Array.isArray(value) && value.every((one) => typeof one === 'string')
      ? value
      : this.refuse(`/${key}`, 'it must be a list of texts');
  }

  /** A whole number within bounds, or nothing. */
  number(key: string, min: number, max: number): number | undefined {
    const value = this.value(key);
    if (value === undefined) {
      return undefined;
    }
    return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? value
      : this.refuse(`/${key}`, `it must be a whole number from ${min} to ${max}`);
  }

  /** A mapping below this one. */
  inner(key: string, keys: readonly string[]): Reader {
    const reader = Reader.#below(this.value(key), this.#file, `${this.#at}/${key}`);
    reader.only(keys);
    return reader;
  }

  /** The mappings of a list; none when the key is missing. */
  list(key: string, max: number): Reader[] {
    const value = this.value(key) ?? [];
    if (!Array.isArray(value) || value.length > max) {
      this.refuse(`/${key}`, `it must be a list of at most ${max}`);
    }
    return value.map((one, i) => Reader.#below(one, this.#file, `${this.#at}/${key}/${i}`));
  }

  /** Text to text, below this mapping. */
  mapping(key: string): Map<string, string> {
    const value = this.value(key);
    const reader = Reader.#below(value, this.#file, `${this.#at}/${key}`);
    return new Map(Object.keys(value as object).map((name) => [name, reader.text(name)]));
  }
}
