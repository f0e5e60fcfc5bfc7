/**
 * `mesh demo`: real work on a real mesh, with a refusal and a crash on the way, and the books at the end.
 */
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { connect } from '../agent/index.js';
import { connectBroker } from '../fabric/connection.js';
import { packageFile } from '../fabric/package.js';
import { meshError } from '../wire/errors.js';
import { runProgram, type Actor } from './demo/actor.js';
import type { Books } from './demo/balance.js';
import { readLedger, type Ledger, type LedgerCall } from './demo/ledger.js';
import { printBooks, printCrash, printRefusal, printReport, printTree, type Killed } from './demo/print.js';
import type { Report } from './demo/report.js';
import { Stage } from './demo/stage.js';
import { treesOf } from './demo/tree.js';
import { exitOfError, exits, note, paint, say, sayError, sayJson } from './output.js';
import type { RunningMesh } from './up/mesh.js';

const CALL_MS = 45_000;
const INTERRUPTED = 130;

type Progress = (sentence: string) => void;

/** What the demo did. */
interface Played {
  readonly report: Report;
  readonly killed: Killed;
  readonly ledger: Ledger;
  readonly books: Books & { readonly pid: number };
}

/** Add the command. */
export function register(program: Command): void {
  program
    .command('demo')
    .summary('real work on a real mesh, with the books at the end')
    .description(
      'Start a mesh in a temporary folder, mount the filesystem MCP server over the docs of this package, let agents list, read, outline and count them, kill one of them at its work, and balance the books. Takes a few seconds and leaves nothing behind.',
    )
    .option('--offline', 'fetch no nats-server when none is found (or MESH_OFFLINE=1)')
    .option('--json', 'print one JSON line')
    .addHelpText('after', HELP)
    .action(demo);
}

const HELP = `
Examples:
  $ mesh demo
  $ mesh demo --json

Exits with 0 when the books balance, with 1 when they do not.`;

async function demo({ json = false, offline }: { json?: boolean; offline?: boolean }): Promise<void> {
  const began = performance.now();
  const stage = new Stage({ say: note, ...(offline === undefined ? {} : { offline }) });
  const leave = leaveOnSignal(stage);
  const folder = packageFile('docs');
  try {
    const played = await play(stage, folder, json ? () => undefined : progressFrom(began));
    await stage.close();
    if (json) {
      sayJson(facts(played, folder, performance.now() - began));
    } else {
      say(...print(played, folder));
    }
    process.exitCode = isShown(played) ? exits.completed : exits.failed;
  } catch (err) {
    await stage.close();
    process.exitCode = leave.asked ? INTERRUPTED : exitOfError(err);
    if (!leave.asked) {
      sayError(err, json);
    }
  }
  process.exit(); // what a library still holds must not keep a finished demo
}

/** Ctrl-C stops all processes and removes the folder; a second one ends at once. */
function leaveOnSignal(stage: Stage): { asked: boolean } {
  const state = { asked: false };
  const leave = (): void => {
    if (state.asked) {
      process.exit(INTERRUPTED);
    }
    state.asked = true;
    note('stopping …');
    void stage.close().then(() => process.exit(INTERRUPTED));
  };
  process.on('SIGINT', leave);
  process.on('SIGTERM', leave);
  return state;
}

async function play(stage: Stage, folder: string, progress: Progress): Promise<Played> {
  const mesh = await stage.startMesh();
  const version = mesh.server?.version ?? '';
  progress(`a mesh runs: nats-server ${version}, control, ${mesh.gateways.length} gateways`);
  const crash = new Crash(progress);
  const outliner = (): Promise<Actor> => stage.startAgent(mesh, 'outliner', crash.hear);
  await Promise.all([
    ...['lister', 'reader', 'counter', 'reporter'].map((name) => stage.startAgent(mesh, name)),
    outliner(),
    outliner(),
  ]);
  progress('agents serve: lister, reader, counter, reporter, and two instances of outliner');
  const files = await stage.mountFiles(mesh, folder);
  progress(`mounted the MCP server ${nameOf(files)} over ${relative(process.cwd(), folder) || '.'}`);
  const report = await ask(stage, mesh, folder, progress);
  const { ledger, books } = await closeBooks(stage, mesh);
  const killed = crash.killed;
  if (killed === undefined) {
    throw meshError('internal', { where: 'the demo: no instance was at work' });
  }
  return { report, killed, ledger, books };
}

