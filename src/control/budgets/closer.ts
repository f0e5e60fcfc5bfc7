/**
 * Closes purses: of gateways whose connection is gone, and those that their gateways gave up. What was settled is
 * counted by the log, what open calls have reserved stays reserved until they are settled, the rest is free again.
 *
 * Every step can be done again: a node keeps how much of a purse's total it has counted, and the purse is forgotten
 * only when nothing of it is left anywhere.
 */
import { BudgetStore } from '../../fabric/budgets.js';
import { isConnected } from '../../fabric/kick.js';
import type { SteadyWatch } from '../../fabric/steady-watch.js';
import { ZERO } from '../../domain/budget/amounts.js';
import { checkpointOf, tally, type Closing } from '../../domain/budget/closing.js';
import { closeOut, forgetPurse, type NodeRecord } from '../../domain/budget/node-record.js';
import type { PurseRecord } from '../../domain/budget/purse-record.js';
import { limits } from '../../wire/limits.js';
import type { Control } from '../core.js';
import { decisionsAfter, decisionsAt, outcomesOf } from './log.js';

const TICK_MS = 250;
const FOLLOW_MS = 500;
/** Longer than a change of a node may be on its way before this process hears of it. */
const HEARD_MS = 1_000;
const NODE = 'node.';
const PURSE = 'purse.';

interface Going {
  closing: Closing;
  readonly high: number;
  readonly sinceMs: number;
  nextMs: number;
}

/** Closes purses while it leads. */
export class Closer {
  readonly #control: Control;
  readonly #store: BudgetStore;
  readonly #alive: () => ReadonlySet<string>;
  readonly #purses = new Map<string, { record: PurseRecord; revision: number }>();
  /** Nodes by the purses that have something of them. */
  readonly #nodes = new Map<string, NodeRecord>();
  readonly #going = new Map<string, Going>();
  #watches: SteadyWatch[] = [];
  #timer: NodeJS.Timeout | undefined;
  #busy = false;

  /** `alive`: gateways that are heard. */
  constructor(control: Control, alive: () => ReadonlySet<string>) {
    this.#control = control;
    this.#store = new BudgetStore(control.nc, control.pub);
    this.#alive = alive;
  }

