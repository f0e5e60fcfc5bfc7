/**
 * `mesh policy shadow`: what the candidate beside the live policy would decide otherwise.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { ShadowPage } from '../../control/shadow.js';
import type { Difference, Said, ShadowReport } from '../../domain/shadow.js';
import { askView, viewOptions, wholeNumber } from '../calls/ask.js';
import type { ContextOptions } from '../context.js';
import { asOperator, type Operator } from '../operator.js';
import { note, paint, safe, say, sayJson, table } from '../output.js';

interface ShadowOptions extends ContextOptions {
  readonly clear?: boolean;
  readonly watch?: number | true;
}

const WATCH_S = 2;

/** Add the command. */
export function registerShadow(policy: Command): void {
  viewOptions(policy.command('shadow'))
    .summary('what a candidate would decide otherwise')
    .description(
      'What the candidate that `mesh policy push --shadow` put beside the live policy says of the calls that come by, where it differs: how often, of what, for whom, which rules, and examples. The candidate decides nothing.',
    )
    .option('--clear', 'take the candidate away')
    .option('--watch [seconds]', 'look again every so often, until interrupted', wholeNumber(1, 3_600))
    .addHelpText('after', HELP)
    .action(shadow);
}

const HELP = `
Examples:
  $ mesh policy push candidate.yaml --shadow
  $ mesh policy shadow --watch
  $ mesh policy shadow --json
  $ mesh policy shadow --clear`;

async function shadow(options: ShadowOptions): Promise<void> {
  if (options.clear === true) {
    const cleared = await asOperator(options, [], (operator) => operator.command<object>('shadow', {}));
    return options.json === true ? sayJson(cleared) : say('There is no candidate any more.');
  }
  if (options.watch === undefined) {
    return print(await askView<ShadowPage>(options, 'shadow', {}), options);
  }
  const seconds = options.watch === true ? WATCH_S : options.watch;
  await asOperator(options, [], (operator) => watch(operator, seconds, options));
}

/** Until the process is interrupted. */
async function watch(operator: Operator, seconds: number, options: ShadowOptions): Promise<never> {
  for (;;) {
    print(await operator.view<ShadowPage>('shadow', {}), options);
    await sleep(1_000 * seconds);
  }
}

function print(page: ShadowPage, options: ShadowOptions): void {
  if (options.json === true) {
    return sayJson(page);
  }
  const { shadow: candidate, gateways, report } = page;
  if (candidate === undefined) {
    return say('There is no candidate. Put one beside the live policy: mesh policy push <file> --shadow');
  }
  const whose = candidate.by === undefined ? '' : ` by ${safe(candidate.by)}`;
  say(`candidate ${candidate.digest}${whose}, judged by ${gateways} gateways`);
  if (report === undefined) {
    return say('Nothing was compared yet.');
  }
  say(counts(report));
  if (report.rows.length > 0) {
    say(...table(report.rows.map(cells), ['calls', 'capability', 'from', 'live', 'candidate', 'such as']));
  }
  if (report.more > 0) {
    note(`${report.more} more calls differ in other ways`);
  }
}

function counts({ live, same, differ, skipped, unjudged }: ShadowReport): string {
  const word = differ === 0 ? paint.green('0 differ') : paint.yellow(`${differ} differ`);
  const rest = [
    ...(skipped === 0 ? [] : [`${skipped} skipped to spare the gateway`]),
    ...(unjudged === 0 ? [] : [`${unjudged} could not be judged`]),
  ];
  return [`against ${live}: ${same} the same`, word, ...rest].join(', ');
}

function cells({ count, capability, from, live, candidate, calls }: Difference): string[] {
  const [call = ''] = calls;
  return [
    String(count),
    safe(capability),
    safe(from),
    words(live),
    words(candidate),
    safe(`${from}.${call}`),
  ];
}

function words({ said, code, rules, needs }: Said): string {
  const word = { allow: 'allowed', deny: 'refused', hold: 'held' }[said];
  const why = rules.length > 0 ? `by ${rules.join(', ')}` : (code ?? '');
  return safe([word, why, needs === undefined ? '' : `(${needs})`].filter((one) => one !== '').join(' '));
}
