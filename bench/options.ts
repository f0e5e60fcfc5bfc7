/**
 * What a bench run is asked to do.
 */
import { Command, InvalidArgumentError } from 'commander';
import type { Sync } from '../src/fabric/server-conf.js';
import { OBJECTIVES, type Objective } from '../src/domain/routing/route.js';
import { isStage, STAGES, type Stage } from '../src/wire/stages.js';
import type { SightMode } from './protocol.js';
import type { RuleCount } from './rules.js';

/** The puller of the floor's worker: the client's own `consume()`, ours, or whichever is faster here. */
export type FloorPuller = 'fastest' | 'client' | 'light';

/** Whether the policy names budgets, or rates. */
export type Switch = 'off' | 'on';

/** Options of a run. */
export interface BenchOptions {
  readonly json: boolean;
  readonly quick: boolean;
  readonly rounds: number;
  /** Where the mesh is compared with itself: how often, with fresh processes. */
  readonly sittings: number;
  /** Length of one measured window. */
  readonly seconds: number;
  /** How long fresh processes run before anything is measured: they compile their code first. */
  readonly warmProcessMs: number;
  readonly inFlight: readonly number[];
  readonly agents: readonly number[];
  readonly gateways: readonly number[];
  readonly sync: readonly Sync[];
  readonly floorPuller: FloorPuller;
  /** Compare the mesh with itself, looking at more or less; then there is no floor. */
  readonly sight: readonly SightMode[] | undefined;
  /** Compare the mesh with itself, with more or fewer rules in its policy; then there is no floor. */
  readonly rules: readonly RuleCount[] | undefined;
  /** Compare the mesh with itself, with these stages judged by interceptors; then there is no floor. */
  readonly split: readonly (readonly Stage[])[] | undefined;
  /** Compare the mesh with itself, without and with budgets on every call; then there is no floor. */
  readonly budget: readonly Switch[] | undefined;
  /** Compare the mesh with itself, without and with limits that every call is under; then there is no floor. */
  readonly rates: readonly Switch[] | undefined;
  /** Compare calls with and without a grant; then there is no floor. */
  readonly grants: boolean;
  /** Compare the mesh with itself, choosing by these; then there is no floor. */
  readonly routing: readonly Objective[] | undefined;
  /** Folder for CPU profiles of every process. */
  readonly profile: string | undefined;
  /** File that the summary lines are appended to. */
  readonly history: string | undefined;
}

/** One combination that is measured, without the number of calls in flight. */
export interface Setup {
  readonly sync: Sync;
  readonly gateways: number;
  readonly agents: number;
}

interface Given {
  json?: true;
  quick?: true;
  rounds?: number;
  sittings?: number;
  seconds?: number;
  inFlight?: number[];
  agents?: number[];
  gateways?: number[];
  sync?: Sync[];
  floorPuller: FloorPuller;
  sight?: SightMode[];
  rules?: RuleCount[];
  split?: Stage[][];
  grants?: true;
  routing?: Objective[];
  budget?: Switch[];
  rates?: Switch[];
  profile?: string;
  history?: string;
}

const HELP = `
Every process is one of its own: nats-server, caller, gateways, control, agents. Each combination of --sync, --gateways
and --agents gets a fresh server; there floor and mesh take turns, round by round, for each --in-flight.

Examples:
  $ mesh bench --quick
  $ mesh bench --json > bench.ndjson
  $ mesh bench --sight off,on,full --in-flight 64     what metrics, logs and traces cost
  $ mesh bench --rules 0:0,20:5,500:50 --in-flight 64 what rules cost
  $ mesh bench --split none,authority,authority+policy what stages in processes of their own cost
  $ mesh bench --routing round-robin,weighted --in-flight 64   what choosing by measured success, time and cost costs
  $ mesh bench --budget off,on --agents 1000          what budgets on every call cost
  $ mesh bench --rates off,on --agents 1000           what counting every call costs
  $ mesh bench --grants --in-flight 64,256            what presenting a grant costs
  $ mesh bench --agents 1 --gateways 1 --sync default --in-flight 256 --rounds 9 --profile ./profiles`;

