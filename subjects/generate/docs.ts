/** Writes the pages of `docs/reference`. */
import { limitTable, type LimitName } from '../../src/wire/limits.js';
import { settable } from '../../src/wire/settable.js';
import { buckets } from '../streams.js';
import type { SubjectRow } from '../table.js';
import { apiPage } from './api.js';
import { readErrors, retries } from './errors.js';
import { messageTables } from './fields.js';
import { headerTable } from './headers.js';
import { permissionSet, roles } from './permissions.js';
import { code, markdownTable, pageBanner, prose, rows } from './rows.js';
import { streamSpecs } from './streams.js';

/** Every page by its name, without folder. */
export function pages(): Record<string, string> {
  return {
    'subjects.md': page(
      'Subjects',
      SUBJECTS,
      subjectTable(false) + '## Reserved\n\n' + RESERVED + subjectTable(true),
    ),
    'streams.md': page('Streams and buckets', STREAMS, streamTable() + '## Buckets\n\n' + bucketTable()),
    'permissions.md': page('Permissions', PERMISSIONS, permissionLists()),
    'errors.md': page('Errors', ERRORS, retryTable() + '## Codes\n\n' + errorTable()),
    'messages.md': page('Messages', MESSAGES, `## Headers\n\n${headerTable()}${messageTables()}`),
    'api.md': page('What programs import', API, apiPage()),
    'limits.md': page('Limits', LIMITS, limitRows()),
  };
}

const API = 'Every name that the package exports, with its type. What is not here is not public.';
const SUBJECTS = 'Every subject of wire v1. The subject says what has been proven.';
const RESERVED = 'Kept by wire v1. Nothing speaks on them yet, and nobody has a permission for them.\n\n';
const STREAMS =
  'Streams with an ingress are written only through a secret subject, which the server maps to the public one.';
const PERMISSIONS =
  'What the broker lets each role do. `{me}` is the name of the user; a second word is the queue group it must join.';
const ERRORS =
  'A closed set: every error of the mesh has one of these codes. Words in braces are facts of the case; they come as `details` too.';
const LIMITS =
  'Every bound of the mesh; nothing grows without one of these. Those with a range may be set in `mesh.yaml` ([configuration](../configuration.md)); the others are promises, or must be the same in all processes.';
const MESSAGES = 'The headers and the JSON of every message; the JSON Schemas are in `schemas/`.';

/** A generated page. */
export function page(title: string, intro: string, body: string): string {
  return `${pageBanner}# ${title}\n\n${intro}\n\n${body}`;
}

function subjectTable(reserved: boolean): string {
  const of = rows.filter(([, row]) => (row.reserved ?? false) === reserved);
  const cells = of.map(([name, row]) => [
    `**${name}**`,
    code(row.pattern),
    kindOf(row),
    row.says.join(', ') || 'the server',
    hearersOf(row),
    row.schema === undefined ? '' : `[${row.schema}](messages.md#${row.schema})`,
    prose(row.proves),
  ]);
  return markdownTable(['Word', 'Subject', 'Kind', 'Says', 'Hears', 'Message', 'Proves'], cells);
}

function kindOf(row: SubjectRow): string {
  return row.stream === undefined ? row.kind : `stream ${code(row.stream)}`;
}

function hearersOf(row: SubjectRow): string {
  const queue = row.queue === undefined ? '' : ` (queue ${code(row.queue)})`;
  return (row.hears.join(', ') || 'the stream') + queue;
}

function streamTable(): string {
  const cells = streamSpecs.map(([name, s]) => [
    code(name),
    s.subjects.map(code).join(', '),
    s.transformTo === undefined ? '' : code(s.transformTo),
    s.retention,
    size(s.maxBytes),
    size(s.maxMsgSize),
    `${s.duplicateWindowMs} ms`,
    prose(s.why),
  ]);
  const head = ['Stream', 'Captures', 'Stores as', 'Retention', 'Size', 'Message', 'Duplicate window', 'Why'];
  return markdownTable(head, cells);
}

function bucketTable(): string {
  const cells = Object.entries(buckets).map(([name, b]) => [
    code(name),
    size(b.maxBytes),
    `${b.markerTtlMs} ms`,
    prose(b.why),
  ]);
  return markdownTable(['Bucket', 'Size', 'Markers kept', 'Why'], cells);
}

function size(bytes: number): string {
  const mib = bytes / 1024 / 1024;
  return Number.isInteger(mib) ? `${mib} MiB` : `${bytes / 1024} KiB`;
}

function permissionLists(): string {
  const list = (subjects: readonly string[]) =>
    subjects.map((s) => `- ${code(s)}\n`).join('') || 'Nothing.\n';
  return roles
    .map((role) => {
      const { publish, subscribe } = permissionSet(role);
      return `## ${role}\n\nMay publish to:\n\n${list(publish)}\nMay subscribe to:\n\n${list(subscribe)}\n`;
    })
    .join('');
}

/** What each kind of retry means. */
export function retryTable(): string {
  return markdownTable(
    ['Retry', 'Meaning'],
    Object.entries(retries).map(([name, why]) => [code(name), why]),
  );
}

function errorTable(): string {
  const cells = Object.entries(readErrors()).map(([name, e]) => [
    code(name),
    e.class,
    code(e.retry),
    prose(e.message),
    prose(e.help),
  ]);
  return markdownTable(['Code', 'Class', 'Retry', 'Message', 'What to do'], cells);
}

/** The bounds of these names, or all. */
export function limitRows(names?: readonly string[]): string {
  const wanted = Object.entries(limitTable).filter(([name]) => names?.includes(name) ?? true);
  const missing = names?.find((name) => !Object.hasOwn(limitTable, name));
  if (missing !== undefined) {
    throw new Error(`there is no limit ${missing}`);
  }
  const number = (n: number) => n.toLocaleString('en-US');
  const cells = wanted.map(([name, l]) => [
    code(name),
    number(l.value),
    prose(l.unit),
    settable[name as LimitName]?.map(number).join(' to ') ?? '',
    prose(l.reason),
  ]);
  return markdownTable(['Limit', 'Value', 'Unit', 'May be set to', 'Reason'], cells);
}
