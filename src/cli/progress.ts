/**
 * A progress bar for long work, on stderr, and only on a terminal. It fits into narrow ones.
 */
import type { WriteStream } from 'node:tty';

const EVERY_MS = 100;
const BAR_MIN = 5;
const BAR_MAX = 30;
const WIDTH_DEFAULT = 80;

/** One bar. */
export class Progress {
  readonly #to: Pick<WriteStream, 'isTTY' | 'columns' | 'write'>;
  readonly #total: number | undefined;
  readonly #began = performance.now();
  #nextMs = 0;
  #shown = false;

  /** Without a total there is no bar, only numbers. */
  constructor(
    total: number | undefined,
    to: Pick<WriteStream, 'isTTY' | 'columns' | 'write'> = process.stderr,
  ) {
    this.#total = total;
    this.#to = to;
  }

  /** Tell how far it is. */
  tell(done: number, failed: number): void {
    const now = performance.now();
    if (this.#to.isTTY && now >= this.#nextMs) {
      this.#nextMs = now + EVERY_MS;
      this.#shown = true;
      const columns = this.#to.columns || WIDTH_DEFAULT;
      this.#to.write(`\r\u001b[K${progressLine(done, failed, this.#total, now - this.#began, columns)}`);
    }
  }

  /** Take the bar away, for other lines and at the end. */
  clear(): void {
    if (this.#shown) {
      this.#shown = false;
      this.#nextMs = 0;
      this.#to.write('\r\u001b[K');
    }
  }
}

/** The line as it is shown, never wider than the terminal. Exported for its test. */
export function progressLine(
  done: number,
  failed: number,
  total: number | undefined,
  ms: number,
  columns: number,
): string {
  const rate = `${Math.round((1000 * done) / Math.max(1, ms))}/s`;
  const count = total === undefined ? String(done) : `${done}/${total}`;
  const facts = [count, ...(failed > 0 ? [`${failed} not completed`] : []), rate].join('  ');
  const room = Math.min(BAR_MAX, columns - facts.length - 3);
  if (total === undefined || room < BAR_MIN) {
    return facts.slice(0, columns - 1);
  }
  const full = total === 0 ? room : Math.floor((room * Math.min(done, total)) / total);
  return `${'█'.repeat(full)}${'░'.repeat(room - full)}  ${facts}`;
}
