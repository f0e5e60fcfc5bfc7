/**
 * What a tool without an output schema gives: parts of text, images, links, as MCP defines them.
 */

/** The output schema of such a tool as a capability. */
export const contentSchema = {
  type: 'object',
  properties: {
    content: {
      type: 'array',
      items: { type: 'object', properties: { type: { type: 'string' } }, required: ['type'] },
    },
  },
  required: ['content'],
} as const;

const TEXT = JSON.stringify(contentSchema);

/** Is this the output schema of such a tool? */
export function isContentSchema(schema: object | boolean): boolean {
  return JSON.stringify(schema) === TEXT;
}
