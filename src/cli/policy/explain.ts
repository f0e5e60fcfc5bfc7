/**
 * `mesh policy explain`: what a policy says of a call, and what each rule has to do with it.
 */
import { InvalidArgumentError, type Command } from 'commander';
import { callOf } from '../../domain/rules/cases.js';
import { explain, type Explained, type RuleExplained } from '../../domain/rules/explain.js';
import { exits, note, paint, safe, say, sayJson, table } from '../output.js';
import { fileOptions, policyFileOf, readPolicyFile, type FileOptions } from './file.js';

interface ExplainOptions extends FileOptions {
  readonly from: string;
  readonly label?: Record<string, string>;
  readonly intent?: string;
  readonly chain?: string[];
  readonly agent?: string;
  readonly cost?: number;
  readonly attribute?: Record<string, string | number | boolean>;
  readonly at?: string;
  readonly all?: boolean;
}

/** Add the command. */
export function registerExplain(policy: Command): void {
  fileOptions(policy.command('explain <capability> [body]'))
    .summary('what the policy says of a call, rule by rule')
    .description(
      'What the policy says of a call with this body, and what each rule that looks at the capability has to do with that. Nothing runs and nothing is sent.',
    )
    .requiredOption('--from <name>', 'who calls')
    .option('--label <key=value>', 'a label of the call; again for more', pair)
    .option('--intent <word>', 'its intent')
    .option('--chain <entries...>', 'root principal, then agent/capability of each task that led to it')
    .option('--agent <name>', 'who would do it')
    .option('--cost <micros>', 'cost on the card of the agent', micros)
    .option('--attribute <key=value>', 'an attribute on the card; again for more', attribute)
    .option('--at <instant>', 'when it is judged, such as 2026-01-05T09:00:00Z (default: now)', instant)
    .option('--all', 'also the rules that look at other capabilities')
    .addHelpText('after', HELP)
    .action(run);
}

const HELP = `
Examples:
  $ mesh policy explain pay.transfer '{"amount":5000}' --from me
  $ mesh policy explain pay.transfer '{"amount":5}' --from shop --chain me shop/shop.order --label tenant=north
  $ mesh policy explain pay.transfer --from me --agent bank --attribute risk=high --policy candidate.yaml --json

Exits with 0 when it would be allowed, with 3 when it would be refused, with 4 when it would be held or
another agent is asked about it first.`;

function run(capability: string, body: string | undefined, options: ExplainOptions): void {
  const { from, label, intent, chain, agent, cost, attribute, at, all, ...rest } = options;
  const policy = readPolicyFile(policyFileOf(undefined, rest));
  const call = callOf(
    {
      from,
      capability,
      args: bodyOf(body),
      ...(label === undefined ? {} : { labels: label }),
      ...(intent === undefined ? {} : { intent }),
      ...(chain === undefined ? {} : { chain }),
      ...(at === undefined ? {} : { now: at }),
      agent: {
        ...(agent === undefined ? {} : { name: agent }),
        ...(cost === undefined ? {} : { costMicros: cost }),
        ...(attribute === undefined ? {} : { attributes: attribute }),
      },
    },
    Date.now(),
  );
  const explained = explain(policy, call);
  process.exitCode = { allow: exits.completed, deny: exits.refused, hold: exits.open, ask: exits.open }[
    explained.effect
  ];
  if (options.json === true) {
    return sayJson({ policy: policy.digest, ...explained });
  }
  print(explained, all === true);
}

function print({ effect, code, who, mattered, roles, rules }: Explained, all: boolean): void {
  const by = mattered.length === 0 ? '' : ` by ${mattered.join(', ')}`;
  const whose = who === undefined ? '' : `: ${who}`;
  const word = {
    allow: paint.green('allowed'),
    deny: paint.red('refused'),
    hold: paint.yellow('held'),
    ask: paint.yellow('asked about'),
  }[effect];
  say(`${word}${by}${code === undefined ? '' : ` [${code}]`}${safe(whose)}`);
  for (const one of roles) {
    const list = one.roles.length === 0 ? 'no role' : `roles ${one.roles.join(', ')}`;
    say(`  ${safe(one.who)}: ${safe(list)}, ${one.lists ? 'which list it' : 'not listed'}`);
  }
  const shown = rules.filter((one) => all || one.why !== OTHERS);
  say(...table(shown.map(cells)).map((line) => `  ${line}`));
  if (shown.length < rules.length) {
    note(`${rules.length - shown.length} rules look at other capabilities (--all shows them)`);
  }
}

const OTHERS = 'it looks at other capabilities';

function cells({ rule, effect, said, why }: RuleExplained): string[] {
  const mark = { applies: paint.bold('applies'), no: paint.dim('no'), error: paint.red('error') }[said];
  return [safe(rule), effect, mark, paint.dim(safe(why))];
}

function bodyOf(text: string | undefined): unknown {
  if (text === undefined) {
    return null;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new InvalidArgumentError('The body must be JSON.');
  }
}

function pair(text: string, before: Record<string, string> = {}): Record<string, string> {
  const cut = text.indexOf('=');
  if (cut < 1) {
    throw new InvalidArgumentError('It must be key=value.');
  }
  return { ...before, [text.slice(0, cut)]: text.slice(cut + 1) };
}

function attribute(
  text: string,
  before: Record<string, string | number | boolean> = {},
): Record<string, string | number | boolean> {
  const [key, value] = Object.entries(pair(text))[0] ?? ['', ''];
  const number = Number(value);
  const read =
    value === 'true' || value === 'false'
      ? value === 'true'
      : value === '' || Number.isNaN(number)
        ? value
        : number;
  return { ...before, [key]: read };
}

function micros(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < 0) {
    throw new InvalidArgumentError('It must be a whole number of micros.');
  }
  return value;
}

function instant(text: string): string {
  if (Number.isNaN(Date.parse(text))) {
    throw new InvalidArgumentError('It must be an instant such as 2026-01-05T09:00:00Z.');
  }
  return text;
}
