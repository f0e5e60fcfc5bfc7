/**
 * Settings in force: flag, else variable, else file, else default; each knows where it came from.
 */
import type { LimitName } from '../../wire/limits.js';
import { limits } from '../../wire/limits.js';
import { nearNames } from '../near.js';
import { configShape, limitShapes } from './file-shape.js';
import {
  limitSource,
  otherVariables,
  settings,
  type Setting,
  type SettingKey,
  type SettingValue,
} from './settings.js';
import { expectedOf, judgeText, judgeTexts, type Scalar, type Whole } from './shape.js';
import { readYaml, shown, type Place, type Problem, type ReadYaml } from './yaml.js';

/** Where a value came from; the lower rank counts. */
export type Origin =
  | { readonly rank: 0; readonly flag: string }
  | { readonly rank: 1; readonly env: string }
  | ({ readonly rank: 2; readonly file: string } & Place)
  | { readonly rank: 3 };

/** A value that somebody gave. */
export interface Given<V = unknown> {
  readonly value: V;
  readonly origin: Origin;
}

/** What settings are made from. */
export interface Sources {
  /** Flags by setting, checked by the command line already. */
  readonly flags: Readonly<Partial<Record<SettingKey, unknown>>>;
  readonly limitFlags?: Readonly<Record<string, number>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The file, if there is one. */
  readonly file?: { readonly path: string; readonly text: string } | undefined;
}

type ConfigFile = Readonly<Record<string, unknown>>;

const NOBODY: Origin = { rank: 3 };

/** All settings, with what is wrong in variables and file. */
export class Settings {
  readonly problems: readonly Problem[];
  readonly #given = new Map<string, Given>();
  readonly #limits = new Map<LimitName, Given<number>>();

  constructor({ flags, limitFlags = {}, env, file }: Sources) {
    const read = file === undefined ? undefined : readYaml<ConfigFile>(file.text, file.path, configShape);
    const problems = (read?.problems ?? []).map(aboutLimits);
    this.#takeFile(read, file?.path ?? '');
    problems.push(...this.#takeEnv(env), ...foreignVariables(env));
    for (const [key, value] of Object.entries(flags)) {
      if (value !== undefined) {
        this.#given.set(key, { value, origin: { rank: 0, flag: flagOf(key as SettingKey) } });
      }
    }
    for (const [name, value] of Object.entries(limitFlags)) {
      this.#limits.set(name as LimitName, { value, origin: { rank: 0, flag: '--set-limit' } });
    }
    this.problems = problems;
  }

  /** What somebody gave, or undefined where the default counts. */
  given<K extends SettingKey>(key: K): Given<SettingValue<K>> | undefined {
    return this.#given.get(key) as Given<SettingValue<K>> | undefined;
  }

  /** What somebody gave, or undefined where the default counts. */
  value<K extends SettingKey>(key: K): SettingValue<K> | undefined {
    return this.given(key)?.value;
  }

  /** The value in force of a setting whose default is a value. */
  orDefault<K extends SettingKey>(key: K): SettingValue<K> {
    return this.value(key) ?? ((settings[key] as Setting).otherwise as SettingValue<K>);
  }

  /** Where the value in force comes from. */
  origin(key: SettingKey): Origin {
    return this.#given.get(key)?.origin ?? NOBODY;
  }

  /** The limits that somebody set. */
  get limits(): ReadonlyMap<LimitName, Given<number>> {
    return this.#limits;
  }

  #takeFile(read: ReadYaml<ConfigFile> | undefined, file: string): void {
    for (const key of Object.keys(settings)) {
      const value = key
        .split('.')
        .reduce<unknown>((map, name) => (map as ConfigFile | undefined)?.[name], read?.value);
      if (read !== undefined && value !== undefined) {
        this.#given.set(key, { value, origin: { rank: 2, file, ...read.place(key) } });
      }
    }
    for (const [name, value] of Object.entries((read?.value['limits'] as Record<string, number>) ?? {})) {
      const place = read?.place(`limits.${name}`) ?? { line: 1, column: 1 };
      this.#limits.set(name as LimitName, { value, origin: { rank: 2, file, ...place } });
    }
  }

