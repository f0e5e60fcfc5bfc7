/**
 * The purse of one gateway: what is allotted to it of each node, and what it has given out of that. Reserving and
 * settling are additions in this process; only when something runs out is the ledger asked. A purse gives out nothing
 * that the ledger has not confirmed, and nothing of what is on its way back.
 *
 * A purse is one life: when its gateway cannot be sure any more that it is the only one who spends from it, it takes a
 * new one, and the old one is closed by what the log says.
 */
import { isZero, type Amounts } from './amounts.js';
import { leftOf, allTold, isOver, named, type Change, type NodeRecord } from './node-record.js';
import type { Portion } from './portions.js';
import type { Checkpoint, Lack, PurseNode, PurseTotals, Reservation } from './reservation.js';
import {
  allFree,
  confirm,
  freshShare,
  hasFree,
  haveOf,
  isCrumb,
  isEmpty,
  isUntold,
  missing,
  noSums,
  overOf,
  put,
  putCapped,
  small,
  sumsOf,
  take,
  wishOf,
  type Share,
} from './share.js';

/** So long nobody is asked again: a mark of shortage is as old then, and is made anew. */
const DRY_MS = 1_000;

/** A purse. `nowMs` is the monotonic clock everywhere. */
export class Purse {
  readonly id: string;
  readonly #shares = new Map<string, Share>();
  readonly #open = new Map<number, Reservation>();
  readonly #done = new Set<number>();
  #high = 0;
  /** Something changed that a checkpoint tells. */
  changed = false;

  constructor(id: string) {
    this.id = id;
  }

  /** The share of a node; undefined when it never spent from it. */
  share(key: string): Share | undefined {
    return this.#shares.get(key);
  }

  /** All shares. */
  shares(): IterableIterator<Share> {
    return this.#shares.values();
  }

  /** Shares it has. */
  get size(): number {
    return this.#shares.size;
  }

  /** Would it fit in every node? Otherwise the first that it does not fit in; no effect. */
  lack(nodes: readonly PurseNode[], amounts: Amounts, nowMs: number): Lack | undefined {
    for (const node of nodes) {
      const share = this.#shares.get(node.key);
      if (share === undefined) {
        return { key: node.key, why: 'draw', have: {}, node };
      }
      if (share.closed) {
        return { key: node.key, why: 'closed', have: {}, node };
      }
      if (!hasFree(share, amounts)) {
        const dry = nowMs < share.dryUntilMs && !isZero(overOf(missing(share, amounts), share.left ?? {}));
        return { key: node.key, why: dry ? 'dry' : 'draw', have: haveOf(share), node };
      }
    }
    return undefined;
  }

  /** Reserve in all nodes, or in none (undefined). */
  reserve(nodes: readonly PurseNode[], amounts: Amounts, nowMs: number): Reservation | undefined {
    if (this.lack(nodes, amounts, nowMs) !== undefined) {
      return undefined;
    }
    const shares: Share[] = [];
    for (const { key } of nodes) {
      const share = this.#shares.get(key);
      if (share !== undefined) {
        put(share.reserved, amounts);
        put(share.pace, amounts);
        share.usedMs = nowMs;
        shares.push(share);
      }
    }
    return { purse: this.id, shares, amounts, seqs: [], open: true };
  }

  /** The decision is durable. */
  stored(r: Reservation, seq: number): void {
    this.changed = true;
    if (r.open && r.purse === this.id) {
      for (const old of r.seqs) {
        this.#open.delete(old); // replaced: this decision stands for the same reservation
        this.#done.add(old);
      }
      r.seqs = [seq];
      this.#open.set(seq, r);
    } else {
      this.#done.add(seq);
    }
  }

  /**
   * The outcome is durable: once. A reservation of another purse is somebody else's to settle. Returns the shares that
   * owe something now: what is used of a unit that a node does not limit is nothing it owes.
   */
  settle(r: Reservation, { charged, debt }: Portion): Share[] {
    const owing: Share[] = [];
    if (!r.open || r.purse !== this.id) {
      return owing;
    }
    r.open = false;
    this.changed = true;
    for (const share of r.shares) {
      take(share.reserved, r.amounts);
      put(share.settled, charged);
      const owed = isZero(debt) ? debt : named(debt, share.limit);
      if (!isZero(owed)) {
        putCapped(share.owed, owed);
        owing.push(share);
      }
    }
    for (const seq of r.seqs) {
      this.#open.delete(seq);
      this.#done.add(seq);
    }
    return owing;
  }

  /** It surely never counts: no decision of it is durable, or its outcome says that it never ran. */
  release(r: Reservation): void {
    this.settle(r, { charged: {}, debt: {} });
  }

