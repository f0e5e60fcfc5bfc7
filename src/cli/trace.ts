/**
 * `mesh trace`: one call with everything it called, and where the time went.
 */
import type { Command } from 'commander';
import type { CallPage } from '../control/views/pages.js';
import { guards } from '../chain/chain.js';
import { askView, viewOptions } from './calls/ask.js';
import { usedBy } from './calls/used.js';
import type { ContextOptions } from './context.js';
import { columns, note, paint, say, sayJson } from './output.js';
import { agentOf, flat, round, slowestOf, timeTree, totalMs, type Timed } from './trace/hops.js';
import { named } from './trace/named.js';
import { printTrace, wrap } from './trace/print.js';
import { routedLines } from './trace/routed.js';

interface TraceOptions extends ContextOptions {
  readonly below?: boolean;
}

/** Add the command. */
export function register(program: Command): void {
  viewOptions(program.command('trace'))
    .summary('where the time of a call went')
    .description(
      'Show the whole tree of a call as a waterfall: the time of every hop, what the guards said, and the slowest hop. Every call has one, sampled or not.',
    )
    .argument('<call>', 'the id of a call of the tree, or from.id')
    .option('--below', 'only this call and what it called')
    .addHelpText('after', HELP)
    .action(trace);
}

const HELP = `
Examples:
  $ mesh trace 01k4zq6c5e8v0x2m9w3r7t1yab
  $ mesh trace me.01k4zq6c5e8v0x2m9w3r7t1yab --below
  $ mesh trace me.01k4zq6c5e8v0x2m9w3r7t1yab --json`;

async function trace(name: string, options: TraceOptions): Promise<void> {
  const page = await askView<CallPage>(options, 'call', named(name));
  const asked = page.calls.find((node) => node.asked === true);
  const below = options.below === true && asked !== undefined ? `${asked.from}.${asked.call}` : undefined;
  const trees = timeTree(page, below);
  if (options.json === true) {
    return sayJson(facts(page, trees));
  }
  const id = page.calls.find(({ trace: one }) => one !== undefined)?.trace;
  const sampled = page.calls.some((node) => node.sampled === true) ? ['(sampled)'] : [];
  say(...(id === undefined ? [] : wrap(['trace', id, ...sampled], ' ', columns()).map(paint.dim)));
  say(...printTrace(trees, columns()));
  const last = asked?.attempts.at(-1);
  say(...routedLines(last?.routed, last?.agent ?? ''));
  if (page.truncated === true) {
    note('This is not all: a view reads and says only so much.');
  }
}

function facts(page: CallPage, trees: readonly Timed[]): object {
  const slowest = slowestOf(trees);
  return {
    root: page.root,
    tookMs: round(totalMs(trees)),
    ...(slowest === undefined ? {} : { slowest }),
    calls: flat(trees).map(factsOf),
    ...(page.truncated === true ? { truncated: true } : {}),
  };
}

function factsOf({ node, depth, startMs, endMs, hops, ownMs }: Timed): object {
  const { from, call, capability, status, parent, trace: id, sampled, guard, guardUs, outcome } = node;
  const agent = agentOf(node);
  const routed = node.attempts.at(-1)?.routed;
  return {
    from,
    call,
    capability,
    status,
    ...(outcome?.code === undefined ? {} : { code: outcome.code }),
    ...usedBy(outcome),
    ...(agent === undefined ? {} : { agent }),
    ...(parent === undefined ? {} : { parent }),
    ...(id === undefined ? {} : { trace: id, sampled: sampled === true }),
    depth,
    startMs: round(startMs),
    endMs: round(endMs),
    hops: Object.fromEntries(Object.entries(hops).map(([hop, ms]) => [hop, round(ms)])),
    ownMs: round(ownMs),
    ...(routed === undefined ? {} : { routed }),
    ...(guard === undefined ? {} : { refusedBy: guard }),
    ...(guardUs === undefined
      ? {}
      : { guardUs: Object.fromEntries(guardUs.map((us, i) => [guards[i]?.name ?? i, us])) }),
  };
}
