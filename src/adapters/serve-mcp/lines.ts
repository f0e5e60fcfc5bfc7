/**
 * Lines of JSON-RPC on their way in: whole ones, none longer than a bound, and no faster than answers are read.
 */
import { Transform, type TransformCallback, type Writable } from 'node:stream';

const NEWLINE = 10;
/** Of a line that is too long only the ends are looked at: the id stands in one of them. */
const END_BYTES = 256;

/** What the guard needs to know. */
export interface LineGuardOptions {
  readonly maxBytes: number;
  /** Where answers go: while its reader is behind, nothing more is taken in. */
  readonly answers: Writable;
  /** Hears of each line that was dropped: its size, and the id of its request if it could be told. */
  readonly onTooLong: (bytes: number, id: string | number | null) => void;
}

/** Passes whole lines on. */
export class LineGuard extends Transform {
  readonly #options: LineGuardOptions;
  #parts: Buffer[] = [];
  #bytes = 0;
  /** The first bytes of the line, and its last ones so far. */
  #head = '';
  #tail = '';

  constructor(options: LineGuardOptions) {
    super();
    this.#options = options;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      this.#take(chunk.subarray(from, end + 1));
      this.#endLine();
      from = end + 1;
    }
    this.#take(chunk.subarray(from));
    this.#whenRead(done);
  }

  #whenRead(done: TransformCallback): void {
    const { answers } = this.#options;
    if (!answers.writableNeedDrain || answers.destroyed) {
      return done();
    }
    const go = (): void => {
      answers.off('drain', go).off('close', go);
      done();
    };
    answers.on('drain', go).on('close', go);
  }

  #take(part: Buffer): void {
    this.#bytes += part.length;
    this.#head += part.toString('latin1', 0, END_BYTES - this.#head.length);
    this.#tail = (this.#tail + part.toString('latin1', Math.max(0, part.length - END_BYTES))).slice(
      -END_BYTES,
    );
    if (this.#bytes <= this.#options.maxBytes) {
      this.#parts.push(part);
    } else {
      this.#parts = [];
    }
  }

  #endLine(): void {
    if (this.#bytes > this.#options.maxBytes) {
      this.#options.onTooLong(this.#bytes, idIn(this.#head, this.#tail));
    } else {
      this.push(Buffer.concat(this.#parts));
    }
    this.#parts = [];
    this.#bytes = 0;
    this.#head = '';
    this.#tail = '';
  }
}

const ID = '(\\d{1,15}|"[\\w-]{1,64}")';
const FIRST = new RegExp(`^\\s*\\{\\s*(?:"jsonrpc"\\s*:\\s*"2\\.0"\\s*,\\s*)?"id"\\s*:\\s*${ID}\\s*,`);
const LAST = new RegExp(`,\\s*"id"\\s*:\\s*${ID}\\s*\\}\\s*$`);

/**
 * The id of a message of which only the ends are known. In both places it can be no other key of that name: nothing
 * was opened before it, or nothing but the message is closed behind it.
 */
function idIn(head: string, tail: string): string | number | null {
  const found = (FIRST.exec(head) ?? LAST.exec(tail))?.[1];
  return found === undefined ? null : (JSON.parse(found) as string | number);
}
