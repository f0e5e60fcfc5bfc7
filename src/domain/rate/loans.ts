/**
 * Shares of a limit that gateways lend each other. Whoever lends lowers its own share before it says so, and raises it
 * again after the borrower, by a clock that began earlier, has stopped to use it: at no time do shares come to more
 * than one. A message that is lost leaves a share unused for a while, never used twice.
 */

/** One call. Shares are whole numbers of its parts, and those of all gateways are the size of the limit. */
export const WHOLE = 16_000;

interface Loan {
  readonly units: number;
  /** Monotonic ms; Infinity: for good. */
  readonly untilMs: number;
}

/** What one limit of one name was lent and has borrowed. */
export class Loans {
  readonly #out = new Map<string, Loan>();
  readonly #in = new Map<string, Loan>();

  /** What is to be added to the share of one's own; of what is borrowed, that which lasts until `lastsMs`. */
  sum(nowMs: number, lastsMs = nowMs): number {
    return sumOf(this.#in, lastsMs) - sumOf(this.#out, nowMs);
  }

  /** What is lent to others. */
  lent(nowMs: number): number {
    return sumOf(this.#out, nowMs);
  }

  /** What is lent to this one. */
  lentTo(whom: string, nowMs: number): number {
    return unitsOf(this.#out.get(whom), nowMs);
  }

  /** Lend: from now on so much in all, until then. Never less than what is lent already. */
  lend(whom: string, units: number, untilMs: number): void {
    const before = this.#out.get(whom);
    this.#out.set(whom, { units, untilMs: Math.max(untilMs, before?.untilMs ?? 0) });
  }

  /** What was borrowed from this one. */
  borrowedFrom(whom: string, nowMs: number): number {
    return unitsOf(this.#in.get(whom), nowMs);
  }

  /** Has borrowed so much in all from this one, until then. */
  borrow(whom: string, units: number, untilMs: number): void {
    this.#in.set(whom, { units, untilMs });
  }

  /** Gives so much back to this one, which may use it as soon as it hears of it. */
  repay(whom: string, units: number): void {
    const loan = this.#in.get(whom);
    if (loan !== undefined) {
      this.#in.set(whom, { ...loan, units: loan.units - units });
    }
  }

  /** This one has given so much back. */
  repaid(whom: string, units: number): void {
    const loan = this.#out.get(whom);
    if (loan !== undefined) {
      this.#out.set(whom, { ...loan, units: Math.max(0, loan.units - units) });
    }
  }

  /** Whom it has borrowed from, and how much. */
  lenders(nowMs: number): [string, number][] {
    return [...this.#in].flatMap(([whom, loan]) => (loan.untilMs > nowMs ? [[whom, loan.units]] : []));
  }

  /** Nothing is lent and nothing borrowed. */
  idle(nowMs: number): boolean {
    const over = (loan: Loan) => loan.untilMs <= nowMs;
    return [...this.#out.values()].every(over) && [...this.#in.values()].every(over);
  }
}

function unitsOf(loan: Loan | undefined, nowMs: number): number {
  return loan !== undefined && loan.untilMs > nowMs ? loan.units : 0;
}

function sumOf(loans: ReadonlyMap<string, Loan>, nowMs: number): number {
  let sum = 0;
  for (const loan of loans.values()) {
    sum += unitsOf(loan, nowMs);
  }
  return sum;
}
