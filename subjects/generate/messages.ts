/** Turns the JSON Schemas of `schemas/` into types and into data for the checks at run time. */
import { readdirSync, readFileSync } from 'node:fs';
import { compile } from 'json-schema-to-typescript';
import { banner, camel, literal } from './rows.js';

/** What the writers need of a JSON Schema. */
export interface Schema {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

/** The schemas by file name without `.json`, in alphabetical order. */
export function readSchemas(): [name: string, schema: Schema][] {
  return readdirSync('schemas')
    .filter((file) => file.endsWith('.json') && file !== 'errors.json')
    .sort()
    .map((file) => [file.slice(0, -5), JSON.parse(readFileSync(`schemas/${file}`, 'utf8')) as Schema]);
}

/** `src/wire/generated/messages.ts` */
export async function messagesFile(): Promise<string> {
  let text = banner;
  for (const [name, schema] of readSchemas()) {
    const options = { bannerComment: '', format: false, ignoreMinAndMaxItems: true };
    text += `${await compile(schema as Parameters<typeof compile>[0], schema.title ?? name, options)}\n`;
  }
  return text;
}

/** `src/wire/generated/schemas.ts` */
export function schemasFile(): string {
  const all = Object.fromEntries(readSchemas().map(([name, schema]) => [camel(name), schema]));
  return `${banner}/** The JSON Schema of every message, for ajv. */
export const schemas = ${literal(all)} as const;

/** Name of a message. */
export type SchemaName = keyof typeof schemas;
`;
}
