/**
 * What a run of the scenarios is asked to do.
 */
import { Command, InvalidArgumentError } from 'commander';
import type { Length, Name } from './scenario.js';

/** Options of a run. */
export interface Options {
  readonly json: boolean;
  readonly length: Length;
  /** None given: made up, and told. */
  readonly seed: number;
  readonly only: readonly Name[];
  /** Folder that reports and pictures are written to. */
  readonly save: string | undefined;
}

interface Given {
  json?: true;
  short?: true;
  seed?: number;
  only?: Name[];
  save?: string;
}

const MOST_SEED = 2 ** 32 - 1;

/** Read the command line. Prints help or the mistake and ends the process when there is nothing to run. */
export function readOptions(argv: readonly string[], names: readonly Name[]): Options {
  const command = new Command('scenarios')
    .description(
      'Play what goes wrong among agents, with the mesh and without its help, and judge it from outside.',
    )
    .option('--only <list>', `some of ${names.join(',')}`, (text) => namesIn(text, names))
    .option('--short', 'a few seconds each, for every change; the record is made without it')
    .option('--seed <n>', 'repeat a run', seed)
    .option('--json', 'one JSON object per scenario on stdout')
    .option('--save <folder>', 'write each report there, and its picture')
    .addHelpText('after', HELP)
    .exitOverride((err) => process.exit(err.exitCode === 0 ? 0 : 2));
  const given = command.parse([...argv], { from: 'user' }).opts<Given>();
  return {
    json: given.json === true,
    length: given.short === true ? 'short' : 'full',
    seed: given.seed ?? Math.floor(Math.random() * MOST_SEED),
    only: given.only ?? names,
    save: given.save,
  };
}

const HELP = `
Every process is one of its own: nats-server, control, gateways, agents. Exits with 0 when all of them pass, else 1.

Examples:
  $ npm run scenarios
  $ npm run scenarios -- --only d,f --short
  $ npm run scenarios -- --only a --seed 7 --json > a.ndjson`;

function namesIn(text: string, names: readonly Name[]): Name[] {
  return text.split(',').map((word) => {
    const found = names.find((name) => name === word);
    if (found === undefined) {
      throw new InvalidArgumentError(`It must be some of ${names.join(', ')}, with commas.`);
    }
    return found;
  });
}

function seed(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > MOST_SEED) {
    throw new InvalidArgumentError(`It must be a whole number from 0 to ${MOST_SEED}.`);
  }
  return value;
}
