/**
 * Names that were put out, as one process knows them. A name is out until it is reinstated; whatever it began before
 * stays out: a tree of calls that fell with it does not rise again.
 */
import { birthOf, isCallId } from '../wire/ulid.js';

/** The names. */
export class RevokedNames {
  readonly #until = new Map<string, number>();

  /** How many there are; with none nothing needs to be looked at. */
  get size(): number {
    return this.#until.size;
  }

  /** Note a name that is out; with an instant (epoch ms), only what it began up to then. */
  put(name: string, untilMs = Infinity): void {
    this.#until.set(name, untilMs);
  }

  /** Nothing of the name is out any more. */
  remove(name: string): void {
    this.#until.delete(name);
  }

  /** Is the name itself out? */
  has(name: string): boolean {
    return this.#until.get(name) === Infinity;
  }

  /**
   * The first of the callers in a chain who is out. `root` is the `from.call` that began the tree, `decidedMs` when
   * the call was decided, if it was: a birth is the word of the caller.
   */
  among(callers: Iterable<string>, root: string, decidedMs = Infinity): string | undefined {
    if (this.#until.size === 0) {
      return undefined;
    }
    for (const entry of callers) {
      const slash = entry.indexOf('/');
      const name = slash < 0 ? entry : entry.slice(0, slash);
      const until = this.#until.get(name);
      if (until !== undefined && (until === Infinity || Math.min(bornMs(root), decidedMs) <= until)) {
        return name;
      }
    }
    return undefined;
  }
}

function bornMs(root: string): number {
  const id = root.slice(root.indexOf('.') + 1);
  return isCallId(id) ? birthOf(id) : Infinity;
}
