/**
 * Draws for a purse from the ledger and gives back to it: one change of a node at a time, each a compare-and-set.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BudgetStore, Versioned } from '../../fabric/budgets.js';
import { larger, isZero, fits, type Amounts } from '../../domain/budget/amounts.js';
import { freshNode, settleUp, type NodeRecord } from '../../domain/budget/node-record.js';
import type { Purse } from '../../domain/budget/purse.js';
import type { PurseNode } from '../../domain/budget/reservation.js';
import { missing } from '../../domain/budget/share.js';
import { limits } from '../../wire/limits.js';

type Known = Versioned<NodeRecord>;

/** What is to be done with one node. */
interface Job {
  node: PurseNode;
  /** At least so much must be free. */
  need: Amounts | undefined;
  give: boolean;
  busy: boolean;
  /** The ledger was asked for it before. */
  tried: boolean;
  /** Since when others are asked (monotonic ms); 0: they are not. */
  shortMs: number;
  /** Since when the ledger cannot be reached (monotonic ms); 0: it can. */
  awayMs: number;
}

/** What it works for. */
export interface Drawing {
  readonly store: BudgetStore;
  /** The purse now; another one when it was replaced. */
  readonly purse: () => Purse;
  /** Resolves when the purse is written down: before that nothing is drawn. */
  readonly opened: () => Promise<void>;
  /** Something may fit now, or is known not to. */
  readonly onChange: () => void;
  /** The ledger does not fit this purse. */
  readonly onBroken: (purse: Purse, why: string) => void;
}

const PAUSE_MS = 250;

/** How long a node is kept after its window. */
export function keepMsOf({ key, endsMs }: Pick<PurseNode, 'key' | 'endsMs'>, nowMs: number): number {
  return Math.max(0, endsMs - nowMs) + (key.startsWith('tree.') ? limits.treeKeepMs : limits.nodeKeepMs);
}

/** Draws and gives back. */
export class Drawer {
  readonly #on: Drawing;
  readonly #jobs = new Map<string, Job>();
  readonly #known = new Map<string, Known>();

  constructor(on: Drawing) {
    this.#on = on;
  }

  /** So much must be free in this node: ask the ledger for what is missing. */
  want(node: PurseNode, need: Amounts): void {
    const job = this.#job(node);
    job.need = job.need === undefined ? need : larger(job.need, need);
    this.#go(job);
  }

  /** What is not needed of this node goes back, and what was settled is told. */
  giveBack(node: PurseNode): void {
    const job = this.#job(node);
    job.give = true;
    this.#go(job);
  }

  /** A node as it was last known. */
  known(key: string): NodeRecord | undefined {
    return this.#known.get(key)?.value;
  }

  /** The watch tells what stands in the ledger. */
  told(key: string, value: NodeRecord | undefined, revision: number): void {
    const purse = this.#on.purse();
    const share = purse.share(key);
    const known = this.#known.get(key);
    if (share === undefined || (known !== undefined && known.revision >= revision)) {
      return;
    }
    this.#known.set(key, { value, revision });
    if (value === undefined) {
      return;
    }
    if (purse.saw(key, value, performance.now())) {
      this.giveBack(share);
    }
    this.#look(key);
  }

  /** Is the ledger out of reach for this node, and for how long? */
  awayMs(key: string, nowMs: number): number {
    const since = this.#jobs.get(key)?.awayMs ?? 0;
    return since === 0 ? 0 : nowMs - since;
  }

  /** Time passes: who did not answer in time is not waited for. */
  sweep(nowMs: number): void {
    for (const [key, job] of this.#jobs) {
      if (job.shortMs > 0 && nowMs - job.shortMs > limits.shortMs) {
        this.#on.purse().runDry(key, nowMs);
        this.#end(job);
      }
      if (!job.busy && job.need === undefined && !job.give && this.#on.purse().share(key) === undefined) {
        this.#jobs.delete(key);
        this.#known.delete(key);
      }
    }
  }

  /** Changes that are under way or wanted. */
  get working(): number {
    return [...this.#jobs.values()].filter((job) => job.busy).length;
  }

  #job(node: PurseNode): Job {
    let job = this.#jobs.get(node.key);
    if (job === undefined) {
      job = { node, need: undefined, give: false, busy: false, tried: false, shortMs: 0, awayMs: 0 };
      this.#jobs.set(node.key, job);
    }
    job.node = node;
    return job;
  }

