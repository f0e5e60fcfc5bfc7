/**
 * A capability as a tool.
 */
import type { Tool } from '@modelcontextprotocol/sdk/types.js';
import type { Found } from '../../agent/index.js';
import { isContentSchema } from '../mcp-content.js';
import { toolNamed, type NameStyle } from './names.js';
import { argumentsFor, resultFor } from './schemas.js';

/** A tool, and what is needed to call its capability. */
export interface Offered {
  readonly tool: Tool;
  readonly capability: string;
  /** The major whose schemas the tool shows: calls ask for it. */
  readonly major: number;
  readonly lifeMs: number;
  /** The body is the argument `body`. */
  readonly wrapped: boolean;
  /** The result is content of MCP already: the capability is itself a mounted tool. */
  readonly content: boolean;
}

/** The newest major of a capability as a tool, or nothing when its name is too long for one. */
export function offer(
  { name, majors }: Found['capabilities'][number],
  style: NameStyle,
): Offered | undefined {
  const tool = toolNamed(name, style);
  const [newest] = majors;
  if (tool === undefined || newest === undefined) {
    return undefined;
  }
  const { major, description, input, output, idempotent, readOnly, lifeMs } = newest;
  const { schema, wrapped } = argumentsFor(input);
  const content = isContentSchema(output);
  const result = content ? undefined : resultFor(output);
  return {
    tool: {
      name: tool,
      title: name,
      ...(description === '' ? {} : { description }),
      inputSchema: schema,
      ...(result === undefined ? {} : { outputSchema: result }),
      annotations: { readOnlyHint: readOnly, idempotentHint: idempotent || readOnly },
      _meta: { 'capmesh/capability': name, 'capmesh/major': major },
    },
    capability: name,
    major,
    lifeMs,
    wrapped,
    content,
  };
}
