/**
 * An MCP server as an agent: every tool is a capability `<as>.<tool>`. Over stdio the server is a process of ours, over
 * HTTP it runs somewhere.
 *
 * Tools are read once, at the start. When the server ends by itself, the tasks it worked on fail, later ones wait while
 * it is started again (with back-off), and after several ends in a short while the mount gives up: the connection is
 * closed, so that the mesh turns to other instances, and `ended` tells the reason.
 */
import type { Mesh, MeshError, TaskContext } from '../agent/index.js';
import { KeptMcp } from './mcp-kept.js';
import { McpSession, type McpTarget } from './mcp-session.js';
import { mapTools, resultOf, type MountedTool, type ToolOverride } from './mcp-tools.js';

export type { McpCommand } from './mcp-child.js';
export type { McpEndpoint } from './mcp-endpoint.js';
export type { MountedTool, ToolOverride } from './mcp-tools.js';

/** A process that dies at once will do so again; what runs elsewhere may be on its way back. */
const RESTARTS = { command: 5, endpoint: 30 } as const;

/** What to mount, and as what. */
export type MountOptions = McpTarget & MountTerms;

/** How it is mounted. */
export interface MountTerms {
  /** First part of the capabilities' names: tool `read` of `fs` is `fs.read`. */
  readonly as: string;
  /**
   * By tool: what to say instead of the tool's own hints. A hint is only the word of the server; for one that is not
   * trusted say `idempotent: false`, and nothing is dispatched twice.
   */
  readonly overrides?: Readonly<Record<string, ToolOverride>>;
  /** Restarts in a short while before the mount gives up; default 5, over HTTP 30 (about 90 s). */
  readonly restarts?: number;
  /** Hears one sentence when the server ends by itself and is started again. */
  readonly say?: (sentence: string) => void;
}

/** A mounted server. */
export interface Mounted {
  readonly as: string;
  /** What the server says it is. */
  readonly server: { readonly name: string; readonly version: string };
  readonly tools: readonly MountedTool[];
  /** Resolves when the mount is over: with the reason when it gave up, with nothing after `close`. */
  readonly ended: Promise<MeshError | undefined>;
  /** Finish the tasks that run, close the connection (it cannot take back its card), end the server. */
  close(): Promise<void>;
}

/**
 * Mount a server on a connection, which from then on belongs to the mount.
 * Throws mount_failed, and what `serve` throws: not_certified, card_schema, card_conflict, name_invalid.
 */
export async function mountMcp(mesh: Mesh, options: MountOptions): Promise<Mounted> {
  const { as, overrides = {}, say = () => undefined } = options;
  const { restarts = 'endpoint' in options ? RESTARTS.endpoint : RESTARTS.command } = options;
  const first = await McpSession.open(options);
  try {
    const tools = mapTools(as, await first.tools(), first.info, overrides);
    const kept = new KeptMcp(options, first, { restarts, say });
    const offers = tools.map((tool) => ({
      name: tool.capability,
      options: tool.options,
      handler: handle(kept, tool),
    }));
    await mesh.serveAll(offers).catch(async (err: unknown) => {
      await kept.close();
      throw err;
    });
    return mountedOf(mesh, as, first, kept, tools);
  } catch (err) {
    await first.close();
    throw err;
  }
}

function handle(kept: KeptMcp, tool: MountedTool) {
  return async (body: unknown, ctx: TaskContext): Promise<unknown> =>
    resultOf(tool, await kept.call(tool.tool, body, ctx));
}

function mountedOf(
  mesh: Mesh,
  as: string,
  first: McpSession,
  kept: KeptMcp,
  tools: readonly MountedTool[],
): Mounted {
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await mesh.close();
    await kept.close();
  };
  const ended = kept.ended.then(async (err) => {
    await (closing ??= close());
    return err;
  });
  return {
    as,
    server: { name: first.info?.name ?? '', version: first.info?.version ?? '' },
    tools,
    ended,
    close: () => (closing ??= close()),
  };
}
