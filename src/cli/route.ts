/**
 * `mesh route explain`: why a call went where it went, and whether a cheaper, safer or faster route existed.
 */
import type { Command } from 'commander';
import type { AttemptRow } from '../control/views/attempt.js';
import type { CallNode, CallPage } from '../control/views/pages.js';
import { explain, type Explained, type Told } from '../domain/routing/explain.js';
import type { Routed } from '../domain/routing/chosen.js';
import { meshError } from '../wire/errors.js';
import { askView, viewOptions } from './calls/ask.js';
import type { ContextOptions } from './context.js';
import { note, safe, say, sayJson, table } from './output.js';
import { named } from './trace/named.js';
import { reasonOf, verdictsOf } from './trace/routed.js';

/** Add the commands. */
export function register(program: Command): void {
  const route = program.command('route').summary('why calls went where they went');
  viewOptions(route.command('explain <call>'))
    .summary('why this agent, and whether a better one existed')
    .description(
      'Say for each attempt of a call why its agent was chosen, who else could have been, and whether one of them was cheaper, safer or faster, by what was known then. The decision keeps it.',
    )
    .addHelpText('after', HELP)
    .action(explainCall);
}

const HELP = `
Examples:
  $ mesh route explain 01k4zq6c5e8v0x2m9w3r7t1yab
  $ mesh route explain me.01k4zq6c5e8v0x2m9w3r7t1yab --json | jq '.attempts[0].cheaper'

A decision names a few of the candidates: the best by score, the cheapest, the safest and the fastest. It names none
where calls go to whoever is free and the call wished nothing.`;

async function explainCall(name: string, options: ContextOptions): Promise<void> {
  const page = await askView<CallPage>(options, 'call', named(name));
  const node = page.calls.find(({ asked }) => asked === true);
  if (node === undefined) {
    throw meshError('not_found', { what: 'the call', name });
  }
  if (options.json === true) {
    const { from, call, capability, status } = node;
    return sayJson({ from, call, capability, status, attempts: node.attempts.map(factsOf) });
  }
  const lines = node.attempts.flatMap((attempt) => linesOf(node, attempt));
  if (lines.length === 0) {
    return note('it was given to no agent');
  }
  say(...lines);
}

function factsOf({ attempt, agent, routed }: AttemptRow): object {
  if (routed === undefined) {
    return { attempt, agent };
  }
  const { chosen: _line, others: _lines, away: _away, ...how } = routed;
  return { attempt, agent, ...how, ...explain(routed) };
}

function linesOf(node: CallNode, { attempt, agent, routed }: AttemptRow): string[] {
  const head = `${safe(node.capability)}, attempt ${attempt}: ${safe(agent)}`;
  if (routed === undefined) {
    return [`${head}, who was free; nothing else was looked at.`];
  }
  const said = explain(routed);
  return [
    `${head}, ${reasonOf(routed)}`,
    ...tableOf(routed, said).map((line) => `  ${line}`),
    ...verdictsOf(said).map((line) => `  ${line}`),
  ];
}

function tableOf({ of }: Routed, { chosen, others }: Explained): string[] {
  const rows = [chosen, ...others].map((one) => cells(one, one === chosen));
  const more = of - rows.length;
  return [
    ...table(rows, ['', 'agent', 'score', 'success', 'ms', 'micro-USD', '']),
    ...(more > 0 ? [`and ${more} more`] : []),
  ];
}

function cells({ agent, score, success, ms, micros, away }: Told, chosen: boolean): string[] {
  return [
    chosen ? '*' : '',
    safe(agent),
    String(score),
    success === undefined ? '-' : `${(success * 100).toFixed(1)} %`,
    ms === undefined ? '-' : String(ms),
    String(micros),
    away === true ? 'could take nothing' : '',
  ];
}
