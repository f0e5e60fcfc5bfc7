/**
 * Fills the tables of `docs/protocol.md`. The page says which rows it wants between two markers,
 * `<!-- table subjects: caller -->` and `<!-- end of table -->`; what they say comes from the data.
 */
import { readFileSync } from 'node:fs';
import type { SubjectRow } from '../table.js';
import { limitRows, retryTable } from './docs.js';
import { fieldsOf } from './fields.js';
import { headersOn } from './headers.js';
import { code, markdownTable, prose, rows } from './rows.js';

/** The page that is written by hand, but for its tables. */
export const PROTOCOL = 'docs/protocol.md';

const TABLE = /(<!-- table (\w+)(?:: ([^>]*?))? -->\n)[\s\S]*?(<!-- end of table -->)/g;
const LINES_MIN = 4; // head, rule, one row, end

/** The page with its tables made anew. Throws when a marker asks for what is not there. */
export function protocolPage(): string {
  return readFileSync(PROTOCOL, 'utf8').replace(
    TABLE,
    (_, head: string, kind: string, words = '', tail: string) =>
      `${head}\n${tableOf(kind, words.split(/[\s,]+/).filter(Boolean))}${tail}`,
  );
}

function tableOf(kind: string, words: readonly string[]): string {
  const table = Object.hasOwn(makers, kind) ? makers[kind]?.(words) : undefined;
  if (table === undefined || table.split('\n').length < LINES_MIN) {
    throw new Error(`${PROTOCOL}: there is no table "${kind}: ${words.join(' ')}"`);
  }
  return table;
}

/** Each makes a table from the words behind its kind. */
const makers: Readonly<Record<string, (words: readonly string[]) => string>> = {
  subjects: ([role = '', ...but]) => subjectsOf(role, but.slice(1)),
  headers: ([message = '']) => headersOn(message),
  fields: ([name = '']) => fieldsOf(name),
  limits: (names) => limitRows(names),
  retries: () => retryTable(),
};

/** What a role says and hears, in the eyes of whoever writes one: `agent but call ask` leaves those two out. */
function subjectsOf(role: string, but: readonly string[]): string {
  const cells = rows
    .filter(([name, row]) => !row.reserved && !but.includes(name) && doing(row, role) !== '')
    .map(([name, row]) => [
      `**${name}**`,
      code(row.self === undefined ? row.pattern : row.pattern.replace(`{${row.self}}`, '{me}')),
      doing(row, role),
      row.schema === undefined ? '' : `[${row.schema}](reference/messages.md#${row.schema})`,
      prose(row.proves),
    ]);
  return markdownTable(['Word', 'Subject', 'You', 'Message', 'Proves'], cells);
}

function doing(row: SubjectRow, role: string): string {
  const names = (roles: readonly string[]): boolean => roles.includes(role);
  if (names(row.says)) {
    return row.kind === 'service' ? 'request' : 'publish';
  }
  const queue = row.queue === undefined ? '' : ` in the queue group ${code(row.queue)}`;
  return names(row.hears) ? `subscribe${queue}` : '';
}
