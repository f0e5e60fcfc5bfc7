/**
 * Questions to whoever sits at the terminal.
 */
import { createInterface } from 'node:readline/promises';
import { meshError } from '../wire/errors.js';

/** Asks on a terminal, one question after the other. */
export class Prompt {
  readonly #reader: ReturnType<typeof createInterface>;

  constructor(output: NodeJS.WriteStream) {
    this.#reader = createInterface({ input: process.stdin, output });
  }

  /** The answer without its spaces. Throws usage for Ctrl-C and Ctrl-D. */
  async ask(question: string): Promise<string> {
    try {
      return (await this.#reader.question(question)).trim();
    } catch (err) {
      throw meshError('usage', { why: 'nothing was answered, so nothing was changed' }, err);
    }
  }

  close(): void {
    this.#reader.close();
  }
}
