/**
 * The server's log, read as it grows. It is how the server says that it is ready or has reloaded, to the process that
 * started it and to any other.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 10;

/** Reads lines that were appended after it was made. */
export class LogTail {
  readonly #file: string;
  #offset: number;
  #rest = '';

  constructor(file: string) {
    this.#file = file;
    this.#offset = sizeOf(file);
  }

  /** Lines since the last time. */
  lines(): string[] {
    const size = sizeOf(this.#file);
    if (size < this.#offset) {
      this.#offset = 0; // rotated
    }
    if (size === this.#offset) {
      return [];
    }
    const bytes = Buffer.alloc(size - this.#offset);
    const fd = openSync(this.#file, 'r');
    try {
      this.#offset += readSync(fd, bytes, 0, bytes.length, this.#offset);
    } finally {
      closeSync(fd);
    }
    const parts = (this.#rest + bytes.toString('utf8')).split('\n');
    this.#rest = parts.pop() ?? '';
    return parts;
  }

  /**
   * Feed each new line to `read` until it returns something, or until `idleMs` pass without a new line or `over` says
   * so; then `undefined`.
   */
  async until<T>(
    read: (line: string) => T | undefined,
    idleMs: number,
    over: () => boolean,
  ): Promise<T | undefined> {
    let quietSince = performance.now();
    for (;;) {
      const ended = over(); // asked before reading, so that the last lines of a dead server are still read
      for (const line of this.lines()) {
        quietSince = performance.now();
        const value = read(line);
        if (value !== undefined) {
          return value;
        }
      }
      if (ended || performance.now() - quietSince > idleMs) {
        return undefined;
      }
      await sleep(POLL_MS);
    }
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** A line without process id and time: `[INF] Server is ready`. */
export function bare(line: string): string {
  return line.replace(/^\[\d+\] \d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d(?:\.\d+)? /, '');
}