  #takeEnv(env: Sources['env']): Problem[] {
    const problems: Problem[] = [];
    for (const [key, { env: name, shape }] of Object.entries(settings) as [string, Setting][]) {
      const text = name === undefined ? undefined : env[name];
      if (name === undefined || text === undefined || text === '' || ofCluster(name, text)) {
        continue;
      }
      const judged = judgeTexts(shape, text);
      if ('value' in judged) {
        this.#given.set(key, { value: judged.value, origin: { rank: 1, env: name } });
      } else {
        const secret = shape.is === 'text' && shape.secret === true;
        problems.push(inEnv(name, `${judged.why}${secret ? '' : `, not ${shown(text)}`}`));
      }
    }
    return [...problems, ...this.#takeLimits(env[limitSource.env] ?? '')];
  }

  #takeLimits(text: string): Problem[] {
    return text.split(',').flatMap((pair) => {
      const read = pair.trim() === '' ? undefined : readLimit(pair.trim());
      if (read !== undefined && 'why' in read) {
        return [inEnv(limitSource.env, read.why)];
      }
      if (read !== undefined) {
        this.#limits.set(read.name, { value: read.value, origin: { rank: 1, env: limitSource.env } });
      }
      return [];
    });
  }
}

/** A limit as flags and variables carry it: `name=value`. */
export function readLimit(pair: string): { name: LimitName; value: number } | { why: string } {
  const at = pair.indexOf('=');
  const name = pair.slice(0, Math.max(0, at)).trim();
  const shape: Whole | undefined = Object.hasOwn(limitShapes, name) ? limitShapes[name] : undefined;
  if (at < 0) {
    return { why: `${shown(pair)} must be name=value` };
  }
  if (shape === undefined) {
    return {
      why: Object.hasOwn(limits, name)
        ? `the limit ${name} cannot be set`
        : `there is no limit ${name}${near(name)}`,
    };
  }
  const judged = judgeText(shape, pair.slice(at + 1).trim());
  return 'value' in judged
    ? { name: name as LimitName, value: Number(judged.value) }
    : { why: `${name}: it must be ${expectedOf(shape)}, not ${shown(pair.slice(at + 1))}` };
}

/** A limit that exists and is a promise is told apart from one that does not exist. */
function aboutLimits(problem: Problem): Problem {
  const name = /^limits\.(\w+)$/.exec(problem.where)?.[1] ?? '';
  const fixed = Object.hasOwn(limits, name) && !Object.hasOwn(limitShapes, name);
  return fixed ? { ...problem, why: `the limit ${name} cannot be set` } : problem;
}

function near(name: string): string {
  const [one] = nearNames(name, Object.keys(limitShapes));
  return one === undefined ? '' : `; did you mean ${one}?`;
}

/**
 * Variables that look like ours and are none. Others that begin with MESH_ are left alone: clusters make some for a
 * service of that name.
 */
function foreignVariables(env: Sources['env']): Problem[] {
  const all = Object.values(settings).flatMap((one: Setting) => one.env ?? []);
  const known = [...all, limitSource.env, ...otherVariables];
  return Object.keys(env)
    .filter((name) => name.startsWith('MESH_') && !known.includes(name) && !ofCluster(name))
    .flatMap((name) => {
      const [one] = nearVariables(name, known);
      return one === undefined ? [] : [inEnv(name, `there is no such variable; did you mean ${one}?`)];
    });
}

/** Kubernetes makes these for a service that is called mesh; one of them has a name of ours. */
function ofCluster(name: string, text = ''): boolean {
  return /^MESH_(?:SERVICE|PORT)_/.test(name) || (name === 'MESH_PORT' && /^[a-z]+:\/\//.test(text));
}

/** The part behind MESH_ is what is compared: the prefix alone would make everything look alike. */
function nearVariables(name: string, known: readonly string[]): string[] {
  return nearNames(
    name.slice(5),
    known.filter((one) => one.startsWith('MESH_')).map((one) => one.slice(5)),
  ).map((one) => `MESH_${one}`);
}

function inEnv(name: string, why: string): Problem {
  return { file: 'the environment', where: name, why, line: 0, column: 0 };
}

function flagOf(key: SettingKey): string {
  return ((settings[key] as Setting).flag ?? '').split(' ')[0] ?? '';
}

/** A value as flags carry it, or what was expected. */
export function readFlag(
  key: SettingKey,
  text: string,
): { value: Scalar | readonly Scalar[] } | { why: string } {
  return judgeTexts(settings[key].shape, text);
}
