/**
 * Fills the table of attacks in `docs/security.md`, between its two markers, from the suite itself.
 * Run it from the root of the repository: `npm run generate`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { positions, type Attack, type Position } from './attack.js';
import { attacks, files } from './table.js';

/** The page that is written by hand, but for its table. */
export const SECURITY = 'docs/security.md';

const TABLE = /(<!-- table attacks -->\n)[\s\S]*?(<!-- end of table -->)/;

/** The page with its table made anew. */
export async function securityPage(): Promise<string> {
  const page = readFileSync(SECURITY, 'utf8');
  if (!TABLE.test(page)) {
    throw new Error(`${SECURITY} has no place for the table of attacks`);
  }
  const text = page.replace(TABLE, (_, head: string, tail: string) => `${head}\n${tables()}\n${tail}`);
  return format(text, { ...(await resolveConfig(SECURITY)), filepath: SECURITY });
}

function tables(): string {
  const parts = Object.entries(positions).map(([position, what]) => partOf(position as Position, what));
  const naive = attacks.filter((one) => one.naive !== undefined).length;
  const sum = `${attacks.length} attacks, each with a control; ${naive} are also shown to work where their mechanism is missing.`;
  return [sum, ...parts.filter((part) => part !== '')].join('\n\n');
}

function partOf(position: Position, what: string): string {
  const rows = attacks.filter((one) => one.position === position);
  if (rows.length === 0) {
    return '';
  }
  const head = `**With ${what}** (${position}, ${rows.length})\n\n| Attack | What stops it | Enforced by | Works | Test |\n| --- | --- | --- | --- | --- |`;
  return [head, ...rows.map(rowOf)].join('\n');
}

function rowOf(one: Attack): string {
  const file = Object.entries(files).find(([, list]) => list.includes(one))?.[0] ?? '';
  const works =
    one.naive === undefined ? '' : one.naive === 'open broker' ? 'on an open broker' : one.naive.where;
  const cells = [
    one.attack,
    one.mechanism,
    one.enforcedBy,
    works,
    `[${one.id}](../test/hostile/attacks/${file}.ts)`,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll(/([<>*_$])/g, '\\$1')).join(' | ')} |`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(SECURITY, await securityPage());
}
