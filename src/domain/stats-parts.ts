/**
 * Numbers that forget: a share and a mean. Each weighs what it was told by count and by age, within a bound, so that
 * news always counts; and each begins anew when what it is told lately cannot come from what it knew.
 */

/** How much a mean remembers. */
export interface Memory {
  /** Samples it weighs at most. */
  readonly most: number;
  /** Age at which a sample weighs half, in ms. */
  readonly halfMs: number;
  /** It begins anew after so many in a row that lie off by such a factor, on the same side. */
  readonly odd: { readonly factor: number; readonly run: number };
}

function faded(weight: number, sinceMs: number, halfMs: number): number {
  return sinceMs === 0 ? weight : weight * 2 ** (-sinceMs / halfMs);
}

/** A mean of samples above zero. */
export class Mean {
  readonly #memory: Memory;
  #value: number | undefined;
  #weight = 0;
  /** Samples in a row that are far off what was known before them: above zero too high, below zero too low. */
  #run = 0;
  #sum = 0;
  #from = 0;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  get value(): number | undefined {
    return this.#value;
  }

  get weight(): number {
    return this.#weight;
  }

  /** The last one was far below what is known. */
  get mends(): boolean {
    return this.#run < 0;
  }

  /** Take `n` samples with this mean, `sinceMs` after the last. */
  add(sample: number, n: number, sinceMs: number): void {
    const { most, halfMs } = this.#memory;
    if (this.#value === undefined) {
      this.#value = sample;
      this.#weight = Math.min(n, most);
      return;
    }
    if (this.#isOdd(sample, n, this.#value)) {
      this.#value = this.#sum / Math.abs(this.#run);
      this.#weight = Math.min(Math.abs(this.#run), most);
      this.#run = 0;
      this.#sum = 0;
      return;
    }
    this.#weight = Math.min(faded(this.#weight, sinceMs, halfMs) + n, most);
    this.#value += (sample - this.#value) * Math.min(1, n / this.#weight);
  }

  /** Is this one odd, and were there enough of them in a row? */
  #isOdd(sample: number, n: number, value: number): boolean {
    const { factor, run } = this.#memory.odd;
    // Each of them moves the mean: held against that, the next one would look ordinary.
    const from = this.#run === 0 ? value : this.#from;
    const side = sample > from * factor ? 1 : sample * factor < from ? -1 : 0;
    if (side === 0 || Math.sign(this.#run) === -side) {
      this.#run = 0;
      this.#sum = 0;
    }
    if (side !== 0) {
      this.#from = from;
      this.#run += side * n;
      this.#sum += sample * n;
    }
    return Math.abs(this.#run) >= run;
  }
}

const ODDS = { most: 64, halfMs: 60_000 } as const;
/** As if one more had been seen, which nearly always completes: one failure alone condemns nobody. */
const BEFORE = { weight: 1, value: 0.95 } as const;

/** A share of successes. */
export class Odds {
  #value = BEFORE.value as number;
  #weight = 0;
  /** Successes in a row, or below zero failures, and what was known before them. */
  #run = 0;
  #from = 0;

  get weight(): number {
    return this.#weight;
  }

  get value(): number {
    return (this.#value * this.#weight + BEFORE.value * BEFORE.weight) / (this.#weight + BEFORE.weight);
  }

  /** The last ones went well, and too few did before. */
  get mends(): boolean {
    return this.#run > 0 && this.value < 0.9;
  }

  /** Take `n` attempts of which `ok` were completed, `sinceMs` after the last. */
  add(n: number, ok: number, sinceMs: number): void {
    const before = this.#value;
    this.#weight = Math.min(faded(this.#weight, sinceMs, ODDS.halfMs) + n, ODDS.most);
    this.#value += (ok / n - before) * Math.min(1, n / this.#weight);
    this.#runs(n, ok, before);
    if (this.#changed()) {
      this.#value = this.#run > 0 ? 1 : 0;
      this.#weight = Math.min(Math.abs(this.#run), ODDS.most);
      this.#from = this.#value;
    }
  }

  #runs(n: number, ok: number, before: number): void {
    const step = ok === n ? n : ok === 0 ? -n : 0;
    if (step === 0 || Math.sign(this.#run) !== Math.sign(step)) {
      this.#run = 0;
      this.#from = before;
    }
    this.#run += step;
  }

  /** Is a run so long that what was known before does not explain it? */
  #changed(): boolean {
    return this.#run > 0
      ? this.#from < 0.9 && Math.max(0.3, this.#from) ** this.#run < 0.02
      : this.#run <= -3 && (1 - Math.min(0.9, this.#from)) ** -this.#run < 0.01;
  }
}