function nameOf(files: Actor): string {
  const { server, tools } = files.said as { server?: { name: string; version: string }; tools?: unknown[] };
  return `${server?.name} ${server?.version} (${tools?.length} tools)`;
}

/** Kills the first instance that says it is at work, by its process id; tells all others to go on. */
class Crash {
  killed: Killed | undefined;
  readonly #progress: Progress;

  constructor(progress: Progress) {
    this.#progress = progress;
  }

  readonly hear = (message: unknown, actor: Actor): void => {
    const { working } = message as { working?: string };
    if (working === undefined) {
      return;
    }
    if (this.killed !== undefined) {
      return actor.tell('go on');
    }
    actor.kill();
    this.killed = { agent: actor.name, pid: actor.pid, call: working };
    this.#progress(`killed ${actor.name} (process ${actor.pid}) with SIGKILL while it works on ${working}`);
  };
}

async function ask(stage: Stage, mesh: RunningMesh, folder: string, progress: Progress): Promise<Report> {
  const connecting = connect({ url: mesh.url, creds: mesh.credentials('me') });
  const me = await stage.use(connecting, (one) => one.close());
  progress('me asks: docs.report');
  const report = await me.call<Report>('docs.report', { folder }, { timeoutMs: CALL_MS });
  progress('the report is there');
  return report;
}

async function closeBooks(stage: Stage, mesh: RunningMesh): Promise<Pick<Played, 'ledger' | 'books'>> {
  const books = (await runProgram({
    name: 'books',
    args: [fileURLToPath(new URL('demo/books.js', import.meta.url))],
    env: stage.env(mesh, 'operator'),
    logFile: `${stage.folder}/books.log`,
  })) as unknown as Played['books'];
  const { name, seed } = mesh.credentials('operator');
  const nc = await stage.use(connectBroker({ url: mesh.url, name, seed }), (one) => one.close());
  return { books, ledger: await readLedger(nc) };
}

function isShown({ books }: Played): boolean {
  return books.balanced && books.refused >= 1 && books.recovered >= 1;
}

function refusalsOf({ ledger }: Played): LedgerCall[] {
  return [...ledger.calls.values()].filter((call) => call.outcomes[0]?.status === 'refused');
}

function facts(played: Played, folder: string, tookMs: number): object {
  const { report, killed, ledger, books } = played;
  return {
    ...books,
    tookMs: Math.round(tookMs),
    folder,
    report,
    refusals: refusalsOf(played).map(({ id, error }) => ({ call: id, error })),
    crash: killed,
    calls: treesOf(ledger.calls.values()),
  };
}

function print(played: Played, folder: string): string[] {
  const { report, killed, ledger, books } = played;
  const head = (text: string): string[] => ['', paint.bold(text)];
  const recovered = ledger.calls.get(killed.call);
  return [
    ...head('The report'),
    ...printReport(report, folder),
    ...head('The calls, as the streams tell them'),
    ...printTree(treesOf(ledger.calls.values()), folder),
    ...head('The refusal'),
    ...refusalsOf(played).flatMap(printRefusal),
    ...head('The crash'),
    ...printCrash(killed, recovered),
    ...head(`The books, by process ${books.pid} from the streams and the effect file`),
    ...printBooks(books),
  ];
}

function progressFrom(began: number): Progress {
  return (sentence) => {
    const seconds = ((performance.now() - began) / 1_000).toFixed(1).padStart(4);
    note(`${seconds} s  ${sentence}`);
  };
}
