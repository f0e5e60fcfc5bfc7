/**
 * `mesh agents ls` and `mesh agents show`: who is there.
 */
import type { Command } from 'commander';
import type { AgentPage, AgentRow, AgentsPage, InstanceRow } from '../control/views/pages.js';
import type { Card } from '../wire/generated/messages.js';
import { meshError } from '../wire/errors.js';
import { asToken, isPattern, matches } from '../wire/names.js';
import { askView, duration, viewOptions } from './calls/ask.js';
import type { ContextOptions } from './context.js';
import { note, paint, safe, say, sayJson, table } from './output.js';

/** Add the commands. */
export function register(agents: Command): void {
  viewOptions(agents.command('ls [pattern]'))
    .summary('agents, their live instances and what they can do')
    .description(
      'Every agent with its live instances and its capabilities; with a pattern, those that offer a capability of that name.',
    )
    .addHelpText('after', LS_HELP)
    .action(ls);
  viewOptions(agents.command('show <name>'))
    .summary('one agent with its card')
    .description(
      'One agent: its live instances, and its capabilities with what bodies they take and give and their schemas.',
    )
    .addHelpText('after', SHOW_HELP)
    .action(show);
}

const LS_HELP = `
Examples:
  $ mesh agents ls
  $ mesh agents ls 'fs.*'                who offers a capability of two words, the first of them fs
  $ mesh agents ls 'inventory.>' --json

In a pattern * stands for one word and > for all that follow.`;

const SHOW_HELP = `
Examples:
  $ mesh agents show inventory
  $ mesh agents show inventory --json`;

async function ls(pattern: string | undefined, options: ContextOptions): Promise<void> {
  if (pattern !== undefined && !isPattern(pattern)) {
    throw meshError('name_invalid', { value: JSON.stringify(pattern), where: 'pattern' });
  }
  const page = await askView<AgentsPage>(options, 'agents', {});
  const agents = page.agents.filter(
    (one) => pattern === undefined || one.capabilities.some(({ name }) => matches(pattern, name)),
  );
  if (options.json === true) {
    return sayJson({ ...page, agents });
  }
  if (agents.length === 0) {
    note(pattern === undefined ? 'no agents' : `no agent offers ${pattern}`);
  } else {
    say(...table(agents.map(cells), ['agent', 'instances', 'at work', 'capabilities']));
  }
  if (page.truncated === true) {
    note('These are not all: a view says only so much. mesh agents show <name> finds the others.');
  }
}

const NAMES_MAX = 6;

function cells({ agent, plain, capabilities, instances }: AgentRow): string[] {
  const names = capabilities.slice(0, NAMES_MAX).map(({ name }) => name);
  const more = capabilities.length - names.length;
  return [
    plain ? `${agent} ${paint.dim('(plain)')}` : agent,
    counted(instances),
    plain ? '' : `${sum(instances, 'inFlight')} of ${sum(instances, 'concurrency')}`,
    more > 0 ? `${names.join(' ')} ${paint.dim(`and ${more} more`)}` : names.join(' '),
  ];
}

function counted(instances: readonly InstanceRow[]): string {
  const draining = instances.filter(({ state }) => state === 'draining').length;
  const ready = instances.length - draining;
  const text = draining === 0 ? String(ready) : `${ready} and ${draining} draining`;
  return instances.length === 0 ? paint.red('none') : text;
}

function sum(instances: readonly InstanceRow[], key: 'inFlight' | 'concurrency'): number {
  return instances.reduce((total, one) => total + one[key], 0);
}

async function show(name: string, options: ContextOptions): Promise<void> {
  const page = await askView<AgentPage>(options, 'agent', { agent: asToken(name, 'the agent') });
  if (options.json === true) {
    return sayJson(page);
  }
  say(...describe(page));
}

function describe({ agent, plain, digest, card, instances }: AgentPage): string[] {
  const now = Date.now();
  const rows = instances.map(({ instance, state, inFlight, concurrency, seenAt }) => [
    `  ${instance}`,
    state,
    plain ? '' : `${inFlight} of ${concurrency} at work`,
    paint.dim(`seen ${duration(Math.max(0, now - seenAt))} ago`),
  ]);
  return [
    `${paint.bold(agent)}${plain ? ' (plain: it has no SDK)' : ''} ${paint.dim(`card ${digest}`)}`,
    ...(card.description === undefined ? [] : [safe(card.description)]),
    '',
    instances.length === 0 ? paint.red('no live instance') : 'live instances',
    ...table(rows),
    ...card.capabilities.flatMap(capability),
  ];
}

function capability(c: Card['capabilities'][number]): string[] {
  const { name, version, proficiency, costMicros, lifeMs, attributes } = c;
  const facts = [
    c.idempotent === true ? 'idempotent' : 'at most one dispatch',
    ...(c.readOnly === true ? ['read only'] : []),
    ...(proficiency === undefined ? [] : [proficiency]),
    ...(costMicros === undefined ? [] : [`${costMicros} micros a call`]),
    ...(lifeMs === undefined ? [] : [`life ${duration(lifeMs)}`]),
    ...Object.entries(attributes ?? {}).map(([key, value]) => `${safe(key)}=${safe(String(value))}`),
  ];
  return [
    '',
    `${paint.bold(name)} ${version}  ${paint.dim(facts.join(', '))}`,
    ...(c.description === undefined ? [] : [`  ${safe(c.description)}`]),
    `  ${paint.dim('takes')} ${kinds(c.takes, c.references)}`,
    `  ${paint.dim('gives')} ${kinds(c.gives, c.references)}`,
    ...schema('input', c.input),
    ...schema('output', c.output),
  ];
}

/** The kinds of bodies that a card names, as the mesh reads it: without a word JSON that fits into a message. */
function kinds(named: readonly string[] = ['json'], references = false): string {
  return `${named.join(', ')}${references ? ', large ones by reference' : ''}`;
}

function schema(what: string, value: unknown): string[] {
  const text = value === undefined ? 'anything' : JSON.stringify(value, undefined, 2);
  const [first = '', ...rest] = text.split('\n').map(safe);
  return [`  ${paint.dim(what)} ${first}`, ...rest.map((line) => `  ${line}`)];
}
