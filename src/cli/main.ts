/**
 * The command `mesh`. Only the command that is asked for is loaded: `mesh call` should not pay for `mesh demo`.
 */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { packageFile } from '../fabric/package.js';
import { meshError } from '../wire/errors.js';
import { exitOfError, exits, sayError } from './output.js';

interface CommandModule {
  register(program: Command): void;
}

interface CommandRow {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

const commands: readonly CommandRow[] = [
  { name: 'up', summary: 'start a mesh: server, control and gateways', load: () => import('./up.js') },
  {
    name: 'demo',
    summary: 'real work on a real mesh, with the books at the end',
    load: () => import('./demo.js'),
  },
  { name: 'mount', summary: 'mount an MCP server as an agent', load: () => import('./mount.js') },
  { name: 'serve', summary: 'the mesh as a server for others', load: () => import('./serve.js') },
  { name: 'call', summary: 'call a capability', load: () => import('./call.js') },
  { name: 'calls', summary: 'what became of calls', load: () => import('./calls.js') },
  {
    name: 'trace',
    summary: 'where the time of a call went',
    load: () => import('./trace.js'),
  },
  { name: 'route', summary: 'why calls went where they went', load: () => import('./route.js') },
  { name: 'top', summary: 'who calls what, right now', load: () => import('./top.js') },
  { name: 'graph', summary: 'a picture of who calls what', load: () => import('./graph.js') },
  { name: 'agents', summary: 'who is there; add a name', load: () => import('./agents.js') },
  { name: 'grant', summary: 'hand authority on, narrow it, take it back', load: () => import('./grant.js') },
  {
    name: 'dead',
    summary: 'calls that were given up: look, replay, discard',
    load: () => import('./dead.js'),
  },
  { name: 'parked', summary: 'calls that wait: look, release, cancel', load: () => import('./parked.js') },
  {
    name: 'approvals',
    summary: 'calls that wait for your yes: look, approve, deny',
    load: () => import('./approvals.js'),
  },
  {
    name: 'policy',
    summary: 'check, test, explain, compare and push policies',
    load: () => import('./policy.js'),
  },
  { name: 'init', summary: 'write a settings file and a policy', load: () => import('./init.js') },
  {
    name: 'config',
    summary: 'settings in force, and what is wrong with them',
    load: () => import('./config.js'),
  },
  { name: 'doctor', summary: 'what is wrong here, and how to mend it', load: () => import('./doctor.js') },
  { name: 'bench', summary: 'measure this machine against the floor', load: () => import('./bench.js') },
  { name: 'gateway', summary: 'run one gateway', load: () => import('./gateway.js') },
  {
    name: 'interceptor',
    summary: 'judge one stage of the chain',
    load: () => import('./interceptor.js'),
  },
  { name: 'control', summary: 'run control', load: () => import('./control.js') },
  { name: 'identity', summary: 'run identity', load: () => import('./identity.js') },
];

/** Run the command line and set the exit code of the process. */
export async function run(argv: readonly string[]): Promise<void> {
  process.stdout.on('error', leaveWithReader);
  const json = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : undefined).includes('--json');
  try {
    const program = await build(argv);
    await program.parseAsync([...argv], { from: 'user' });
  } catch (err) {
    process.exitCode = fail(err, json);
  }
}

/** Whoever reads our output has enough (`mesh calls ls | head`). */
function leaveWithReader(err: NodeJS.ErrnoException): void {
  if (err.code === 'EPIPE') {
    process.exit();
  }
  throw err;
}

function fail(err: unknown, json: boolean): number {
  if (!(err instanceof CommanderError)) {
    sayError(err, json);
    return exitOfError(err);
  }
  if (err.exitCode === 0) {
    return 0; // --help, --version
  }
  if (err.code !== 'commander.help') {
    sayError(meshError('usage', { why: err.message.replace(/^error: /, '').replace(/\s*\n/g, ' ') }), json);
  }
  return exits.usage;
}

async function build(argv: readonly string[]): Promise<Command> {
  const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string };
  const program = new Command('mesh')
    .description('A mesh of agents on NATS JetStream.')
    .version(version)
    .exitOverride()
    .configureOutput({ outputError: () => undefined }) // errors are printed in one place, in our form
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', HELP);
  const words = argv.filter((word) => !word.startsWith('-'));
  const wanted = words[0] === 'help' ? words[1] : words[0];
  for (const { name, summary, load } of commands) {
    if (name === wanted) {
      (await load()).register(program);
    } else {
      program.command(name).summary(summary).description(summary);
    }
  }
  return program;
}

const HELP = `
Begin with:
  $ mesh up
  $ mesh agents add inventory
  $ mesh agents ls
  $ mesh call inventory.query '{"sku":"a-1"}'
  $ mesh calls ls

Exit codes: 0 completed, 1 failed, 2 usage, 3 refused, 4 expired or unknown.
In parentheses stand a flag's variable, its key in mesh.yaml and its default; the nearest counts: flag, variable,
file, default. mesh init writes the file, mesh config show says where each value comes from.`;
