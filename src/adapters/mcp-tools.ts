/**
 * From the tools of an MCP server to capabilities: names, schemas, hints.
 */
import type { CallToolResult, Implementation, Tool } from '@modelcontextprotocol/sdk/types.js';
import type { CapabilityOptions } from '../agent/index.js';
import { contentSchema } from './mcp-content.js';
import { mountFailed, usage } from './mcp-error.js';
import { convertSchema } from './mcp-schema.js';

/** What a mount may say of a tool instead of the tool itself. */
export type ToolOverride = Omit<CapabilityOptions, 'input' | 'output'>;

/** A tool and the capability it is served as. */
export interface MountedTool {
  readonly tool: string;
  readonly capability: string;
  readonly options: CapabilityOptions;
  /** The result is the tool's structured content; without an output schema it is its content parts. */
  readonly structured: boolean;
  /** Places in its schemas where a check is left to the tool itself. */
  readonly loosened: readonly string[];
}

const MAX_TOOLS = 256;
const MAX_DESCRIPTION = 2_048;
const MAX_NUMBER = 65_535;
const TOKEN_CHARS = 64;

/** Map every tool. Throws mount_failed (two tools of one name, a name that cannot be used), usage (unknown override). */
export function mapTools(
  as: string,
  tools: readonly Tool[],
  server: Implementation | undefined,
  overrides: Readonly<Record<string, ToolOverride>>,
): MountedTool[] {
  if (tools.length === 0 || tools.length > MAX_TOOLS) {
    throw mountFailed(`it has ${tools.length} tools, 1 to ${MAX_TOOLS} can be mounted`);
  }
  const names = new Map<string, string>();
  for (const { name } of tools) {
    const token = tokenOf(name);
    const other = names.get(token);
    if (other !== undefined) {
      const both = `${JSON.stringify(other)} and ${JSON.stringify(name)}`;
      throw mountFailed(`its tools ${both} would both be ${as}.${token}`);
    }
    names.set(token, name);
  }
  const unknown = Object.keys(overrides).find((key) => !names.has(key) && !tools.some((t) => t.name === key));
  if (unknown !== undefined) {
    const known = [...names.keys()].join(', ');
    throw usage(`an override names the tool ${JSON.stringify(unknown)}; there are ${known}`);
  }
  return tools.map((tool) => {
    const token = tokenOf(tool.name);
    return mapTool(`${as}.${token}`, tool, versionOf(server), overrides[tool.name] ?? overrides[token] ?? {});
  });
}

/** The name of a tool as a token: lowercase, and `_` for what a token cannot hold. */
export function tokenOf(tool: string): string {
  const token = tool.toLowerCase().replace(/[^a-z0-9_-]/g, '_');
  if (token.length === 0 || token.length > TOKEN_CHARS) {
    const shown = JSON.stringify(tool.slice(0, 80));
    throw mountFailed(
      `the name of its tool ${shown} has ${token.length} characters, not 1 to ${TOKEN_CHARS}`,
    );
  }
  return token;
}

function mapTool(capability: string, tool: Tool, version: string, override: ToolOverride): MountedTool {
  const hints = tool.annotations ?? {};
  const readOnly = override.readOnly ?? hints.readOnlyHint ?? false;
  const input = convertSchema(tool.inputSchema);
  const output = convertSchema(tool.outputSchema ?? contentSchema);
  return {
    tool: tool.name,
    capability,
    options: {
      version,
      description: (tool.description ?? tool.title ?? hints.title ?? '').slice(0, MAX_DESCRIPTION),
      ...override,
      readOnly,
      // What changes nothing may be repeated.
      idempotent: override.idempotent ?? (readOnly || (hints.idempotentHint ?? false)),
      input: input.schema,
      output: output.schema,
    },
    structured: tool.outputSchema !== undefined,
    loosened: [...input.loosened.map((at) => `input${at}`), ...output.loosened.map((at) => `output${at}`)],
  };
}

/** The server's own version as `major.minor`; what is not one counts as 1.0. */
function versionOf(server: Implementation | undefined): string {
  const [, major = '', minor = ''] = /^v?(\d{1,5})\.(\d{1,5})(?!\d)/.exec(server?.version ?? '') ?? [];
  const usable = major !== '' && Number(major) <= MAX_NUMBER && Number(minor) <= MAX_NUMBER;
  return usable ? `${Number(major)}.${Number(minor)}` : '1.0';
}

/** The result of a call as the capability gives it. Throws what the tool says when it failed. */
export function resultOf(mounted: MountedTool, result: CallToolResult): unknown {
  if (result.isError === true) {
    throw new Error(textOf(result) || `the tool ${mounted.tool} failed and gave no reason`);
  }
  if (!mounted.structured) {
    return { content: result.content };
  }
  if (result.structuredContent === undefined) {
    throw new Error(`the tool ${mounted.tool} has an output schema and gave no structured content`);
  }
  return result.structuredContent;
}

function textOf(result: CallToolResult): string {
  return result.content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
}
