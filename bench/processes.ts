/**
 * The processes of a run, seen from the one that started them.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { serviceFlags } from '../src/cli/up/child.js';
import { endProcess } from '../src/fabric/processes.js';
import type { ProcessSample } from './cpu.js';
import type { Order, PartSettings, Report, Seen, Window } from './protocol.js';

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));
const START_MS = 120_000;
const SLACK_MS = 40_000;

const SERVICES: ReadonlySet<string> = new Set(['gateway', 'control', 'interceptor']);

type Env = NodeJS.ProcessEnv;

/** A process that plays a part. */
export class PartProcess {
  readonly part: PartSettings['part'];
  /** Where it listens, if it said so. */
  url: string | undefined;
  readonly #child: ChildProcess;
  #waiting: { said: Report['said']; resolve: (report: Report) => void; reject: (err: Error) => void }[] = [];

  private constructor(part: PartSettings['part'], profile: string | undefined, env: Env) {
    this.part = part;
    // Gateways and control run with the flags that mesh up gives them; callers and agents are the user's own.
    const flags = SERVICES.has(part) ? serviceFlags : [];
    const execArgv = [
      ...flags,
      ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]),
    ];
    // Our stdout is for results; what a child prints goes to stderr.
    this.#child = fork(CHILD, [part], { execArgv, stdio: ['ignore', 2, 2, 'ipc'], env });
    this.#child.on('message', (report: Report) => this.#heard(report));
    this.#child.once('exit', (code) => this.#fail(new Error(`${part} ended with code ${code}`)));
  }

  /** Start one; resolves when it is ready. */
  static async start(settings: PartSettings, profile?: string, env: Env = process.env): Promise<PartProcess> {
    const started = new PartProcess(settings.part, profile, env);
    try {
      const ready = started.#hear('ready', START_MS);
      started.#tell({ do: 'start', settings });
      started.url = (await ready).url;
      return started;
    } catch (err) {
      await started.stop();
      throw err;
    }
  }

  /** Its CPU time and memory now, and how many calls it has completed so far. */
  async sample(): Promise<ProcessSample & { readonly completed: number }> {
    const answer = this.#hear('sample', SLACK_MS);
    this.#tell({ do: 'sample' });
    const { sample, completed } = await answer;
    return { ...sample, completed };
  }

  /** Let it call; `onOpen` and `onClosed` are told when the window begins and ends. */
  async run(window: Window, onOpen: () => void, onClosed: () => void): Promise<Seen> {
    const most = window.rampMs + window.windowMs + SLACK_MS;
    const [open, closed, drained] = [
      this.#hear('open', most),
      this.#hear('closed', most),
      this.#hear('drained', most),
    ];
    this.#tell({ do: 'run', window });
    const [, { seen }] = await Promise.all([
      open.then(onOpen),
      closed.then((it) => (onClosed(), it)),
      drained,
    ]);
    return seen;
  }

  /** End it: politely, then by its id. */
  async stop(): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) {
      return;
    }
    const gone = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#tell({ do: 'stop' });
    const late = setTimeout(() => void endProcess(pid), 6_000);
    await gone;
    clearTimeout(late);
  }

  #tell(order: Order): void {
    this.#child.send(order, () => undefined); // a child that is gone is noticed by its exit
  }

  #hear<S extends Report['said']>(said: S, withinMs: number): Promise<Extract<Report, { said: S }>> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${this.part} did not say "${said}" within ${withinMs} ms`)),
        withinMs,
      );
      this.#waiting.push({
        said,
        resolve: (report) => (clearTimeout(timer), resolve(report as Extract<Report, { said: S }>)),
        reject: (err) => (clearTimeout(timer), reject(err)),
      });
    });
  }

  #heard(report: Report): void {
    if (report.said === 'error') {
      return this.#fail(new Error(`${this.part}: ${report.text}`));
    }
    const first = this.#waiting.find((w) => w.said === report.said);
    this.#waiting = this.#waiting.filter((w) => w !== first);
    first?.resolve(report);
  }

  #fail(err: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    waiting.forEach((w) => w.reject(err));
  }
}
