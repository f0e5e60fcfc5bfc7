/**
 * A town of gateways that spend from one ledger, without any server: the rules of the product, and around them a network
 * that loses, delays and reorders, gateways that crash and pause, and calls that are repeated, lost and answered late.
 * The reference ledger reads the log and sees every moment.
 */
import { add, isZero, type Amounts } from '../../src/domain/budget/amounts.js';
import { checkpointOf, tally, type Closing, type LoggedDecision } from '../../src/domain/budget/closing.js';
import {
  closeOut,
  forgetPurse,
  freshNode,
  settleUp,
  type NodeRecord,
} from '../../src/domain/budget/node-record.js';
import {
  afterOf,
  portionOf,
  type DecisionBudget,
  type OutcomeCharge,
} from '../../src/domain/budget/portions.js';
import { Purse } from '../../src/domain/budget/purse.js';
import type { Checkpoint, PurseNode, Reservation } from '../../src/domain/budget/reservation.js';
import { put } from '../../src/domain/budget/share.js';
import { BudgetJudge } from './budget-judge.js';
import { seeded } from './random.js';

/** Bugs that the harness must see. */
export type Plant = 'check-then-increment' | 'double-settle' | 'float' | 'release-on-timeout';

interface Booked {
  seq: number;
  readonly budget: DecisionBudget;
  readonly reservation: Reservation;
}

/** A call in the hands of one gateway. */
interface Open {
  readonly id: string;
  readonly nodes: readonly PurseNode[];
  readonly amount: number;
  budget: DecisionBudget;
  seq: number;
  attempt: number;
  state: 'deciding' | 'dispatched' | 'waiting' | 'settling';
  undispatched: boolean;
  readonly booked: Booked[];
}

interface Gateway {
  readonly name: string;
  purse: Purse;
  count: number;
  alive: boolean;
  paused: boolean;
  readonly calls: Map<string, Open>;
  readonly known: Map<string, { record: NodeRecord | undefined; rev: number }>;
  readonly busy: Set<string>;
  /** Publishes of decisions on their way, with the last sequence known before. */
  readonly air: Map<number, number>;
  /** Purses that are given up as soon as these publishes are answered. */
  retiring: { readonly id: string; readonly waits: Set<number> }[];
  lastSeq: number;
}

/** On its way to the server, or back from it. `timeout`: its sender waits no more; it may arrive all the same. */
interface Flying {
  readonly of: Gateway;
  readonly toServer: boolean;
  readonly run: () => void;
  timeout?: (() => void) | undefined;
}

const LIMITS = [900, 400, 200];
const ENDS = 1e15;
const FAR = 1e15;

/** One run. `violations` is empty when nothing was ever over its limit. */
export class Town {
  readonly #random: () => number;
  readonly #plant: Plant | undefined;
  readonly #judge = new BudgetJudge();
  readonly #limits = new Map<string, number>();
  readonly #kv = new Map<string, { record: NodeRecord; rev: number }>();
  readonly #purses = new Map<string, { cp: Checkpoint; state: string; gateway: Gateway }>();
  readonly #log: LoggedDecision[] = [];
  readonly #attempts = new Map<string, number>();
  readonly #outcomes = new Map<string, OutcomeCharge>();
  readonly #closings = new Map<string, { closing: Closing; high: number }>();
  readonly gateways: Gateway[] = [];
  #net: Flying[] = [];
  #rev = 0;
  #ids = 0;
  #publishes = 0;
  #clock = 0;
  /** Amounts that were reserved, for the useful-work minimum. */
  settled = 0;
  readonly violations: string[] = [];

