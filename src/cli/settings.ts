/**
 * Settings of a command: its flags from the table, and the values in force when it runs.
 */
import { dirname, resolve } from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { readFlag, readLimit, Settings } from '../domain/config/resolve.js';
import { limitSource, settings, type Setting, type SettingKey } from '../domain/config/settings.js';
import { problemError } from '../domain/config/yaml.js';
import { textIfAny } from '../fabric/folder.js';
import { meshError } from '../wire/errors.js';
import { setLimits } from '../wire/settable.js';

/** What the command line parsed, by the names it gives to flags. */
export type Flags = Readonly<Record<string, unknown>>;

/** The file that is looked for in the current folder. */
export const CONFIG_FILE = 'mesh.yaml';
/** Instead of a file: none at all. */
export const NO_FILE = 'none';

const CONFIG = {
  flag: '--config <file>',
  env: 'MESH_CONFIG',
  what: `settings file ($MESH_CONFIG; default: ${CONFIG_FILE} here, if there is one; ${NO_FILE}: read none)`,
} as const;

/** Give a command flags of the table, and `--config`. */
export function withSettings(command: Command, ...keys: readonly SettingKey[]): Command {
  for (const key of keys) {
    const { flag } = settings[key] as Setting;
    if (flag !== undefined) {
      command.addOption(new Option(flag, describe(key)).argParser(settingParser(key)));
    }
  }
  return command.option(CONFIG.flag, CONFIG.what);
}

/** Give a command the flag for limits. */
export function withLimits(command: Command): Command {
  const what = `set a bound for this run, again for more ($${limitSource.env}, ${limitSource.key}); see docs/reference/limits.md`;
  return command.addOption(
    new Option(limitSource.flag, what).argParser((text, before: Record<string, number> | undefined) => {
      const read = readLimit(text);
      if ('why' in read) {
        throw new InvalidArgumentError(sentence(read.why));
      }
      return { ...before, [read.name]: read.value };
    }),
  );
}

/** The help of a flag: what it is for, where else it can be said, what counts otherwise. */
export function describe(key: SettingKey): string {
  const { what, env, otherwise } = settings[key] as Setting;
  return `${what} (${env === undefined ? '' : `$${env}, `}${key}; default: ${otherwise})`;
}

/** The name under which the command line gives a flag. */
export function attributeOf(key: SettingKey): string | undefined {
  const { flag } = settings[key] as Setting;
  return flag === undefined ? undefined : new Option(flag).attributeName();
}

/**
 * The settings in force for a command that takes the flags of `keys`; limits are in force from then on.
 * Throws config_invalid with file, line and column, config_missing.
 */
export function readSettings(flags: Flags, keys: readonly SettingKey[]): Settings {
  const read = collectSettings(flags, keys);
  if (read.problems.length > 0) {
    throw problemError(read.problems);
  }
  setLimits(Object.fromEntries([...read.limits].map(([name, { value }]) => [name, value])));
  return read;
}

/** The same without judging: what is wrong stands in `problems`. Throws config_missing. */
export function collectSettings(flags: Flags, keys: readonly SettingKey[]): Settings {
  const given = keys.map((key) => [key, flags[attributeOf(key) ?? '']] as const);
  return new Settings({
    flags: Object.fromEntries(given),
    limitFlags: (flags['setLimit'] ?? {}) as Record<string, number>,
    env: process.env,
    file: configFile(flags),
  });
}

/** The settings file, if there is one. Throws config_missing when it was named and is not there. */
export function configFile(flags: Flags): { path: string; text: string } | undefined {
  const named = (flags['config'] as string | undefined) ?? (process.env[CONFIG.env] || undefined);
  if (named === NO_FILE) {
    return undefined;
  }
  const path = named ?? CONFIG_FILE;
  const text = textIfAny(path);
  if (text === undefined && named !== undefined) {
    throw meshError('config_missing', { what: `the settings file ${named}` });
  }
  return text === undefined ? undefined : { path, text };
}

/** The path that a setting names: what stands in a file begins at the folder of the file. */
export function pathIn(read: Settings, key: SettingKey): string | undefined {
  const given = read.given(key);
  if (given === undefined) {
    return undefined;
  }
  const { value, origin } = given;
  return origin.rank === 2 ? resolve(dirname(origin.file), String(value)) : resolve(String(value));
}

/** The limits that were set, as arguments for another process. */
export function limitArgs(read: Settings): string[] {
  return [...read.limits].flatMap(([name, { value }]) => ['--set-limit', `${name}=${value}`]);
}

/** Parser of the flag of a setting. A flag that takes a list is given again for more. */
export function settingParser(key: SettingKey): (text: string, before: unknown) => unknown {
  return (text, before) => parseFlag(key, text, before);
}

function parseFlag(key: SettingKey, text: string, before: unknown): unknown {
  const read = readFlag(key, text);
  if ('why' in read) {
    throw new InvalidArgumentError(sentence(read.why));
  }
  return Array.isArray(before) && Array.isArray(read.value)
    ? [...(before as unknown[]), ...(read.value as unknown[])]
    : read.value;
}

function sentence(why: string): string {
  return `${why[0]?.toUpperCase()}${why.slice(1)}${why.endsWith('?') ? '' : '.'}`;
}
