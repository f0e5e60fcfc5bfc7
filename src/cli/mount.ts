/**
 * `mesh mount`: things that are not agents, mounted as agents.
 */
import type { Command } from 'commander';
import type { Mounted } from '../adapters/mcp.js';
import { CONNECTS, openContext, type Context } from './context.js';
import { register as registerLlm } from './mount/llm.js';
import { collectOverride, collectPair, type Overrides } from './mount/options.js';
import { contextFor, runMount } from './mount/run.js';
import { meshUrlOr, targetOf, type TargetOptions } from './mount/target.js';
import { note, paint, table } from './output.js';
import { withSettings, type Flags } from './settings.js';

interface MountMcpOptions extends TargetOptions, Flags {
  readonly as?: string;
  readonly name?: string;
  readonly override?: Overrides;
  readonly json?: boolean;
}

const SETTINGS = ['mount.concurrency', 'mount.restarts'] as const;

/** Add the command and what it can mount. */
export function register(program: Command): void {
  const mount = program
    .command('mount')
    .summary('mount an MCP server or a model as an agent')
    .description('Mount things that are not agents as agents.');
  withSettings(
    mount.command('mcp [command...]'),
    ...CONNECTS.filter((key) => key !== 'server.url'),
    ...SETTINGS,
  )
    .summary('mount an MCP server: every tool becomes a capability')
    .description(
      'Serve every tool of an MCP server as the capability <as>.<tool>, until Ctrl-C. The server is a command that speaks MCP over stdio, or the url of one that speaks it over streamable HTTP. Needs the credentials of an agent (mesh agents add) that the policy lets serve <as>.>.',
    )
    .option('--as <name>', 'first part of the capabilities (default: --name, else mcp)')
    .option('--name <user>', 'agent whose credentials to use (default: --as)')
    .option(
      '--override <tool:key=value>',
      'say something else than the tool does: idempotent, readOnly, attemptMs, lifeMs, costMicros, version, proficiency',
      collectOverride,
    )
    .option('--cwd <folder>', 'folder the server is started in')
    .option('--env <key=value>', 'variable of its environment, which is otherwise nearly empty', collectPair)
    .option('--bearer-env <variable>', 'over HTTP: the variable that holds the bearer token')
    .option(
      '--header-env <name=variable>',
      'over HTTP: a header, and the variable that holds it',
      collectPair,
    )
    .option(
      '--url <url>',
      'http, https: the MCP server; else server of the mesh (default: the mesh that runs on the data folder, else $NATS_URL)',
      meshUrlOr,
    )
    .option('--json', 'print one JSON line when ready')
    .addHelpText('after', HELP)
    .action(mountMcpCommand);
  registerLlm(mount);
}

const HELP = `
Examples:
  $ mesh agents add fs
  $ mesh mount mcp --as fs -- npx @modelcontextprotocol/server-filesystem ./docs
  $ mesh mount mcp --as wiki --url https://wiki.example.com/mcp --bearer-env WIKI_TOKEN
  $ mesh mount mcp --as fs --override write_file:idempotent=false --override read_file:attemptMs=5000 -- npx …

An idempotent tool may be dispatched again when an attempt is lost. By default that is what the tool says of itself.`;

async function mountMcpCommand(command: readonly string[], options: MountMcpOptions): Promise<void> {
  await runMount(options.json === true, () => start(command, options), { facts, report });
}

async function start(words: readonly string[], options: MountMcpOptions): Promise<Mounted> {
  const as = options.as ?? options.name ?? 'mcp';
  const { override: overrides } = options;
  const { target, description, meshUrl } = targetOf(words, options);
  const context = contextOf(options.name ?? as, options, meshUrl);
  const restarts = context.settings.value('mount.restarts');
  const [{ connect }, { mountMcp }] = await Promise.all([
    import('../agent/index.js'),
    import('../adapters/mcp.js'),
  ]);
  const mesh = await connect({
    url: context.url,
    creds: context.credentials,
    description,
    concurrency: context.settings.orDefault('mount.concurrency'),
  });
  return await mountMcp(mesh, {
    ...target,
    as,
    say: note,
    ...(restarts === undefined ? {} : { restarts }),
    ...(overrides === undefined ? {} : { overrides }),
  });
}

function contextOf(user: string, options: MountMcpOptions, meshUrl: string | undefined): Context {
  // --as names the capabilities here, not the user; --url may be the server to mount.
  const { as: _, name: __, url: ___, ...flags } = options;
  const server = meshUrl === undefined ? {} : { url: meshUrl };
  return contextFor(user, () => openContext({ ...flags, ...server }, user, SETTINGS));
}

function facts({ as, server, tools }: Mounted): object {
  return {
    ready: true,
    as,
    server,
    pid: process.pid,
    tools: tools.map(({ tool, capability, options, loosened }) => ({
      tool,
      capability,
      version: options.version,
      readOnly: options.readOnly,
      idempotent: options.idempotent,
      ...(loosened.length === 0 ? {} : { loosened }),
    })),
  };
}

function report({ as, server, tools }: Mounted): string[] {
  const rows = tools.map(({ capability, options, loosened }) => [
    capability,
    options.version ?? '',
    options.readOnly === true ? 'reads' : 'may change things',
    options.idempotent === true ? 'idempotent' : paint.dim('at most once'),
    loosened.length === 0 ? '' : paint.yellow(`${loosened.length} checks left to the tool`),
  ]);
  return [
    `${paint.green(`${tools.length} tools`)} of ${server.name} ${server.version} are mounted as ${as}`,
    ...table(rows).map((line) => `  ${line}`),
    '',
    'Ctrl-C ends the mount.',
  ];
}