  constructor(seed: number, gateways: number, plant?: Plant) {
    this.#random = seeded(seed);
    this.#plant = plant;
    LIMITS.forEach((limit, i) => this.#limits.set(`n${i}`, limit));
    for (let i = 0; i < gateways; i++) {
      this.#startGateway();
    }
  }

  /** Let so many things happen, then let everything come to rest. */
  run(steps: number): void {
    try {
      for (let i = 0; i < steps; i++) {
        this.#clock += this.#below(40);
        this.#step();
        this.#check();
      }
      this.#rest();
    } catch (err) {
      this.violations.push(String(err));
    }
  }

  #step(): void {
    const gateway = this.gateways[this.#below(this.gateways.length)];
    const dice = this.#below(100);
    if (gateway === undefined || !gateway.alive) {
      return void this.#startGateway();
    }
    if (dice < 45) {
      return this.#deliver();
    }
    if (dice < 49) {
      return this.#timeout();
    }
    if (dice === 49 && this.#below(3) === 0) {
      return this.#crash(gateway);
    }
    if (gateway.paused ? dice < 70 : dice === 50) {
      return this.#pause(gateway);
    }
    if (dice < 55) {
      return this.#control();
    }
    if (gateway.paused) {
      return;
    }
    if (dice < 58) {
      return this.#checkpoint(gateway);
    }
    if (dice < 60) {
      return this.#giveBack(gateway);
    }
    return dice < 78 ? this.#call(gateway) : this.#workOn(gateway);
  }

  #startGateway(): Gateway {
    const name = `g${this.gateways.length}`;
    const gateway: Gateway = {
      ...{ name, purse: new Purse(`${name}-1`), count: 1, alive: true, paused: false },
      ...{
        calls: new Map(),
        known: new Map(),
        busy: new Set(),
        air: new Map(),
        retiring: [],
        lastSeq: this.#log.length,
      },
    };
    this.gateways.push(gateway);
    this.#opened(gateway);
    return gateway;
  }

  #opened(gateway: Gateway): void {
    gateway.lastSeq = this.#log.length;
    const cp = gateway.purse.checkpoint(this.#floor(gateway));
    this.#purses.set(gateway.purse.id, { cp, state: 'open', gateway });
  }

