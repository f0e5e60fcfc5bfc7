/**
 * d) Two agents that call each other for ever.
 *
 * Each is asked something, and asks the other before it answers. With tickets the mesh sees the circle; without tickets
 * each call would be the root of a tree of its own, which agents may not begin. Of a second pair the policy lets circles
 * pass: then the budget of the tree is what ends it. Beside them two agents of the same program that may begin trees:
 * nothing stops those, so the scenario does.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MeshError, type Mesh } from '../../src/agent/index.js';
import type { Actor } from '../../src/cli/demo/actor.js';
import type { Said, Turn } from './agents/pair.js';
import type { Figure, Played, Scenario, Setting } from './scenario.js';
import { onStage, type Casting, type Stage } from './stage.js';

/** A pair: the one that is asked first, and the other one. */
const PAIRS = { bound: ['ada', 'bob'], paid: ['eve', 'fay'], free: ['cleo', 'dan'] } as const;
type Pair = keyof typeof PAIRS;

const ROUNDS_MAX = 3;
/** When the baseline has gone on for so many rounds it is believed that it does not stop. */
const ENDLESS = { short: 100, full: 500 } as const;
const PATIENCE_MS = 20_000;
const LOOK_MS = 10;
/** What a turn costs, and what a tree of the payer may cost: so many turns, and half of one more. */
const MICROS = 1_000;
const TURNS = 9;
const LIMIT = TURNS * MICROS + MICROS / 2;
const PAYER = 'payer';

const POLICY = `version: 1
roles:
  asks: { call: ['*.*'], mayRoot: true }
  bound: { serve: ['bound.*'], call: ['bound.*'] }
  paid: { serve: ['paid.*'], call: ['paid.*'] }
  free: { serve: ['free.*'], call: ['free.*'], mayRoot: true }
members:
  me: [asks]
  ${PAYER}: [asks]
  ada: [bound]
  bob: [bound]
  eve: [paid]
  fay: [paid]
  cleo: [free]
  dan: [free]
loops:
  'paid.*': { depth: 16, repeats: 16, same: 1000, idle: 1000 }
budgets:
  default: { window: month, limit: { micros: 1000000000000 } }
  reserve: { '>': { micros: ${MICROS} } }
  limits:
    - { on: root, who: [${PAYER}], limit: { micros: ${LIMIT} } }
`;

/** The scenario. */
export const loop: Scenario = {
  name: 'd',
  title: 'two agents that call each other for ever',
  play: (setting) => onStage({ policy: POLICY, users: users() }, async (stage) => await play(stage, setting)),
};

/** What became of one question. */
interface Run {
  /** How often the first of the two ran. */
  readonly rounds: number;
  /** How often both ran together. */
  readonly turns: number;
  readonly stoppedBy: string;
  readonly afterMs: number;
}

async function play(stage: Stage, { length, note }: Setting): Promise<Played> {
  const actors = await stage.cast([...castings('bound'), ...castings('paid'), ...castings('free')]);
  const me = await stage.connect();
  note('with tickets');
  const tickets = await ask(stage, me, 'bound', { run: 'tickets', tickets: true });
  note('without tickets');
  const none = await ask(stage, me, 'bound', { run: 'none', tickets: false });
  note('with tickets, where the policy lets circles pass and the tree has a budget');
  const paid = await ask(stage, await stage.connect(PAYER), 'paid', { run: 'paid', tickets: true });
  note('without tickets, by agents that may begin trees of calls');
  const baseline = await endless(stage, me, actors, ENDLESS[length]);
  return {
    checks: [
      { what: 'rounds with tickets', value: tickets.rounds, least: 1, most: ROUNDS_MAX },
      {
        what: 'with tickets: stopped by the loop guard',
        value: Number(tickets.stoppedBy === 'loop_detected'),
        least: 1,
      },
      { what: 'rounds without tickets', value: none.rounds, least: 1, most: 1 },
      {
        what: 'without tickets: refused as a root',
        value: Number(none.stoppedBy === 'root_denied'),
        least: 1,
      },
      { what: 'budget alone: turns that were paid for', value: paid.turns, least: TURNS, most: TURNS },
      {
        what: 'budget alone: stopped by the budget',
        value: Number(paid.stoppedBy === 'budget_exceeded'),
        least: 1,
      },
      { what: 'budget alone: overspent micros', value: Math.max(0, paid.turns * MICROS - LIMIT), most: 0 },
      { what: 'baseline: rounds until it was stopped', value: baseline.rounds, least: ENDLESS[length] },
    ],
    figures: {
      tickets: told(tickets),
      none: told(none),
      paid: { ...paid, turnMicros: MICROS, limitMicros: LIMIT },
      baseline: told(baseline),
    },
  };
}

/** Ask the first of the pair, and see what the witness heard when it is over. */
async function ask(stage: Stage, me: Mesh, pair: Pair, turn: Turn): Promise<Run> {
  const began = Date.now();
  await me.call(`${pair}.${PAIRS[pair][0]}`, turn, { timeoutMs: PATIENCE_MS }).catch(expected);
  return runOf(stage, pair, turn.run, began);
}

/** Let it go on until it has shown that it does not end. */
async function endless(stage: Stage, me: Mesh, actors: readonly Actor[], rounds: number): Promise<Run> {
  const began = Date.now();
  const asked = ask(stage, me, 'free', { run: 'baseline', tickets: false });
  while (runOf(stage, 'free', 'baseline', began).rounds < rounds && Date.now() - began < PATIENCE_MS) {
    await sleep(LOOK_MS);
  }
  actors.forEach((actor) => actor.tell('stop'));
  return { ...(await asked), stoppedBy: 'the scenario' };
}

function runOf(stage: Stage, pair: Pair, run: string, began: number): Run {
  const lines = stage.said<Said>().filter((line) => line.run === run);
  const ran = (name: string) => lines.filter((line) => line.agent === name && line.code === undefined).length;
  // Those above hear only that the one below failed: what stopped it is the other word.
  const stop = lines.find(({ code }) => code !== undefined && code !== 'handler_failed');
  const [first, second] = PAIRS[pair];
  return {
    rounds: ran(first),
    turns: ran(first) + ran(second),
    stoppedBy: stop?.code ?? 'nothing',
    afterMs: (stop?.at ?? Date.now()) - began,
  };
}

/** The question ends with an error where its agents are stopped. Anything else is one of ours. */
function expected(err: unknown): void {
  if (!(err instanceof MeshError)) {
    throw err;
  }
}

function told(run: Run): Figure {
  return { ...run };
}

function castings(pair: Pair): Casting[] {
  const [first, second] = PAIRS[pair];
  const one = (name: string, other: string): Casting => ({
    program: 'pair',
    names: [name],
    settings: { name, serves: `${pair}.${name}`, asks: `${pair}.${other}`, micros: MICROS },
  });
  return [one(first, second), one(second, first)];
}

function users(): { name: string; role: 'agent' | 'caller' }[] {
  const agents = Object.values(PAIRS).flat();
  return [{ name: PAYER, role: 'caller' }, ...agents.map((name) => ({ name, role: 'agent' as const }))];
}
