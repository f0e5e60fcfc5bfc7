/** Writes the typed builders, patterns and parsers of the subjects. */
import type { SubjectRow } from '../table.js';
import { banner, literal, partsOf, rows, wildcard } from './rows.js';

/** `src/wire/generated/subjects.ts` */
export function subjectsFile(): string {
  const ingress = rows.filter(([, row]) => row.ingress);
  return [
    banner,
    `import type { Capability, Token } from '../names.js';\n\n`,
    block('Build a subject. Only checked names fit in.', 'subject', rows, builder),
    `/** The NATS subject with wildcards that covers a row. */\nexport const pattern = {\n`,
    ...rows.map(([name, row]) => `${name}: ${literal(wildcard(row.pattern))},\n`),
    `} as const;\n\n`,
    block(
      'Take a subject apart; the parts are not checked. Undefined: not of this form.',
      'parse',
      rows,
      parser,
    ),
    block('Build the secret subject through which a row is written.', 'ingress', ingress, ingressBuilder),
    SPLIT,
  ].join('');
}

/** The one helper of the parsers. */
const SPLIT = `
function split(subject: string, prefix: string, count: number, more: boolean): string[] | undefined {
  if (!subject.startsWith(prefix)) {
    return undefined;
  }
  const t = subject.slice(prefix.length).split('.');
  return (more ? t.length >= count : t.length === count) ? t : undefined;
}
`;

type Writer = (name: string, row: SubjectRow) => string;

function block(doc: string, name: string, of: typeof rows, write: Writer): string {
  const body = of.map(([key, row]) => docstring(row) + write(key, row)).join('');
  return `/** ${doc} */\nexport const ${name} = {\n${body}};\n\n`;
}

function docstring(row: SubjectRow): string {
  const reserved = row.reserved
    ? '\n   * Reserved: nothing speaks on it yet, and nobody has a permission for it.'
    : '';
  return `\n  /**\n   * \`${row.pattern}\`\n   * ${row.proves}${reserved}\n   */\n`;
}

function paramsOf(pattern: string): string[] {
  return partsOf(pattern).flatMap((p) => p.param ?? []);
}

function typeOf(param: string): string {
  return param === 'capability'
    ? 'Capability'
    : ['seq', 'bytes', 'chunk'].includes(param)
      ? 'number'
      : 'Token';
}

/** `{ agent, token }: { agent: Token; token: Token }`, or nothing. */
function signature(pattern: string): string {
  const params = paramsOf(pattern);
  const types = params.map((p) => `${p}: ${typeOf(p)}`);
  return params.length === 0 ? '' : `{ ${params.join(', ')} }: { ${types.join('; ')} }`;
}

/** The pattern as a template literal. */
function template(pattern: string): string {
  return `\`${pattern.replace(/\{(\w+)\+?\}/g, '${$1}')}\``;
}

function builder(name: string, { pattern }: SubjectRow): string {
  return `${name}(${signature(pattern)}): string { return ${template(pattern)}; },\n`;
}

function ingressBuilder(name: string, { pattern }: SubjectRow): string {
  const hidden = pattern.replace(/^mesh\.v1/, '_k.{secret}');
  return `${name}(secret: string, ${signature(pattern)}): string { return ${template(hidden)}; },\n`;
}

function parser(name: string, { pattern }: SubjectRow): string {
  const params = paramsOf(pattern);
  if (params.length === 0) {
    return `${name}(subject: string): Record<never, string> | undefined { return subject === '${pattern}' ? {} : undefined; },\n`;
  }
  const more = pattern.endsWith('+}');
  const last = params.length - 1;
  const take = params.map((p, i) =>
    more && i === last ? `${p}: ${i === 0 ? 't' : `t.slice(${i})`}.join('.')` : `${p}: t[${i}] as string`,
  );
  const prefix = pattern.slice(0, pattern.indexOf('{'));
  return `${name}(subject: string): { ${params.map((p) => `${p}: string`).join('; ')} } | undefined {
    const t = split(subject, '${prefix}', ${params.length}, ${more});
    return t === undefined ? undefined : { ${take.join(', ')} };
  },\n`;
}