  /** Begin to watch the ledger. */
  async start(): Promise<void> {
    this.#watches = [
      await this.#store.watch<PurseRecord>(`${PURSE}>`, (key, record, revision) => {
        const id = key.slice(PURSE.length);
        if (record === undefined) {
          this.#purses.delete(id);
        } else {
          this.#purses.set(id, { record, revision });
        }
      }),
      await this.#store.watch<NodeRecord>(`${NODE}>`, (key, record) => {
        if (record === undefined) {
          this.#nodes.delete(key.slice(NODE.length));
        } else {
          this.#nodes.set(key.slice(NODE.length), record);
        }
      }),
    ];
    this.#timer = setInterval(() => void this.#tick(), TICK_MS);
  }

  /** Stop. */
  stop(): void {
    clearInterval(this.#timer);
    this.#watches.forEach((watch) => watch.stop());
  }

  /** No decision at or above the lowest of these may be purged: a purse is closed by it. */
  marks(): number[] {
    return this.#watches.length === 0
      ? [0]
      : [...this.#purses.values()].map(({ record: { high, open } }) => Math.min(high + 1, ...open));
  }

  async #tick(): Promise<void> {
    if (this.#busy || !this.#control.leads()) {
      return;
    }
    this.#busy = true;
    try {
      for (const [id, { record }] of this.#purses) {
        await this.#look(id, record).catch((err: unknown) => {
          this.#control.log.warn({ purse: id, err: String(err) }, 'a purse is not closed yet, trying again');
        });
      }
    } finally {
      this.#busy = false;
    }
  }

  async #look(id: string, record: PurseRecord): Promise<void> {
    const going = this.#going.get(id);
    if (going !== undefined) {
      return Date.now() >= going.nextMs ? await this.#follow(id, going) : undefined;
    }
    const { gateway, server, client, state } = record;
    if (
      state === 'open' &&
      (this.#alive().has(gateway) || (await isConnected(this.#control.nc, server, client)))
    ) {
      return;
    }
    await this.#close(id);
  }

  /** From here on its gateway cannot write it down any more. Then the log is read, and all nodes are told. */
  async #close(id: string): Promise<void> {
    const sinceMs = Date.now();
    const at = await this.#store.get<PurseRecord>(`${PURSE}${id}`);
    if (at.value === undefined) {
      return;
    }
    const fenced: PurseRecord = { ...at.value, state: 'closing' };
    if (!(await this.#write(id, fenced, at.revision))) {
      return;
    }
    const decisions = await decisionsAfter(this.#control, at.value);
    const outcomes = await outcomesOf(
      this.#control,
      decisions.filter(({ budget }) => budget.purse === id),
    );
    const closing = tally(id, at.value, decisions, (call) => outcomes.get(call));
    const high = Math.max(at.value.high, ...decisions.map(({ seq }) => seq));
    const going = { closing, high, sinceMs, nextMs: 0 };
    await this.#tell(id, going);
    this.#going.set(id, going);
    const { gateway } = at.value;
    this.#control.log.info({ purse: id, gateway, open: closing.left.length }, 'a purse is closed');
  }

  /** Calls that were open are settled by others: charge what they came to, until none is left. */
  async #follow(id: string, going: Going): Promise<void> {
    const { left } = going.closing;
    const outcomes = await outcomesOf(this.#control, left);
    if (outcomes.size > 0) {
      const checkpoint = checkpointOf(going.closing, going.high);
      const decisions = left.length === 0 ? [] : await decisionsAt(this.#control, checkpoint.open);
      going.closing = tally(id, checkpoint, decisions, (call) => outcomes.get(call));
    }
    await this.#tell(id, going);
    going.nextMs = Date.now() + FOLLOW_MS;
    const heard = this.#watches.every((watch) => watch.provenMs() > performance.now() - HEARD_MS);
    if (going.closing.left.length === 0 && heard && Date.now() > going.sinceMs + HEARD_MS) {
      await this.#forget(id);
    }
  }

  /** First it is written down, then every node where the purse has anything is told. */
  async #tell(id: string, { closing, high }: Going): Promise<void> {
    const at = await this.#store.get<PurseRecord>(`${PURSE}${id}`);
    if (at.value === undefined) {
      return;
    }
    const next: PurseRecord = { ...at.value, state: 'closing', ...checkpointOf(closing, high) };
    if (!(await this.#write(id, next, at.revision))) {
      throw new Error('somebody else writes this purse');
    }
    for (const [key, node] of this.#nodes) {
      const mine = node.purses[id];
      if (mine !== undefined) {
        const { s = ZERO, d = ZERO, r = ZERO } = closing.nodes[key] ?? {};
        await this.#change(key, (now) => closeOut(now, id, { settled: s, debt: d, reserved: r }));
      }
    }
  }

  async #forget(id: string): Promise<void> {
    const here = [...this.#nodes].filter(([, node]) => node.purses[id] !== undefined);
    for (const [key] of here) {
      await this.#change(key, (now) => forgetPurse(now, id));
    }
    if (here.length === 0) {
      const at = await this.#store.get<PurseRecord>(`${PURSE}${id}`);
      await this.#store.remove(`${PURSE}${id}`, at.revision);
      this.#going.delete(id);
    }
  }

  /** Change a node as it stands now; one that changes nothing is not written. */
  async #change(key: string, how: (record: NodeRecord) => NodeRecord): Promise<void> {
    for (let tries = 0; tries < limits.drawTries; tries++) {
      const at = await this.#store.get<NodeRecord>(`${NODE}${key}`);
      const next = at.value === undefined ? undefined : how(at.value);
      if (next === undefined || JSON.stringify(next) === JSON.stringify(at.value)) {
        return;
      }
      const keepMs =
        Math.max(0, next.endsMs - Date.now()) +
        (key.startsWith('tree.') ? limits.treeKeepMs : limits.nodeKeepMs);
      const put = await this.#store.put(`${NODE}${key}`, next, at.revision, keepMs);
      if (put.kind === 'stored') {
        return;
      }
    }
    throw new Error(`the node ${key} changes too often`);
  }

  async #write(id: string, record: PurseRecord, revision: number): Promise<boolean> {
    return (await this.#store.put(`${PURSE}${id}`, record, revision, limits.purseKeepMs)).kind === 'stored';
  }
}
