/**
 * `mesh mount`: things that are not agents, mounted as agents.
 */
import { InvalidArgumentError, type Command } from 'commander';
import { mountMcp, type Mounted, type ToolOverride } from '../adapters/mcp.js';
import { connect, MeshError } from '../agent/index.js';
import { nearNames } from '../domain/near.js';
import { CONNECTS, openContext, type Context } from './context.js';
import { exitOfError, exits, note, paint, say, sayError, sayJson, table } from './output.js';
import { withSettings, type Flags } from './settings.js';

interface MountMcpOptions extends Flags {
  readonly as?: string;
  readonly name?: string;
  readonly override?: Overrides;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly json?: boolean;
}

type Overrides = Readonly<Record<string, ToolOverride>>;

/** Add the command and what it can mount. */
export function register(program: Command): void {
  const mount = program
    .command('mount')
    .summary('mount an MCP server as an agent')
    .description('Mount things that are not agents as agents.');
  withSettings(mount.command('mcp <command...>'), ...CONNECTS, 'mount.concurrency')
    .summary('mount a stdio MCP server: every tool becomes a capability')
    .description(
      'Start a stdio MCP server and serve every tool of it as the capability <as>.<tool>, until Ctrl-C. Needs the credentials of an agent (mesh agents add) that the policy lets serve <as>.>.',
    )
    .option('--as <name>', 'first part of the capabilities (default: --name, else mcp)')
    .option('--name <user>', 'agent whose credentials to use (default: --as)')
    .option(
      '--override <tool:key=value>',
      'say something else than the tool does: idempotent, readOnly, attemptMs, lifeMs, costMicros, version, proficiency',
      collectOverride,
    )
    .option('--cwd <folder>', 'folder the server is started in')
    .option('--env <key=value>', 'variable of its environment, which is otherwise nearly empty', collectEnv)
    .option('--json', 'print one JSON line when ready')
    .addHelpText('after', HELP)
    .action(mountMcpCommand);
}

const HELP = `
Examples:
  $ mesh agents add fs
  $ mesh mount mcp --as fs -- npx @modelcontextprotocol/server-filesystem ./docs
  $ mesh mount mcp --as fs --override write_file:idempotent=false --override read_file:attemptMs=5000 -- npx …

An idempotent tool may be dispatched again when an attempt is lost. By default that is what the tool says of itself.`;

async function mountMcpCommand(command: readonly string[], options: MountMcpOptions): Promise<void> {
  const stopped = stopRequest();
  const json = options.json === true;
  const mounted = await start(command, options).catch((err: unknown) => {
    sayError(err, json);
    process.exit(exitOfError(err)); // a connection made on the way would keep the process
  });
  if (json) {
    sayJson(facts(mounted));
  } else {
    say(...report(mounted));
  }
  const gaveUp = await Promise.race([stopped, mounted.ended]);
  if (gaveUp !== undefined) {
    sayError(gaveUp, json);
  }
  await mounted.close();
  process.exit(gaveUp === undefined ? exits.completed : exits.failed);
}

async function start(words: readonly string[], options: MountMcpOptions): Promise<Mounted> {
  const as = options.as ?? options.name ?? 'mcp';
  const { cwd, env, override: overrides } = options;
  const context = contextOf(options.name ?? as, options);
  const [command = '', ...args] = words;
  const mesh = await connect({
    url: context.url,
    creds: context.credentials,
    description: `MCP server: ${words.join(' ')}`.slice(0, 200),
    concurrency: context.settings.orDefault('mount.concurrency'),
  });
  return await mountMcp(mesh, {
    as,
    command,
    args,
    say: note,
    onStderr: (text) => void process.stderr.write(text),
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
    ...(overrides === undefined ? {} : { overrides }),
  });
}

function contextOf(user: string, options: MountMcpOptions): Context {
  try {
    // --as names the capabilities here, not the user.
    const { as: _, name: __, ...flags } = options;
    return openContext(flags, user, ['mount.concurrency']);
  } catch (err) {
    if (err instanceof MeshError && err.code === 'config_missing') {
      note(`${user} has no credentials here; mesh agents add ${user} makes them.`);
    }
    throw err;
  }
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

/** Resolves at the first wish to stop; at the second the process ends as it is. */
function stopRequest(): Promise<undefined> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (): void => {
      if (asked) {
        process.exit(exits.failed);
      }
      asked = true;
      resolve(undefined);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
    // Started by another command of ours: the channel closes when that dies, however it dies.
    process.once('disconnect', onSignal);
  });
}

const READERS: Readonly<Record<string, (value: string) => unknown>> = {
  idempotent: yesOrNo,
  readOnly: yesOrNo,
  attemptMs: wholeNumber,
  lifeMs: wholeNumber,
  costMicros: wholeNumber,
  version: (value) => value,
  proficiency: (value) => value,
};

function collectOverride(text: string, before: Overrides = {}): Overrides {
  const [, tool = '', key = '', value = ''] = /^(.+):(\w+)=(.*)$/.exec(text) ?? [];
  const read = READERS[key];
  if (read === undefined) {
    const [near] = nearNames(key, Object.keys(READERS));
    const hint =
      near === undefined ? `key one of ${Object.keys(READERS).join(', ')}` : `did you mean ${near}?`;
    throw new InvalidArgumentError(`It must be tool:key=value; ${hint}.`);
  }
  return { ...before, [tool]: { ...before[tool], [key]: read(value) } };
}

function collectEnv(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) {
    throw new InvalidArgumentError('It must be key=value.');
  }
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

function wholeNumber(text: string): number {
  if (!/^\d{1,12}$/.test(text)) {
    throw new InvalidArgumentError('It must be a whole number.');
  }
  return Number(text);
}

function yesOrNo(text: string): boolean {
  if (text !== 'true' && text !== 'false') {
    throw new InvalidArgumentError('It must be true or false.');
  }
  return text === 'true';
}
