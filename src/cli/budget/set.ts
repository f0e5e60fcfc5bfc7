/**
 * `mesh budget set` and `mesh budget lift`: what an operator says of budgets while the mesh runs.
 */
import type { Command } from 'commander';
import type { Amounts } from '../../domain/budget/amounts.js';
import { readAmounts } from '../../domain/budget/written.js';
import { meshError, MeshError } from '../../wire/errors.js';
import { asToken } from '../../wire/names.js';
import { viewOptions } from '../calls/ask.js';
import type { ContextOptions } from '../context.js';
import { asOperator } from '../operator.js';
import { safe, say, sayJson } from '../output.js';
import { amountsText } from './rows.js';

interface SetOptions extends ContextOptions {
  readonly why?: string;
  readonly clear?: boolean;
}

interface SetReply {
  readonly node: string;
  readonly limit: Amounts;
  readonly before: Amounts;
}

interface LiftReply {
  readonly debt?: Amounts;
}

/** Add `set`. */
export function registerSet(budget: Command): void {
  viewOptions(budget.command('set <budget> [amounts]'))
    .summary('another limit, at once')
    .description(
      'Set the limit of a budget that the policy names, or clear what was set. It counts within a second, stays until it is cleared, and opens a budget that debt has closed. Who set it and when is kept. Units that are not named stay as they are.',
    )
    .option('--why <text>', 'why, for whoever looks later')
    .option('--clear', 'the limit of the policy counts again')
    .addHelpText('after', SET_HELP)
    .action(set);
}

/** Add `lift`. */
export function registerLift(budget: Command): void {
  viewOptions(budget.command('lift <agent|budget>'))
    .summary('send work to an agent again, or write off debt')
    .description(
      'Send work again to an agent that its budget has put out (quarantine); in the same window it is not put out again by that budget. Or write off the debt of a budget, which opens it: what agents used beyond what was reserved counts no more.',
    )
    .option('--why <text>', 'why, for whoever looks later')
    .addHelpText('after', LIFT_HELP)
    .action(lift);
}

const SET_HELP = `
Examples:
  $ mesh budget set principal.alice.day micros=20.00USD --why 'the demo of this afternoon'
  $ mesh budget set agent.writer.hour tokens=2_000_000,micros=5.00USD
  $ mesh budget set principal.alice.day --clear`;

const LIFT_HELP = `
Examples:
  $ mesh budget lift writer
  $ mesh budget lift principal.alice.day --why 'the agent had counted wrong'`;

async function set(node: string, text: string | undefined, options: SetOptions): Promise<void> {
  if ((text === undefined) !== (options.clear === true)) {
    throw meshError('usage', { why: 'say amounts (micros=20.00USD), or --clear' });
  }
  const admin = {
    node: checked(node),
    ...(text === undefined ? {} : { amounts: amountsOf(text) }),
    ...(options.why === undefined ? {} : { why: options.why }),
  };
  const done = await asOperator(options, [], (operator) => operator.command<SetReply>('budget', admin));
  if (options.json === true) {
    return sayJson(done);
  }
  const was = amountsText(done.before);
  say(`${safe(done.node)} may spend ${amountsText(done.limit)} (before: ${was}).`);
}

async function lift(name: string, options: Pick<SetOptions, 'why'> & ContextOptions): Promise<void> {
  const whom = name.includes('.') ? { node: checked(name) } : { agent: asToken(name, 'the agent') };
  const admin = { ...whom, ...(options.why === undefined ? {} : { why: options.why }) };
  const done = await asOperator(options, [], (operator) => operator.command<LiftReply>('lift', admin));
  if (options.json === true) {
    return sayJson(done);
  }
  const { debt } = done;
  say(
    debt === undefined
      ? `${safe(name)} is sent work again.`
      : `${amountsText(debt)} of debt is written off: ${safe(name)} is open.`,
  );
}

/** `principal.alice.day`. Throws usage. */
function checked(node: string): string {
  if (!/^[a-z0-9_-]{1,64}(?:\.[a-z0-9_-]{1,64}){2,10}$/.test(node)) {
    throw meshError('usage', {
      why: `a budget is named by what it is on, whose it is, and its window, such as principal.alice.day, not ${JSON.stringify(node)}`,
    });
  }
  return node;
}

function amountsOf(text: string): Amounts {
  try {
    return readAmounts(text, 'amounts');
  } catch (err) {
    throw err instanceof MeshError
      ? meshError('usage', { why: `amounts: ${String(err.details['why'])}` })
      : err;
  }
}
