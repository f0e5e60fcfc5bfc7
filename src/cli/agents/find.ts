/**
 * `mesh agents find`: who can do what, as far as the asker may call it.
 */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { FindOptions, Found, Mesh } from '../../agent/index.js';
import { CONNECTS, openContext, type ContextOptions } from '../context.js';
import { exits, note, paint, safe, say, sayJson, table } from '../output.js';
import { withSettings } from '../settings.js';

interface FindCommandOptions extends ContextOptions {
  readonly proficiency?: 'novice' | 'competent' | 'expert';
  readonly attr?: Readonly<Record<string, string | number | boolean>>;
  readonly major?: number;
}

/** Add the command. */
export function register(agents: Command): void {
  withSettings(agents.command('find [pattern]'), ...CONNECTS, 'users.caller')
    .summary('who can do what, by name, proficiency and attributes')
    .description(
      'Capabilities that you may call and who offers them, by capability pattern, proficiency and attributes. What you may not call is not shown.',
    )
    .addOption(
      new Option('--proficiency <least>', 'only agents that are at least so good at it').choices([
        'novice',
        'competent',
        'expert',
      ]),
    )
    .option('--attr <key=value>', 'only agents with this attribute (again for more)', addAttribute)
    .option('--json', 'print one JSON line for each capability')
    .addHelpText('after', HELP)
    .action(find);
}

const HELP = `
Examples:
  $ mesh agents find
  $ mesh agents find 'translate.>' --proficiency expert --attr region=eu
  $ mesh agents find --attr gpu=true --as shop --json | jq .name

In a pattern * stands for one word and > for all that follow. An attribute that reads as a number, true or false is one;
in quotes it is a text: --attr 'zone="7"'. Exits with 0 also when nothing is found.`;

async function find(pattern: string | undefined, options: FindCommandOptions): Promise<void> {
  const { url, credentials } = openContext(options, 'me');
  const { connect } = await import('../../agent/index.js');
  const mesh = await connect({ url, creds: credentials });
  const wanted = {
    pattern: pattern ?? '>',
    ...(options.proficiency === undefined ? {} : { proficiency: options.proficiency }),
    ...(options.attr === undefined ? {} : { attributes: options.attr }),
  };
  try {
    const found = await findAll(mesh, wanted);
    if (options.json === true) {
      found.forEach(sayJson);
    } else if (found.length === 0) {
      note('nothing that you may call; mesh agents ls shows an operator everything');
    } else {
      say(
        ...table(found.flatMap(rows), [
          'capability',
          'agent',
          'instances',
          'proficiency',
          'cost',
          'attributes',
        ]),
      );
    }
    process.exitCode = exits.completed;
  } finally {
    await mesh.close();
  }
}

/** Page by page until there is no more. */
async function findAll(mesh: Mesh, wanted: FindOptions): Promise<Found['capabilities']> {
  const all: Found['capabilities'] = [];
  for (let after: string | undefined = ''; after !== undefined;) {
    const page: Found = await mesh.find({ ...wanted, ...(after === '' ? {} : { after }) });
    all.push(...page.capabilities);
    const last: string | undefined = page.capabilities.at(-1)?.name;
    after = page.truncated === true ? last : undefined;
  }
  return all;
}

function rows({ name, majors }: Found['capabilities'][number]): string[][] {
  return majors.flatMap(({ major, offers }) =>
    offers.map(({ agent, instances, proficiency, costMicros, attributes, version }) => [
      `${name} ${paint.dim(version === `${major}.0` ? `v${major}` : `v${version}`)}`,
      agent,
      instances === 0 ? paint.red('none') : String(instances),
      proficiency,
      costMicros === 0 ? '' : `${costMicros} micros`,
      Object.entries(attributes)
        .map(([key, value]) => safe(`${key}=${String(value)}`))
        .join(' '),
    ]),
  );
}

type Attributes = Record<string, string | number | boolean>;

function addAttribute(text: string, before: Attributes = {}): Attributes {
  const cut = text.indexOf('=');
  if (cut < 1 || cut === text.length - 1) {
    throw new InvalidArgumentError('It must be key=value.');
  }
  return { ...before, [text.slice(0, cut)]: valueOf(text.slice(cut + 1)) };
}

function valueOf(text: string): string | number | boolean {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      return value;
    }
  } catch {
    // it is a text without quotes
  }
  return text;
}
