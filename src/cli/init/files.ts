/**
 * The files that `mesh init` writes. What they explain comes from the table of settings.
 */
import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { configShape } from '../../domain/config/file-shape.js';
import { settings, type Setting } from '../../domain/config/settings.js';
import { judge, type Fields } from '../../domain/config/shape.js';
import { packageFile } from '../../fabric/package.js';

/** What is written down; the rest is left to the defaults. Paths begin at the folder of the file. */
export interface Choices {
  readonly data: string;
  readonly policy?: string;
  readonly port?: number;
  readonly sync: string;
}

/** The line by which editors find a schema of this package from a file in `folder`. */
export function schemaLine(folder: string, schema: 'mesh' | 'policy'): string {
  const name = join('schemas', 'config', `${schema}.schema.json`);
  return `# yaml-language-server: $schema=${schemaPath(folder, name).replaceAll('\\', '/')}`;
}

/** By way of the nearest node_modules, so that the line holds on every machine; else where the package really is. */
function schemaPath(folder: string, name: string): string {
  for (let at = folder; ; at = dirname(at)) {
    const installed = join(at, 'node_modules', 'capmesh', name);
    if (existsSync(installed)) {
      return relative(folder, installed);
    }
    if (at === dirname(at)) {
      return packageFile(name);
    }
  }
}

/** `mesh.yaml`: what was chosen as it counts, every other default behind a #. */
export function renderConfig(folder: string, { data, policy, port, sync }: Choices): string {
  const said: Said = { data, policy, 'server.port': port, 'server.sync': sync };
  const sections = Object.entries(configShape.fields).filter(([name]) => name !== 'limits');
  const blocks = sections.flatMap(([name, { what, shape }]) => {
    const lines = shape.is === 'keys' ? sectionOf(name, what, shape.fields, said) : entryOf(name, said, '');
    return lines.length === 0 ? [] : ['', ...lines];
  });
  return [schemaLine(folder, 'mesh'), ...HEAD, ...blocks, ...LIMITS, ''].join('\n');
}

type Said = Readonly<Record<string, string | number | undefined>>;

const HEAD = [
  '#',
  '# Settings of the mesh command in this folder. A flag stands above a variable, a variable above this file, and what',
  '# nobody says has the default that stands here behind a #. Paths begin at the folder of this file.',
  '#   mesh config show    which value counts, and who said so',
  '#   mesh config check   what is wrong here',
];

const LIMITS = [
  '',
  '# Bounds of gateways and control, the same for all processes of a mesh: docs/reference/limits.md says which there are.',
  '# limits:',
  '#   openPerGateway: 50000',
];

function sectionOf(name: string, what: string, fields: Fields, said: Said): string[] {
  const keys = Object.keys(fields).map((key) => `${name}.${key}`);
  if (keys.some((key) => said[key] !== undefined)) {
    return [`# ${what}`, `${name}:`, ...keys.flatMap((key) => entryOf(key, said, '  '))];
  }
  const entries = keys.flatMap((key) => defaultOf(key) ?? []);
  return entries.length === 0
    ? []
    : [`# ${what}`, `# ${name}:`, ...entries.flat().map((line) => `#   ${line}`)];
}

/** A setting with its explanation, or its default behind a #. */
function entryOf(key: string, said: Said, indent: string): string[] {
  const value = said[key];
  const [what, entry] = value === undefined ? (defaultOf(key) ?? []) : entryWith(key, String(value));
  return what === undefined ? [] : [indent + what, `${indent}${value === undefined ? '# ' : ''}${entry}`];
}

/** What could be written down without changing anything. Some defaults are no values, and have nothing to show. */
function defaultOf(key: string): [what: string, entry: string] | undefined {
  const { otherwise, shape } = settings[key as keyof typeof settings] as Setting;
  const judged = otherwise === 'none' || shape.is === 'list' ? undefined : judge(shape, otherwise);
  const isValue = judged !== undefined && 'value' in judged && !/ /.test(String(otherwise));
  return isValue ? entryWith(key, String(otherwise)) : undefined;
}

function entryWith(key: string, value: string): [what: string, entry: string] {
  const { what } = settings[key as keyof typeof settings] as Setting;
  return [`# ${what[0]?.toUpperCase()}${what.slice(1)}.`, `${key.split('.').at(-1)}: ${value}`];
}

/** A first policy. */
export function renderPolicy(folder: string): string {
  return `${schemaLine(folder, 'policy')}\n#\n${POLICY}`;
}

const POLICY = `# Who may do what. What no role lists is refused. The mesh reads this file again when it changes.
version: 1
roles:
  # For the first caller of a new mesh; narrow it before others join.
  everyone: { call: ['>'], mayRoot: true }
  # An agent that serves capabilities: give it a narrower pattern than this.
  worker: { serve: ['>'] }
members:
  me: [everyone]
`;
