/**
 * `mesh init`: a settings file and a policy, with comments that explain them.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { settings, type SettingKey } from '../domain/config/settings.js';
import { judgeTexts } from '../domain/config/shape.js';
import { folderError, places } from '../fabric/folder.js';
import { meshError } from '../wire/errors.js';
import { renderConfig, renderPolicy, type Choices } from './init/files.js';
import { note, paint, say, sayJson } from './output.js';
import { Prompt } from './prompt.js';
import { CONFIG_FILE, withSettings, type Flags } from './settings.js';

interface InitOptions extends Flags {
  readonly config?: string;
  readonly data?: string;
  readonly port?: number;
  readonly sync?: string;
  readonly yes?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** Add the command. */
export function register(program: Command): void {
  withSettings(program.command('init'), 'data', 'server.port', 'server.sync')
    .summary('write a settings file and a policy')
    .description(
      'Write mesh.yaml, and mesh.policy.yaml beside it unless there is a policy already, with comments that explain them. Asks at most three questions, on a terminal only; the flags answer them.',
    )
    .option('-y, --yes', 'ask nothing: what no flag says has its default')
    .option('--force', 'write mesh.yaml anew; a policy is never overwritten')
    .option('--json', 'print one JSON line, and ask nothing')
    .addHelpText('after', HELP)
    .action(init);
}

const HELP = `
Examples:
  $ mesh init
  $ mesh init --yes --port 4222 --sync always
  $ mesh init --yes --config ./prod/mesh.yaml --data ./prod/data`;

async function init(options: InitOptions): Promise<void> {
  const file = resolve(options.config ?? CONFIG_FILE);
  if (existsSync(file) && options.force !== true) {
    throw meshError('usage', { why: `${here(file)} is there already; --force writes it anew` });
  }
  const folder = dirname(file);
  const asks = process.stdin.isTTY && process.stdout.isTTY && options.yes !== true && options.json !== true;
  const choices = asks ? await ask(options) : chosen(options);
  const data = resolve(choices.data);
  const policy = policyOf(folder, data);
  const files = [file, ...(existsSync(policy) ? [] : [policy])];
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      file,
      renderConfig(folder, { ...choices, data: below(folder, data), policy: below(folder, policy) }),
    );
    if (files.length > 1) {
      writeFileSync(policy, renderPolicy(folder), { flag: 'wx' });
    }
  } catch (err) {
    throw folderError(folder, err);
  }
  if (options.json === true) {
    sayJson({ written: files, kept: files.length > 1 ? [] : [policy] });
  } else {
    say(...report(files, policy, data));
  }
}

/** A policy that a mesh in the data folder works with already stays the one. */
function policyOf(folder: string, data: string): string {
  const inUse = join(data, places.policy);
  return existsSync(inUse) ? inUse : join(folder, places.policy);
}

function chosen({ data = settings.data.otherwise, port, sync = 'default' }: InitOptions): Choices {
  return { data, sync, ...(port === undefined ? {} : { port }) };
}

/** What no flag said is asked; an empty answer is the default. */
async function ask(options: InitOptions): Promise<Choices> {
  const prompt = new Prompt(process.stdout);
  try {
    const data =
      options.data ?? (await answer(prompt, 'data', 'Data folder (keys, streams, logs)?', '.mesh'));
    const port =
      options.port ??
      (await answer(prompt, 'server.port', 'Port of the server?', '', 'a free one at every start'));
    const power = 'Must what was accepted survive a power loss? It costs throughput.';
    const sync = options.sync ?? ((await yesOrNo(prompt, power)) ? 'always' : 'default');
    return { data: String(data), sync, ...(port === '' ? {} : { port: Number(port) }) };
  } finally {
    prompt.close();
  }
}

async function answer(
  prompt: Prompt,
  key: SettingKey,
  question: string,
  otherwise: string,
  word: string = otherwise,
): Promise<string> {
  for (;;) {
    const text = await prompt.ask(`${question} ${paint.dim(`[${word}]`)} `);
    const judged = text === '' ? undefined : judgeTexts(settings[key].shape, text);
    if (judged === undefined || 'value' in judged) {
      return text === '' ? otherwise : text;
    }
    note(`${judged.why}.`);
  }
}

async function yesOrNo(prompt: Prompt, question: string): Promise<boolean> {
  for (;;) {
    const text = (await prompt.ask(`${question} ${paint.dim('[y/N]')} `)).toLowerCase();
    if (['', 'n', 'no', 'y', 'yes'].includes(text)) {
      return text.startsWith('y');
    }
    note('y or n.');
  }
}

function report(files: readonly string[], policy: string, data: string): string[] {
  return [
    ...files.map((file) => `${paint.green('wrote')} ${here(file)}`),
    ...(files.includes(policy) ? [] : [`kept  ${here(policy)}`]),
    '',
    `${here(data)} will hold keys: keep it out of version control.`,
    '',
    'Next:',
    `  ${paint.bold('mesh up')}            starts the mesh with these settings`,
    `  ${paint.bold('mesh config show')}   every setting, and where it comes from`,
  ];
}

function here(path: string): string {
  return relative(process.cwd(), path) || '.';
}

/** A path as the file says it: from its own folder. */
function below(folder: string, path: string): string {
  return relative(folder, path) || '.';
}
