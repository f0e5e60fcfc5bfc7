/**
 * `mesh config`: settings in force, where each comes from, and what is wrong with them.
 */
import { join, relative } from 'node:path';
import type { Command } from 'commander';
import type { Origin, Settings } from '../domain/config/resolve.js';
import { limitShapes } from '../domain/config/file-shape.js';
import { settings as table, type Setting, type SettingKey } from '../domain/config/settings.js';
import type { Problem } from '../domain/config/yaml.js';
import { ownerFiles } from '../domain/owners/read.js';
import { readPolicy } from '../domain/policy-read.js';
import { places, textIfAny } from '../fabric/folder.js';
import { readPolicyTexts } from '../fabric/policy-files.js';
import { limitTable, type LimitName } from '../wire/limits.js';
import { folderOf, serverOf } from './context.js';
import { exits, note, paint, safe, say, sayJson, table as columns } from './output.js';
import { collectSettings, pathIn, withLimits, withSettings, type Flags } from './settings.js';
import { readState } from './state.js';

interface ConfigOptions extends Flags {
  readonly json?: boolean;
}

const ALL = Object.keys(table) as SettingKey[];
/** `--as` stands for another user in each command, so it cannot be tried here. */
const TRIED = ALL.filter((key) => !key.startsWith('users.'));

/** Add the command and what it can do. */
export function register(program: Command): void {
  const config = program
    .command('config')
    .summary('settings in force, and what is wrong with them')
    .description('The settings of the mesh command: flag, else variable, else mesh.yaml, else default.');
  withLimits(withSettings(config.command('show'), ...TRIED))
    .summary('every setting and where it comes from')
    .description(
      'Every setting with the value that counts here and now, and who said so. Give the flags of a command to see what it would take. Secrets are shown as (set).',
    )
    .option('--json', 'print one JSON line')
    .addHelpText('after', SHOW_HELP)
    .action(show);
  withSettings(config.command('check'), 'data', 'policy')
    .summary('what is wrong in mesh.yaml, the variables and the policy')
    .description(
      'Everything that is wrong in mesh.yaml, in the variables and in the policy: where, and what was expected.',
    )
    .option('--json', 'print one JSON line')
    .addHelpText('after', CHECK_HELP)
    .action(check);
}

const SHOW_HELP = `
Examples:
  $ mesh config show
  $ MESH_LOG=info mesh config show --gateways 2
  $ mesh config show --json`;

const CHECK_HELP = `
Examples:
  $ mesh config check
  $ mesh config check --config ./prod/mesh.yaml --json

Exits with 0 when all is fine, with 1 when there is something to correct.`;

interface Row {
  readonly key: string;
  readonly value: string | number | boolean | readonly string[] | null;
  readonly origin: string;
  /** Nobody said anything. */
  readonly byDefault: boolean;
}

function show({ json, ...flags }: ConfigOptions): void {
  const settings = collectSettings(flags, TRIED);
  const rows = [...ALL.map((key) => rowOf(settings, key)), ...limitRows(settings)];
  if (json === true) {
    sayJson({
      settings: rows.map(({ key, value, origin }) => ({ key, value, origin })),
      problems: settings.problems,
    });
  } else {
    const set = rows.filter(({ key, byDefault }) => !key.startsWith('limits.') || !byDefault);
    say(...columns(set.map(cells), ['setting', 'value', 'from']));
    note(
      `${Object.keys(limitShapes).length} limits can be set; those that differ from docs/reference/limits.md are shown.`,
    );
  }
  if (settings.problems.length > 0) {
    process.exitCode = exits.failed;
    if (json !== true) {
      settings.problems.forEach((one) => note(lineOf(one, (text) => text)));
    }
  }
}

function cells({ key, value, origin, byDefault }: Row): string[] {
  const text = safe(Array.isArray(value) ? value.join(', ') : String(value));
  return [key, byDefault ? paint.dim(text) : text, byDefault ? paint.dim(origin) : origin];
}

function rowOf(settings: Settings, key: SettingKey): Row {
  const setting: Setting = table[key];
  const given = settings.given(key);
  if (key === 'server.url') {
    return urlRow(settings);
  }
  if (given === undefined) {
    return { key, value: setting.otherwise, origin: 'default', byDefault: true };
  }
  const secret = setting.shape.is === 'text' && setting.shape.secret === true;
  const path = setting.path === true ? pathIn(settings, key) : undefined;
  const value = path === undefined ? (given.value as Row['value']) : relative(process.cwd(), path) || '.';
  return { key, value: secret ? '(set)' : value, origin: originText(given.origin), byDefault: false };
}

/** The server is not only a setting: one may run on the data folder. */
function urlRow(settings: Settings): Row {
  const choice = serverOf(settings, readState(folderOf(settings)));
  if (choice === undefined) {
    return { key: 'server.url', value: table['server.url'].otherwise, origin: 'default', byDefault: true };
  }
  const { url, origin } = choice;
  const said =
    typeof origin === 'string' ? `the mesh that runs in ${here(folderOf(settings))}` : originText(origin);
  return { key: 'server.url', value: url.replace(/\/\/[^/@]*@/, '//(set)@'), origin: said, byDefault: false };
}

function limitRows(settings: Settings): Row[] {
  return Object.keys(limitShapes).map((name) => {
    const given = settings.limits.get(name as LimitName);
    const key = `limits.${name}`;
    return given === undefined
      ? { key, value: limitTable[name as LimitName].value, origin: 'default', byDefault: true }
      : { key, value: given.value, origin: originText(given.origin), byDefault: false };
  });
}

function originText(origin: Origin): string {
  switch (origin.rank) {
    case 0:
      return origin.flag;
    case 1:
      return `$${origin.env}`;
    case 2:
      return `${here(origin.file)}:${origin.line}:${origin.column}`;
    case 3:
      return 'default';
  }
}

function here(path: string): string {
  return relative(process.cwd(), path) || '.';
}

function check({ json, ...flags }: ConfigOptions): void {
  const settings = collectSettings(flags, ['data', 'policy']);
  const file = pathIn(settings, 'policy') ?? join(folderOf(settings), places.policy);
  const text = textIfAny(file);
  const named = settings.given('policy') !== undefined;
  const missing: Problem = {
    file: here(file),
    where: 'policy',
    why: 'there is no such file',
    line: 0,
    column: 0,
  };
  const problems = [
    ...settings.problems,
    ...(text === undefined
      ? named
        ? [missing]
        : []
      : readPolicy(text, here(file), readPolicyTexts(file, ownerFiles).files).problems),
  ];
  const fine = problems.length === 0;
  if (json === true) {
    sayJson({ fine, problems });
  } else if (fine) {
    say(paint.green('Nothing to correct.'));
  } else {
    say(...problems.map((one) => lineOf(one, paint.red)));
  }
  process.exitCode = fine ? exits.completed : exits.failed;
}

function lineOf({ file, line, column, where, why }: Problem, mark: (text: string) => string): string {
  const place = line === 0 ? file : `${file}:${line}:${column}`;
  return `${mark(place)} ${where === '' ? '' : `${safe(where)}: `}${safe(why)}`;
}
