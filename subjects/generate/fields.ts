/** The tables of fields: one for each message. */
import { readSchemas, type Schema } from './messages.js';
import { code, markdownTable, prose } from './rows.js';

/** A section for each schema, in alphabetical order. */
export function messageTables(): string {
  return readSchemas()
    .map(([name, schema]) => `## ${name}\n\n${prose(schema.description ?? '')}\n\n${fieldTable(schema)}`)
    .join('');
}

/** The fields of one message. */
export function fieldsOf(name: string): string {
  return fieldTable(readSchemas().find(([other]) => other === name)?.[1] ?? {});
}

function fieldTable(schema: Schema): string {
  return markdownTable(['Field', 'Type', 'Needed', 'Meaning'], fieldRows(schema, ''));
}

/** The fields of an object, those of its inner objects with a dotted path. */
function fieldRows(schema: Schema, prefix: string): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const inner = field.items ?? field;
    const path = `${prefix}${name}${field.items === undefined ? '' : '[]'}`;
    const needed = schema.required?.includes(name) ? 'yes' : '';
    const row = [code(path), typeOf(inner), needed, prose(field.description ?? '')];
    return [row, ...fieldRows(inner, `${path}.`)];
  });
}

function typeOf(schema: Schema): string {
  return schema.enum === undefined
    ? [schema.type ?? 'any'].flat().join(' or ')
    : schema.enum.map((value) => code(String(value))).join(' or ');
}
