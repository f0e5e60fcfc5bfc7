/**
 * A shape as a JSON Schema. Draft 07, because that is what editors of YAML understand.
 */
import { DURATION } from './duration.js';
import type { Field, Fields, Shape, Text } from './shape.js';

/** The schema of a file. */
export function schemaOfFile(title: string, what: string, shape: Shape): object {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title,
    description: what,
    ...schemaOf(shape),
  };
}

function schemaOf(shape: Shape): object {
  switch (shape.is) {
    case 'whole': {
      const number = { type: 'integer', minimum: shape.min, maximum: shape.max };
      return shape.unit === 'ms' ? { anyOf: [number, { type: 'string', pattern: DURATION.source }] } : number;
    }
    case 'part':
      return { type: 'number', minimum: shape.min, maximum: shape.max };
    case 'choice':
      return { enum: shape.of };
    case 'text':
      return textSchema(shape);
    case 'flag':
      return { type: 'boolean' };
    case 'list':
      return { type: 'array', items: schemaOf(shape.of) };
    case 'names':
      return {
        type: ['object', 'null'],
        propertyNames: { pattern: shape.key.pattern.source },
        additionalProperties: schemaOf(shape.of),
      };
    case 'keys':
      return {
        type: ['object', 'null'],
        properties: propertiesOf(shape.fields),
        required: Object.keys(shape.fields).filter((key) => shape.fields[key]?.needed === true),
        additionalProperties: false,
      };
    case 'either':
      return { anyOf: [schemaOf(shape.word), schemaOf(shape.map)] };
  }
}

function textSchema({ pattern, digits }: Text): object {
  const text = { type: 'string', pattern: pattern.source };
  return digits === undefined ? text : { anyOf: [{ type: 'integer', minimum: 0, maximum: digits }, text] };
}

function propertiesOf(fields: Fields): object {
  return Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, fieldSchema(field)]));
}

function fieldSchema({ what, shape, fallback }: Field): object {
  return { description: what, ...schemaOf(shape), ...(fallback === undefined ? {} : { default: fallback }) };
}
