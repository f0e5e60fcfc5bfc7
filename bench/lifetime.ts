/**
 * How long things live: a rig ends with the work it was started for, also when that fails or a signal comes.
 */
import { startRig, type Rig, type RigOptions } from './rig.js';

/** What must be stopped. */
interface Stoppable {
  stop(): Promise<void>;
}

const current = new Set<Stoppable>();

/** Start a rig, work with it, stop it. */
export async function withRig<T>(options: RigOptions, work: (rig: Rig) => Promise<T>): Promise<T> {
  const rig = await startRig(options);
  return await during(rig, () => work(rig));
}

/** Work with something that is stopped at the end of the work, and when the program is interrupted. */
export async function during<T>(thing: Stoppable, work: () => Promise<T>): Promise<T> {
  current.add(thing);
  try {
    return await work();
  } finally {
    current.delete(thing);
    await thing.stop();
  }
}

/** Progress goes to stderr: stdout is for results. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Run a program to its end and exit with the code it gives; 1 when it throws, 130 when it was interrupted. */
export async function runProgram(name: string, program: () => Promise<number>): Promise<never> {
  const alive = setInterval(() => undefined, 1_000); // waiting for a process that was let go keeps nothing alive
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      note(`${name}: stopping`);
      void Promise.all([...current].map((one) => one.stop())).finally(() => process.exit(130));
    });
  }
  let code = 1;
  try {
    code = await program();
  } catch (err) {
    note(`${name}: ${err instanceof Error ? (err.stack ?? err.message) : String(err)}`);
  }
  clearInterval(alive);
  process.exit(code);
}
