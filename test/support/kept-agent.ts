/**
 * An agent process that is started again when it was killed.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../dist/test/support/agent-process.js', import.meta.url));

export interface KeptAgent {
  readonly pid: number | undefined;
  /** SIGKILL; resolves when a new process serves. */
  killAndRestart(): Promise<void>;
  stop(): void;
}

/** Start one; resolves when it serves. `argv` as in agent-process.ts. */
export async function startAgent(argv: readonly string[]): Promise<KeptAgent> {
  let child = await launch(argv);
  return {
    get pid() {
      return child.pid;
    },
    async killAndRestart() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
      child = await launch(argv);
    },
    stop() {
      child.kill('SIGKILL');
    },
  };
}

function launch(argv: readonly string[]): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    const child = fork(PROGRAM, [...argv], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    child.once('message', () => resolve(child));
    child.once('exit', (code, signal) =>
      reject(new Error(`the agent ended before it served: ${code ?? signal}`)),
    );
  });
}