  /** How much is reserved by calls that are open. */
  get open(): number {
    return this.#open.size;
  }

  /** What to tell the ledger of a node. With `need` it draws, else it gives back all that is free when asked to. */
  change(
    node: PurseNode,
    nowMs: number,
    clockMs: number,
    what: { need?: Amounts; giveFree?: boolean },
  ): Change {
    const share = this.#shareOf(node, nowMs);
    const need = what.need === undefined ? undefined : missing(share, what.need);
    const give = what.giveFree === true ? allFree(share) : {};
    put(share.giving, give);
    return {
      settled: sumsOf(share.settled),
      debt: sumsOf(share.owed),
      give,
      need: need === undefined || isZero(need) ? undefined : need,
      wish: need === undefined ? {} : wishOf(share, need, nowMs),
      tell: what.giveFree === true,
      limit: node.limit,
      nowMs: clockMs,
    };
  }

  /** The change was stored, and this stands in the ledger now. */
  confirmed(key: string, record: NodeRecord, drew: boolean, nowMs: number): void {
    const share = this.#shares.get(key);
    if (share === undefined) {
      return;
    }
    confirm(share, record, this.id);
    if (drew) {
      share.pace = noSums();
      share.drawnMs = nowMs;
      share.usedMs = nowMs; // whoever it was drawn for may come a moment later
    }
    this.saw(key, record, nowMs);
  }

  /** It was surely not stored: what was to be given back is ours again. */
  refused(key: string, give: Amounts): void {
    const share = this.#shares.get(key);
    if (share !== undefined) {
      take(share.giving, give);
    }
  }

  /** Somebody changed the node. True: it should look at what it does not need. */
  saw(key: string, record: NodeRecord, nowMs: number): boolean {
    const share = this.#shares.get(key);
    if (share === undefined) {
      return false;
    }
    share.limit = record.limit;
    share.closed = record.closed === true;
    share.left = leftOf(record);
    const mark = record.short === undefined ? '' : `${record.short.by} ${record.short.at}`;
    if (mark !== share.mark && allTold(record, this.id)) {
      share.mark = mark;
      share.dryUntilMs = nowMs + DRY_MS;
    }
    const asked = record.short !== undefined && !record.short.told.includes(this.id);
    const has = record.purses[this.id] !== undefined;
    return has && (asked || ((isOver(record) || share.closed) && !isZero(allFree(share))));
  }

  /** Nobody answered the mark of shortage in time: what is left is all there is. */
  runDry(key: string, nowMs: number): void {
    const share = this.#shares.get(key);
    if (share !== undefined) {
      share.dryUntilMs = nowMs + DRY_MS;
    }
  }

  /**
   * Shares that nobody used for so long and that hold something, or have something to tell. What nobody misses may
   * stay for `restMs`: whoever comes a moment later need not draw it again.
   */
  idle(nowMs: number, idleMs: number, restMs: number): Share[] {
    return [...this.#shares.values()].filter(
      (share) =>
        nowMs - share.usedMs > idleMs &&
        (!isZero(allFree(share)) || isUntold(share)) &&
        (nowMs - share.usedMs > restMs || !isCrumb(share)),
    );
  }

  /** Forget shares of nodes that have ended, where nothing is left of this purse. `clockMs`: epoch ms. */
  prune(clockMs: number): void {
    for (const [key, share] of this.#shares) {
      if (clockMs > share.endsMs && isEmpty(share)) {
        this.#shares.delete(key);
      }
    }
  }

  /** What to write down now. No decision on its way has a sequence at or below `floor`. */
  checkpoint(floor: number): Checkpoint {
    this.#high = Math.max(this.#high, floor);
    for (const seq of this.#done) {
      if (seq <= this.#high) {
        this.#done.delete(seq);
      }
    }
    const nodes: Record<string, PurseTotals> = {};
    for (const { key, settled, owed, reserved } of this.#shares.values()) {
      if (!isZero(settled) || !isZero(owed) || !isZero(reserved)) {
        nodes[key] = {
          s: small(settled),
          ...(isZero(owed) ? {} : { d: small(owed) }),
          ...(isZero(reserved) ? {} : { r: small(reserved) }),
        };
      }
    }
    return { high: this.#high, open: [...this.#open.keys()], done: [...this.#done], nodes };
  }

  #shareOf({ key, limit, endsMs }: PurseNode, nowMs: number): Share {
    let share = this.#shares.get(key);
    if (share === undefined) {
      share = freshShare(key, limit, endsMs, nowMs);
      this.#shares.set(key, share);
    }
    return share;
  }
}