  #floor({ air, lastSeq }: Gateway): number {
    return Math.min(lastSeq, ...air.values());
  }

  /** A new call: a root in some nodes, or a child that is paid from an envelope too. */
  #call(gateway: Gateway): void {
    const id = `c${this.#ids++}`;
    const amount = 1 + this.#below(60);
    const nodes = LIMITS.map((limit, i): PurseNode => ({
      key: `n${i}`,
      limit: { micros: limit },
      endsMs: ENDS,
    }));
    const chosen = nodes.filter(() => this.#below(2) === 0);
    const [root] = [...gateway.calls.values()];
    if (root !== undefined && this.#below(3) === 0) {
      const limit = 100;
      this.#limits.set(`tree.${root.id}`, limit);
      chosen.push({ key: `tree.${root.id}`, limit: { micros: limit }, endsMs: ENDS });
    }
    const budget: DecisionBudget = {
      purse: gateway.purse.id,
      nodes: chosen.map(({ key }) => key),
      reserve: { micros: this.#plant === 'float' ? amount + 0.1 : amount },
    };
    const call: Open = {
      ...{ id, nodes: chosen, amount, budget, seq: 0, attempt: 1, undispatched: true, booked: [] },
      state: 'waiting',
    };
    this.#reserve(gateway, call, budget);
  }

  #reserve(gateway: Gateway, call: Open, budget: DecisionBudget): boolean {
    const { purse } = gateway;
    const last = call.booked.at(-1);
    const handsOn =
      call.undispatched && last?.reservation.open === true && last.reservation.purse === purse.id;
    const lacks = purse.lack(call.nodes, budget.reserve, this.#clock);
    if (!handsOn && lacks !== undefined) {
      call.nodes.forEach((node) => this.#change(gateway, node, budget.reserve));
      return false;
    }
    const increment = (): Reservation | undefined => {
      if (this.#plant !== 'check-then-increment') {
        return purse.reserve(call.nodes, budget.reserve, this.#clock);
      }
      const shares = call.nodes.flatMap(({ key }) => purse.share(key) ?? []);
      shares.forEach((share) => put(share.reserved, budget.reserve));
      return { purse: purse.id, shares, amounts: budget.reserve, seqs: [], open: true };
    };
    const go = (): void => {
      const reservation = handsOn ? last.reservation : increment();
      if (reservation !== undefined) {
        this.#decide(gateway, call, { ...budget, purse: purse.id }, reservation);
      }
    };
    if (this.#plant === 'check-then-increment' && this.#below(2) === 0) {
      this.#net.push({ of: gateway, toServer: false, run: go });
    } else {
      go();
    }
    return true;
  }

  /** Publish the decision; one of each attempt stands. */
  #decide(gateway: Gateway, call: Open, budget: DecisionBudget, reservation: Reservation): void {
    const publish = this.#publishes++;
    const { attempt } = call;
    call.state = 'deciding';
    gateway.calls.set(call.id, call);
    gateway.air.set(publish, gateway.lastSeq);
    const booked: Booked = { seq: 0, budget, reservation };
    let mine = 0;
    const store = (): void => {
      const slot = `${call.id}.${attempt}`;
      if (!this.#attempts.has(slot)) {
        mine = this.#log.length + 1;
        this.#attempts.set(slot, mine);
        this.#log.push({ seq: mine, call: call.id, budget, expires: FAR });
        const { before = {}, earlier = [], reserve, nodes } = budget;
        const judged = {
          seq: mine,
          nodes,
          reserve: reserve.micros ?? 0,
          before: before.micros ?? 0,
          earlier,
        };
        this.#judge.decided(call.id, judged);
      }
      this.#net.push({ of: gateway, toServer: false, run: acked, timeout: retry });
    };
    const acked = (): void => {
      gateway.air.delete(publish);
      this.#tellRetired(gateway, publish);
      gateway.lastSeq = Math.max(gateway.lastSeq, mine);
      if (mine > 0) {
        this.#stored(gateway, call, booked, mine);
      } else {
        this.#unbook(gateway, call, booked); // somebody else has decided this attempt
        gateway.calls.delete(call.id);
        call.booked.forEach((one) =>
          one.reservation.open && one.reservation.purse === gateway.purse.id
            ? this.#retire(gateway)
            : undefined,
        );
      }
    };
    // The same publish once more: the same decision, as the nonce in it says.
    const retry = (): void => {
      if (this.#plant === 'release-on-timeout') {
        gateway.purse.release(reservation);
      }
      this.#net.push({ of: gateway, toServer: true, run: store, timeout: retry });
    };
    this.#net.push({ of: gateway, toServer: true, run: store, timeout: retry });
  }

  #unbook({ purse }: Gateway, call: Open, booked: Booked): void {
    if (call.booked.at(-1)?.reservation !== booked.reservation) {
      purse.release(booked.reservation);
    }
  }

  #stored(gateway: Gateway, call: Open, booked: Booked, seq: number): void {
    const { purse } = gateway;
    if (booked.seq > 0) {
      return;
    }
    booked.seq = seq;
    const last = call.booked.at(-1);
    if (call.undispatched && last !== undefined) {
      call.booked.pop();
      if (last.reservation !== booked.reservation) {
        purse.release(last.reservation);
      }
    }
    if (booked.reservation.purse === purse.id) {
      purse.stored(booked.reservation, seq);
    }
    call.booked.push(booked);
    if (call.state === 'settling') {
      if (!gateway.calls.has(call.id)) {
        purse.settle(booked.reservation, portionOf(seq, booked.budget, undefined));
      }
      return;
    }
    Object.assign(call, { budget: booked.budget, seq, undispatched: true, state: 'waiting' });
    if (booked.reservation.purse === purse.id) {
      Object.assign(call, { undispatched: false, state: 'dispatched' });
    }
  }

  /** Something happens to a call: it is answered, its instance is busy, or it is lost. */
  #workOn(gateway: Gateway): void {
    const calls = [...gateway.calls.values()].filter(
      ({ state }) => state === 'dispatched' || state === 'waiting',
    );
    const call = calls[this.#below(calls.length)];
    if (call === undefined) {
      return;
    }
    const dice = this.#below(10);
    if (call.state === 'waiting' || dice < 2) {
      call.undispatched ||= dice === 0;
      return this.#again(gateway, call);
    }
    const used = call.undispatched ? 0 : this.#below((call.budget.reserve.micros ?? 0) + 1);
    this.#settle(gateway, call, dice === 9 ? (call.budget.reserve.micros ?? 0) : Math.floor(used));
  }

  #again(gateway: Gateway, call: Open): void {
    if (call.attempt > 4) {
      return this.#settle(gateway, call, call.undispatched ? 0 : (call.budget.reserve.micros ?? 0));
    }
    call.attempt++;
    const { nodes, reserve } = call.budget;
    const budget = {
      purse: gateway.purse.id,
      nodes,
      reserve,
      ...afterOf(call.seq, call.budget, !call.undispatched),
    };
    if (!this.#reserve(gateway, call, budget)) {
      call.attempt--;
    }
  }

  #settle(gateway: Gateway, call: Open, used: number): void {
    call.state = 'settling';
    const amounts: Amounts = add(call.budget.before ?? {}, { micros: used });
    const charge: OutcomeCharge = { amounts, seqs: [...(call.budget.earlier ?? []), call.seq] };
    const store = (): void => {
      if (!this.#outcomes.has(call.id)) {
        this.#outcomes.set(call.id, charge);
        this.#judge.settled(call.id, { amount: charge.amounts.micros ?? 0, seqs: charge.seqs });
        this.settled++;
      }
      this.#net.push({ of: gateway, toServer: false, run: acked, timeout: retry });
    };
    const acked = (): void => {
      gateway.calls.delete(call.id);
      for (const { seq, budget, reservation } of call.booked) {
        const portion = portionOf(seq, budget, this.#outcomes.get(call.id));
        gateway.purse.settle(reservation, portion);
        if (this.#plant === 'double-settle' && reservation.purse === gateway.purse.id) {
          reservation.shares.forEach(
            (share) => (share.reserved.micros -= Math.min(share.reserved.micros, 20)),
          );
        }
      }
    };
    const retry = (): void =>
      void this.#net.push({ of: gateway, toServer: true, run: store, timeout: retry });
    retry();
  }

  /** One change of a node by compare-and-set. Without `need` all that is free goes back. */
  #change(gateway: Gateway, node: PurseNode, need?: Amounts): void {
    const { purse, busy, known } = gateway;
    if (busy.has(node.key)) {
      return;
    }
    busy.add(node.key);
    const read = () => ({ record: this.#kv.get(node.key)?.record, rev: this.#kv.get(node.key)?.rev ?? 0 });
    const at = known.get(node.key) ?? read();
    const change = purse.change(
      node,
      this.#clock,
      this.#clock,
      need === undefined ? { giveFree: true } : { need },
    );
    const next = settleUp(at.record ?? freshNode(node.limit, node.endsMs), purse.id, change);
    let over = false;
    const end = (how: () => void): void => {
      if (!over && gateway.purse === purse) {
        how();
        busy.delete(node.key);
      }
      over = true;
    };
    const unsure = (): void => end(() => known.delete(node.key));
    this.#net.push({
      ...{ of: gateway, toServer: true, timeout: unsure },
      run: () => {
        const stands = (this.#kv.get(node.key)?.rev ?? 0) === at.rev;
        const rev = stands ? ++this.#rev : 0;
        if (stands) {
          this.#kv.set(node.key, { record: next, rev });
        }
        const answer = (): void =>
          end(() => {
            if (stands) {
              known.set(node.key, { record: next, rev });
              purse.confirmed(node.key, next, need !== undefined, this.#clock);
            } else {
              purse.refused(node.key, change.give ?? {});
              known.set(node.key, read());
            }
          });
        this.#net.push({ of: gateway, toServer: false, run: answer, timeout: unsure });
      },
    });
  }

  #giveBack(gateway: Gateway): void {
    const shares = [...gateway.purse.shares()];
    const share = shares[this.#below(shares.length)];
    if (share !== undefined) {
      this.#change(gateway, share);
    }
  }

  #checkpoint(gateway: Gateway): void {
    const { purse } = gateway;
    gateway.lastSeq = this.#log.length;
    const cp = purse.checkpoint(this.#floor(gateway));
    const known = this.#purses.get(purse.id);
    this.#net.push({
      ...{ of: gateway, toServer: true },
      run: () => {
        const now = this.#purses.get(purse.id);
        if (now?.state === 'open' && now.cp === known?.cp) {
          this.#purses.set(purse.id, { ...now, cp }); // by revision: an older one changes nothing
        }
      },
    });
  }

  #deliver(): void {
    const ready = this.#net.filter(({ of, toServer }) => toServer || (of.alive && !of.paused));
    const one = ready[this.#below(ready.length)];
    if (one !== undefined) {
      this.#net.splice(this.#net.indexOf(one), 1);
      one.run();
    }
  }

  /** A sender waits no more; what it sent may be lost, or arrive later still. */
  #timeout(): void {
    const ready = this.#net.filter(({ of, timeout }) => timeout !== undefined && of.alive && !of.paused);
    const one = ready[this.#below(ready.length)];
    if (one !== undefined) {
      const { timeout } = one;
      one.timeout = undefined;
      if (this.#below(2) === 0 || !one.toServer) {
        this.#net.splice(this.#net.indexOf(one), 1);
      }
      timeout?.();
    }
  }

  /** What it had sent arrives or is lost, and then its connection is gone. */
  #crash(gateway: Gateway): void {
    gateway.alive = false;
    const sent = this.#net.filter(({ of, toServer }) => of === gateway && toServer);
    this.#net = this.#net.filter(({ of }) => of !== gateway);
    sent.filter(() => this.#below(2) === 0).forEach(({ run }) => run());
    this.#net = this.#net.filter(({ of }) => of !== gateway);
    this.#adopt(gateway);
  }

  /** Its calls go on elsewhere. It wakes up later, and knows that it slept. */
  #pause(gateway: Gateway): void {
    if (!gateway.paused) {
      gateway.paused = true;
      return this.#adopt(gateway);
    }
    gateway.paused = false;
    this.#retire(gateway);
  }

  #retire(gateway: Gateway): void {
    const known = this.#purses.get(gateway.purse.id);
    if (known !== undefined && known.state === 'open') {
      const cp = gateway.purse.checkpoint(this.#floor(gateway));
      this.#purses.set(gateway.purse.id, { ...known, cp });
      gateway.retiring.push({ id: gateway.purse.id, waits: new Set(gateway.air.keys()) });
      this.#tellRetired(gateway, -1);
    }
    gateway.purse = new Purse(`${gateway.name}-${++gateway.count}`);
    gateway.known.clear();
    gateway.busy.clear();
    this.#opened(gateway);
  }

  /** Control may close a purse when every decision that was on its way is in the log, or surely never will be. */
  #tellRetired(gateway: Gateway, publish: number): void {
    for (const { id, waits } of gateway.retiring) {
      waits.delete(publish);
      const known = this.#purses.get(id);
      if (waits.size === 0 && known?.state === 'open') {
        this.#purses.set(id, { ...known, state: 'retired' });
      }
    }
  }

  /** Another one reads the log and goes on with what has no outcome. */
  #adopt(from: Gateway): void {
    const heir = this.gateways.find((one) => one.alive && !one.paused && one !== from);
    if (heir === undefined) {
      return;
    }
    for (const id of new Set([...from.calls.keys()])) {
      const newest = this.#log.filter(({ call }) => call === id).at(-1);
      const lost = from.calls.get(id);
      if (newest !== undefined && lost !== undefined && !this.#outcomes.has(id) && !heir.calls.has(id)) {
        const attempt = this.#log.filter(({ call }) => call === id).length;
        const { budget, seq } = newest;
        heir.calls.set(id, {
          ...lost,
          budget,
          seq,
          attempt,
          state: 'dispatched',
          undispatched: false,
          booked: [],
        });
      }
    }
  }

  /** Control closes what is given up or dead, and follows what was open. */
  #control(): void {
    for (const [id, purse] of this.#purses) {
      const going = this.#closings.get(id);
      if (going === undefined && purse.state === 'open' && purse.gateway.alive) {
        continue;
      }
      purse.state = 'closing';
      const cp = going === undefined ? purse.cp : checkpointOf(going.closing, going.high);
      const open = new Set(cp.open);
      const read = this.#log.filter(({ seq }) => open.has(seq) || (going === undefined && seq > cp.high));
      const closing = tally(id, cp, read, (call) => {
        const charged = this.#outcomes.get(call);
        return charged === undefined ? undefined : { charged };
      });
      this.#closings.set(id, { closing, high: Math.max(cp.high, this.#log.length) });
      for (const [key, { record }] of this.#kv) {
        const { s = {}, d = {}, r = {} } = closing.nodes[key] ?? {};
        const told = closeOut(record, id, { settled: s, debt: d, reserved: r });
        const next = closing.left.length === 0 ? forgetPurse(told, id) : told;
        this.#kv.set(key, { record: next, rev: ++this.#rev });
      }
      if (
        closing.left.length === 0 &&
        [...this.#kv.values()].every(({ record }) => record.purses[id] === undefined)
      ) {
        this.#purses.delete(id);
      }
    }
  }

  /** No more faults: everything that flies arrives, every call is settled, every purse is closed. */
  #rest(): void {
    this.gateways.forEach((one) => (one.paused ? this.#pause(one) : undefined));
    for (let i = 0; i < 60; i++) {
      while (this.#net.length > 0) {
        this.#net
          .filter(({ of, toServer }) => !of.alive && !toServer)
          .forEach((one) => this.#net.splice(this.#net.indexOf(one), 1));
        this.#deliver();
        this.#check();
      }
      for (const gateway of this.gateways.filter(({ alive }) => alive)) {
        for (const call of gateway.calls.values()) {
          if (call.state === 'dispatched' || call.state === 'waiting') {
            this.#settle(gateway, call, call.undispatched ? 0 : (call.budget.reserve.micros ?? 0));
          }
        }
      }
      if (this.#net.length === 0 && i > 3) {
        break;
      }
    }
    this.gateways.filter(({ alive }) => alive).forEach((one) => this.#retire(one));
    this.#control();
    this.#check();
    this.#agree();
  }

  /** At rest: what the ledger says is spent is what the log says. */
  #agree(): void {
    for (const [key, { record }] of this.#kv) {
      const { spent } = this.#judge.of(key);
      if ((record.spent.micros ?? 0) < spent || !isZero(record.debt ?? {})) {
        this.violations.push(`${key}: the ledger has ${record.spent.micros ?? 0} and the log ${spent}`);
      }
    }
  }

  #check(): void {
    for (const [key, limit] of this.#limits) {
      const { most } = this.#judge.of(key);
      if (most > limit) {
        this.violations.push(`${key}: ${most} of ${limit} in the log`);
      }
      const record = this.#kv.get(key)?.record;
      const taken = Object.values(record?.purses ?? {}).reduce((sum, { a }) => sum + (a.micros ?? 0), 0);
      if (taken + (record?.spent.micros ?? 0) > limit) {
        this.violations.push(`${key}: ${taken} of ${limit} is given out`);
      }
    }
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n);
  }
}
