/**
 * What a gateway counts of trees of calls: how often the same request was made in one, and how many of its calls ended
 * since the last result that was new to it. Only child calls are counted, so a tree without children costs nothing.
 *
 * Each gateway counts what it decides itself and adds what the others last told. So of n allowed repetitions each of g
 * gateways lets through n at most, and all together n as soon as they have told each other.
 */
import { limits } from '../../wire/limits.js';
import type { LoopBounds } from './loops.js';

/** What one gateway tells of one tree. All numbers only grow, but `idle`. */
export interface TreeNews {
  readonly root: string;
  /** Requests that were made more than once here: mark and times. */
  readonly same?: readonly (readonly [mark: string, times: number])[] | undefined;
  /** Calls that ended here since the last new result that is known here. */
  readonly idle: number;
  /** New results that were seen here. */
  readonly fresh: number;
}

interface Told {
  readonly same: Map<string, number>;
  idle: number;
  fresh: number;
}

interface Tree {
  readonly asked: Map<string, number>;
  readonly results: Set<number>;
  readonly untold: Set<string>;
  readonly others: Map<string, Told>;
  idle: number;
  fresh: number;
  /** Somebody sees no progress: news of it are worth telling. */
  watched: boolean;
}

/** From so many calls without news on the others are told. */
const IDLE_TOLD = 8;

/** The trees that a gateway has child calls of. */
export class Trees {
  readonly #trees = new Map<string, Tree>();
  readonly #dirty = new Set<string>();
  #marks = 0;

  /** Trees that are counted in now. */
  get size(): number {
    return this.#trees.size;
  }

  /** A child call was admitted. `mark`: digest of capability and body. */
  asked(root: string, mark: string): void {
    const tree = this.#tree(root);
    const times = (tree.asked.get(mark) ?? 0) + 1;
    this.#remember(tree.asked, mark);
    tree.asked.set(mark, times);
    if (times > 1) {
      tree.untold.add(mark);
      this.#dirty.add(root);
    }
  }

  /** A child call has ended: with this result, or without any. */
  ended(root: string, result: number | undefined): void {
    const tree = this.#tree(root);
    if (result !== undefined && !tree.results.has(result)) {
      this.#remember(tree.results, result);
      tree.results.add(result);
      tree.fresh++;
      tree.idle = 0;
      tree.others.forEach((told) => (told.idle = 0));
      if (tree.watched) {
        this.#dirty.add(root);
      }
    } else if (++tree.idle >= IDLE_TOLD) {
      this.#dirty.add(root);
    }
  }

  /** How often the request was made in the tree, as far as this gateway knows. */
  times(root: string, mark: string): number {
    const tree = this.#trees.get(root);
    if (tree === undefined) {
      return 0;
    }
    let times = tree.asked.get(mark) ?? 0;
    tree.others.forEach(({ same }) => (times += same.get(mark) ?? 0));
    return times;
  }

  /** How many calls of the tree ended since its last new result, as far as this gateway knows. */
  idle(root: string): number {
    const tree = this.#trees.get(root);
    let idle = tree?.idle ?? 0;
    tree?.others.forEach((told) => (idle += told.idle));
    return idle;
  }

  /** Which bound the next such request would pass. */
  beyond(root: string, mark: string, bounds: LoopBounds): 'same' | 'idle' | undefined {
    if (!this.#trees.has(root)) {
      return undefined;
    }
    if (this.times(root, mark) >= bounds.same) {
      return 'same';
    }
    return this.idle(root) >= bounds.idle ? 'idle' : undefined;
  }

  /** Is there anything that others should know? */
  get hasNews(): boolean {
    return this.#dirty.size > 0;
  }

  /** What others should know, within a bound; what is told is not told again until it changes. */
  tell(): TreeNews[] {
    const news: TreeNews[] = [];
    for (const root of this.#dirty) {
      if (news.length >= limits.treeTold) {
        break;
      }
      this.#dirty.delete(root);
      const tree = this.#trees.get(root);
      if (tree !== undefined) {
        const same = [...tree.untold].map((mark): [string, number] => [mark, tree.asked.get(mark) ?? 0]);
        tree.untold.clear();
        const { idle, fresh } = tree;
        news.push({ root, idle, fresh, ...(same.length === 0 ? {} : { same }) });
      }
    }
    return news;
  }

  /** Another gateway tells of a tree. */
  heard(gateway: string, { root, same = [], idle, fresh }: TreeNews): void {
    const tree = this.#tree(root);
    let told = tree.others.get(gateway);
    if (told === undefined) {
      told = { same: new Map(), idle: 0, fresh: 0 };
      tree.others.set(gateway, told);
    }
    if (fresh > told.fresh) {
      // It gets somewhere there; what it did here since then says nothing.
      tree.idle = 0;
      tree.others.forEach((one) => (one.idle = 0));
    }
    told.fresh = Math.max(told.fresh, fresh);
    told.idle = idle;
    for (const [mark, times] of same) {
      this.#remember(told.same, mark);
      told.same.set(mark, times);
    }
    if (!tree.watched && idle >= IDLE_TOLD) {
      tree.watched = true;
      if (tree.fresh > 0) {
        this.#dirty.add(root);
      }
    }
  }

  #tree(root: string): Tree {
    let tree = this.#trees.get(root);
    if (tree === undefined) {
      tree = {
        asked: new Map(),
        results: new Set(),
        untold: new Set(),
        others: new Map(),
        idle: 0,
        fresh: 0,
        watched: false,
      };
      this.#trees.set(root, tree);
      this.#shrink();
    }
    return tree;
  }

  /** The oldest trees go first: a tree that is still asked in is counted anew. */
  #shrink(): void {
    for (const [root, tree] of this.#trees) {
      if (this.#trees.size <= limits.trees && this.#marks <= limits.treeMarksAll) {
        break;
      }
      this.#trees.delete(root);
      this.#dirty.delete(root);
      this.#marks -= sizeOf(tree);
    }
  }

  /** Make room for a mark in what is remembered of one tree. */
  #remember<K>(marks: Map<K, number> | Set<K>, mark: K): void {
    if (marks.has(mark)) {
      return;
    }
    this.#marks++;
    if (marks.size >= limits.treeMarks) {
      for (const oldest of marks.keys()) {
        marks.delete(oldest);
        this.#marks--;
        break;
      }
    }
  }
}

function sizeOf({ asked, results, others }: Tree): number {
  let size = asked.size + results.size;
  others.forEach(({ same }) => (size += same.size));
  return size;
}
