/**
 * `mesh graph`: a picture of who calls what.
 */
import { writeFileSync } from 'node:fs';
import { Option, type Command } from 'commander';
import type { TrafficPage } from '../control/views/traffic-page.js';
import { meshError } from '../wire/errors.js';
import { askView, duration, viewOptions, wholeNumber } from './calls/ask.js';
import type { ContextOptions } from './context.js';
import { dotOf } from './graph/dot.js';
import { graphOf } from './graph/model.js';
import { svgOf } from './graph/svg.js';
import { note, sayJson } from './output.js';

interface GraphOptions extends ContextOptions {
  readonly seconds: number;
  readonly format?: 'svg' | 'dot';
  readonly out?: string;
}

/** Add the command. */
export function register(program: Command): void {
  viewOptions(program.command('graph'))
    .summary('a picture of who calls what')
    .description(
      'Draw who calls what and who does it, from the newest calls: as SVG, or as DOT for Graphviz. Prints it, or writes it to a file.',
    )
    .option('--seconds <n>', 'how far back to look', wholeNumber(1, 86_400), 3_600)
    .addOption(
      new Option('--format <what>', 'svg or dot (default: what --out ends in, else dot)').choices([
        'svg',
        'dot',
      ]),
    )
    .option('--out <file>', 'write it there')
    .addHelpText('after', HELP)
    .action(graph);
}

const HELP = `
Examples:
  $ mesh graph --out mesh.svg
  $ mesh graph --seconds 600 --format svg > mesh.svg
  $ mesh graph | dot -Tpng -o mesh.png`;

async function graph(options: GraphOptions): Promise<void> {
  const page = await askView<TrafficPage>(options, 'traffic', { seconds: options.seconds });
  const drawn = graphOf(page);
  if (options.json === true && options.out === undefined) {
    return sayJson({ sinceAt: page.sinceAt, untilAt: page.untilAt, ...drawn });
  }
  const format = options.format ?? (options.out?.endsWith('.svg') === true ? 'svg' : 'dot');
  const text = format === 'dot' ? dotOf(drawn) : svgOf(drawn, titleOf(page));
  if (options.out === undefined) {
    process.stdout.write(text);
  } else {
    write(options.out, text);
    const facts = { file: options.out, names: drawn.boxes.length, arrows: drawn.arrows.length };
    return options.json === true
      ? sayJson(facts)
      : note(`${facts.file}: ${facts.names} names, ${facts.arrows} arrows`);
  }
  if (drawn.arrows.length === 0) {
    note('There were no calls; --seconds looks further back.');
  }
}

function titleOf({ calls, sinceAt, untilAt }: TrafficPage): string {
  return `Who calls what: ${calls} calls in ${duration(Math.max(1, untilAt - sinceAt))}`;
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (err) {
    throw meshError('usage', { why: `${file} cannot be written (${(err as Error).message})` }, err);
  }
}