  /** After a mark of shortage: is there enough now, or is it certain that there is not? */
  #look(key: string): void {
    const job = this.#jobs.get(key);
    const share = this.#on.purse().share(key);
    if (job === undefined || share === undefined || job.shortMs === 0 || job.need === undefined) {
      return;
    }
    if (fits(missing(share, job.need), share.left ?? {})) {
      job.shortMs = 0;
      this.#go(job);
    } else if (performance.now() < share.dryUntilMs) {
      this.#end(job);
    }
  }

  #end(job: Job): void {
    job.shortMs = 0;
    job.need = undefined;
    this.#on.onChange();
  }

  #go(job: Job): void {
    if (!job.busy) {
      job.busy = true;
      void this.#work(job)
        .catch(() => undefined)
        .finally(() => {
          job.busy = false;
          this.#on.onChange();
          if ((job.need !== undefined && job.shortMs === 0) || job.give) {
            setTimeout(() => this.#go(job), 1);
          }
        });
    }
  }

  async #work(job: Job): Promise<void> {
    await this.#on.opened();
    const purse = this.#on.purse();
    for (let tries = 0; tries < limits.drawTries; tries++) {
      const asked = job.need !== undefined && job.shortMs === 0;
      if ((!asked && !job.give) || this.#on.purse() !== purse) {
        return;
      }
      const gives = job.give && !asked;
      job.give &&= asked; // what is to be told while this is on its way is told by the next
      try {
        if (await this.#change(job, purse, asked, gives)) {
          job.awayMs = 0;
          continue;
        }
        job.give ||= gives;
      } catch (err) {
        job.give ||= gives;
        job.awayMs = job.awayMs === 0 ? performance.now() : job.awayMs;
        this.#on.onChange();
        if (isBroken(err)) {
          job.need = undefined;
          job.give = false;
          return this.#on.onBroken(purse, String(err));
        }
        await sleep(PAUSE_MS);
        continue;
      }
      await sleep(tries < 2 ? 0 : Math.random() * 5 * tries); // somebody else was first
    }
  }

  /** One change. False: somebody else changed it meanwhile. Rejects when the ledger does not answer. */
  async #change(job: Job, purse: Purse, asked: boolean, gives: boolean): Promise<boolean> {
    const { node } = job;
    const { key } = node;
    // Of a node that was never heard of nothing stands there, as a rule: the try says so, and is the first change.
    const at =
      this.#known.get(key) ?? (job.tried ? await this.#read(key) : { value: undefined, revision: 0 });
    job.tried = true;
    const nowMs = performance.now();
    const change = purse.change(node, nowMs, Date.now(), {
      ...(asked && job.need !== undefined ? { need: job.need } : {}),
      giveFree: gives,
    });
    const next = settleUp(at.value ?? freshNode(node.limit, node.endsMs), purse.id, change);
    const put = await this.#on.store.put(`node.${key}`, next, at.revision, keepMsOf(node, Date.now()));
    if (put.kind === 'unsure') {
      // It may be stored later still. The next change that is stored builds on what stands there: then all is known.
      this.#known.delete(key);
      throw new Error('it is not known whether the change was stored');
    }
    if (put.kind === 'conflict') {
      purse.refused(key, change.give ?? {});
      await this.#read(key);
      return false;
    }
    this.#known.set(key, { value: next, revision: put.revision });
    purse.confirmed(key, next, asked, nowMs);
    if (asked && change.need !== undefined) {
      this.#asked(job, purse, change.need, isZero(next.purses[purse.id]?.a ?? {}));
    } else if (asked) {
      job.need = undefined;
    }
    return true;
  }

  /** It drew, or the node is marked short now and the others are asked. */
  #asked(job: Job, purse: Purse, need: Amounts, nothing: boolean): void {
    const share = purse.share(job.node.key);
    if (share === undefined) {
      return;
    }
    const still = job.need === undefined ? {} : missing(share, job.need);
    if (isZero(still)) {
      job.need = undefined;
    } else if (performance.now() < share.dryUntilMs || (nothing && isZero(need))) {
      this.#end(job);
    } else {
      job.shortMs = performance.now();
    }
  }

  async #read(key: string): Promise<Known> {
    const at = await this.#on.store.get<NodeRecord>(`node.${key}`);
    this.#known.set(key, at);
    return at;
  }
}

/** The numbers do not fit: what this purse holds is not what the ledger says of it. */
function isBroken(err: unknown): boolean {
  return (err as { code?: string }).code === 'amount_invalid';
}