/** Read the command line. Prints help or the mistake and ends the process when there is nothing to run. */
export function readOptions(argv: readonly string[]): BenchOptions {
  const command = new Command('mesh bench')
    .description('Measure the mesh beside the floor: a raw durable call on the same server, in the same run.')
    .option('--json', 'one JSON object per line on stdout')
    .option('--quick', 'less of everything, under 60 s')
    .option('--rounds <n>', 'rounds of floor and mesh (default 5)', whole)
    .option('--sittings <n>', 'with --sight or --rules: fresh processes so many times (default 3)', whole)
    .option('--seconds <s>', 'length of one measured window (default 3)', positive)
    .option('--in-flight <list>', 'calls in flight (default 1,64,256)', wholes)
    .option('--agents <list>', 'connections that serve (default 1,10,1000)', wholes)
    .option('--gateways <list>', 'gateway processes (default 1,2)', wholes)
    .option('--sync <list>', 'default, always (default: both)', syncs)
    .option('--floor-puller <which>', 'fastest, client or light', puller, 'fastest')
    .option('--sight <list>', 'instead of the floor: off, on, full beside the first of them', sights)
    .option(
      '--rules <list>',
      'instead of the floor: rules in the policy and how many apply, beside the first',
      ruleCounts,
    )
    .option(
      '--split <list>',
      'instead of the floor: none, authority, policy, authority+policy beside the first of them',
      splits,
    )
    .option(
      '--routing <list>',
      'instead of the floor: what is chosen by, beside the first of them, with the most of --agents',
      objectives,
    )
    .option(
      '--budget <list>',
      'instead of the floor: off, on beside the first, with the most of --agents',
      switches,
    )
    .option(
      '--rates <list>',
      'instead of the floor: off, on beside the first, with the most of --agents',
      switches,
    )
    .option('--grants', 'instead of the floor: calls with a grant beside calls without')
    .option('--profile <folder>', 'write a CPU profile of every process there')
    .option('--history <file>', 'append the summary lines to this file')
    .addHelpText('after', HELP)
    .exitOverride((err) => process.exit(err.exitCode === 0 ? 0 : 2));
  return fill(command.parse([...argv], { from: 'user' }).opts<Given>());
}

function fill(given: Given): BenchOptions {
  const quick = given.quick === true;
  return {
    json: given.json === true,
    quick,
    rounds: given.rounds ?? (quick ? 2 : 5),
    sittings: given.sittings ?? (quick ? 1 : 3),
    seconds: given.seconds ?? (quick ? 0.8 : 3),
    warmProcessMs: quick ? 1_000 : 3_000,
    inFlight: given.inFlight ?? (quick ? [1, 256] : [1, 64, 256]),
    agents: given.agents ?? (quick ? [10, 1000] : [1, 10, 1000]),
    gateways: given.gateways ?? (quick ? [1] : [1, 2]),
    sync: given.sync ?? (quick ? ['default'] : ['default', 'always']),
    floorPuller: given.floorPuller,
    sight: given.sight,
    rules: given.rules,
    split: given.split,
    grants: given.grants === true,
    routing: given.routing,
    budget: given.budget,
    rates: given.rates,
    profile: given.profile,
    history: given.history,
  };
}

/** Every combination, in the order they run. */
export function setupsOf(options: BenchOptions): Setup[] {
  return options.sync.flatMap((sync) =>
    options.gateways.flatMap((gateways) => options.agents.map((agents) => ({ sync, gateways, agents }))),
  );
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('It must be a whole number from 1.');
  }
  return value;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 600)) {
    throw new InvalidArgumentError('It must be a number of seconds, at most 600.');
  }
  return value;
}

function wholes(text: string): number[] {
  return text.split(',').map(whole);
}

function syncs(text: string): Sync[] {
  return text.split(',').map((word) => {
    if (word !== 'default' && word !== 'always') {
      throw new InvalidArgumentError('It must be default, always, or both with a comma.');
    }
    return word;
  });
}

function sights(text: string): SightMode[] {
  return text.split(',').map((word) => {
    if (word !== 'off' && word !== 'on' && word !== 'full') {
      throw new InvalidArgumentError('It must be off, on, full, or several with commas.');
    }
    return word;
  });
}

function switches(text: string): Switch[] {
  return text.split(',').map((word) => {
    if (word !== 'off' && word !== 'on') {
      throw new InvalidArgumentError('It must be off, on, or both with a comma.');
    }
    return word;
  });
}

function ruleCounts(text: string): RuleCount[] {
  return text.split(',').map((pair) => {
    const [all = Number.NaN, apply = Number.NaN] = pair.split(':').map(Number);
    if (
      !Number.isSafeInteger(all) ||
      !Number.isSafeInteger(apply) ||
      apply < 0 ||
      apply > all ||
      all > 2_000
    ) {
      throw new InvalidArgumentError('It must be rules:applying, at most 2000, or several with commas.');
    }
    return { all, apply };
  });
}

function puller(text: string): FloorPuller {
  if (text !== 'fastest' && text !== 'client' && text !== 'light') {
    throw new InvalidArgumentError('It must be fastest, client or light.');
  }
  return text;
}

function objectives(text: string): Objective[] {
  return text.split(',').map((word) => {
    const found = OBJECTIVES.find((one) => one === word);
    if (found === undefined) {
      throw new InvalidArgumentError(`It must be of ${OBJECTIVES.join(', ')}, with commas.`);
    }
    return found;
  });
}

function splits(text: string): Stage[][] {
  return text.split(',').map((mode) => {
    const stages = mode === 'none' ? [] : mode.split('+');
    if (!stages.every(isStage)) {
      throw new InvalidArgumentError(`It must be none, or of ${STAGES.join(', ')}, joined by +.`);
    }
    return stages;
  });
}
