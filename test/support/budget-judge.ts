/**
 * The reference ledger: slow and simple. It reads what stands in the log, decision by decision and outcome by outcome,
 * and says of every node how much was settled or reserved at the worst moment. It shares no code with the ledger.
 */
import type { NatsConnection } from '../../src/fabric/connection.js';
import { scan } from '../../src/fabric/reader.js';
import { header } from '../../src/wire/headers.js';
import type { DecisionRecord, OutcomeRecord } from '../../src/wire/generated/messages.js';

/** What the judge looks at of a decision: one unit is enough, all are alike. */
export interface JudgedDecision {
  readonly seq: number;
  readonly nodes: readonly string[];
  readonly reserve: number;
  readonly before: number;
  readonly earlier: readonly number[];
}

/** And of an outcome. */
export interface JudgedCharge {
  readonly amount: number;
  readonly seqs: readonly number[];
}

/** What became of a node. */
export interface Judged {
  readonly most: number;
  /** When all is read: settled, and reserved by calls that are open. */
  readonly spent: number;
  readonly reserved: number;
}

interface Call {
  readonly decisions: JudgedDecision[];
  /** Null: an outcome that names no charge. */
  charge: JudgedCharge | null | undefined;
}

/** Reads the log in its order. */
export class BudgetJudge {
  readonly #calls = new Map<string, Call>();
  readonly #nodes = new Map<string, { spent: number; reserved: number; most: number }>();

  /** A decision is in the log. */
  decided(call: string, decision: JudgedDecision): void {
    const known = this.#calls.get(call) ?? { decisions: [], charge: undefined };
    this.#apply(known, -1);
    known.decisions.push(decision);
    this.#calls.set(call, known);
    this.#apply(known, 1);
  }

  /** An outcome is in the register; undefined: it names no charge. */
  settled(call: string, charge: JudgedCharge | undefined): void {
    const known = this.#calls.get(call);
    if (known !== undefined && known.charge === undefined) {
      this.#apply(known, -1);
      known.charge = charge ?? null;
      this.#apply(known, 1);
    }
  }

  /** What became of a node so far. */
  of(node: string): Judged {
    return this.#nodes.get(node) ?? { most: 0, spent: 0, reserved: 0 };
  }

  #apply({ decisions, charge }: Call, sign: 1 | -1): void {
    const newest = decisions.at(-1);
    for (const one of decisions) {
      const open = charge === undefined;
      const stands = one === newest || newest?.earlier.includes(one.seq) === true; // no later one replaced it
      const listed = !open && charge?.seqs.includes(one.seq) === true;
      const unknown = open || charge === null || one.seq > Math.max(...charge.seqs);
      if (!stands || !(listed || unknown)) {
        continue;
      }
      const part = listed ? Math.max(0, (charge?.amount ?? 0) - one.before) : one.reserve;
      const amount = Math.min(one.reserve, part);
      for (const key of one.nodes) {
        const node = this.#nodes.get(key) ?? { spent: 0, reserved: 0, most: 0 };
        node[open ? 'reserved' : 'spent'] += sign * amount;
        node.most = sign > 0 ? Math.max(node.most, node.spent + node.reserved) : node.most;
        this.#nodes.set(key, node);
      }
    }
  }
}

/** Judge everything that is in the log, in the order in which the server stored it. */
export async function judgeLog(nc: NatsConnection): Promise<BudgetJudge> {
  const events: { at: number; tell: (judge: BudgetJudge) => void }[] = [];
  await scan(nc, 'DECISIONS', { headersOnly: true }, (m) => {
    const { budget, from, call, verdict } = JSON.parse(
      m.headers.get(header.record) ?? '{}',
    ) as DecisionRecord;
    if (verdict === 'allow' && budget !== undefined) {
      const { nodes, reserve, before, earlier = [] } = budget;
      const one = { seq: m.seq, nodes, reserve: reserve.micros ?? 0, before: before?.micros ?? 0, earlier };
      events.push({ at: m.storedAt ?? 0, tell: (judge) => judge.decided(`${from}.${call}`, one) });
    }
    return undefined;
  });
  await scan(nc, 'OUTCOMES', { headersOnly: true }, (m) => {
    const { from, call, charged } = JSON.parse(m.headers.get(header.outcome) ?? '{}') as OutcomeRecord;
    const charge =
      charged === undefined ? undefined : { amount: charged.amounts.micros ?? 0, seqs: charged.seqs };
    events.push({ at: m.storedAt ?? 0, tell: (judge) => judge.settled(`${from}.${call}`, charge) });
    return undefined;
  });
  const judge = new BudgetJudge();
  events.sort((a, b) => a.at - b.at).forEach(({ tell }) => tell(judge));
  return judge;
}
