/**
 * Terminals: shell scripts that are typed as a person would, some of which stay.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { until } from './mesh.js';

export interface TerminalOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/** One script in a shell of its own, which stops at the first command that fails. */
export class Terminal {
  readonly #child: ChildProcess;
  readonly #script: string;
  #said = '';
  #over = false;
  #code: number | null = null;

  constructor(script: string, options: TerminalOptions) {
    this.#script = script;
    // A group of its own: Ctrl-C reaches the shell and everything it started.
    this.#child = spawn('sh', ['-e', '-c', script], {
      ...options,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const hear = (chunk: Buffer): void => void (this.#said += chunk.toString());
    this.#child.stdout?.on('data', hear);
    this.#child.stderr?.on('data', hear);
    this.#child.once('close', (code) => {
      this.#code = code;
      this.#over = true;
    });
  }

  /** Everything that was printed so far. */
  get said(): string {
    return this.#said;
  }

  /** Wait until it prints this, and stays. */
  async shows(text: string, withinMs: number): Promise<void> {
    await until(() => this.#said.includes(text) || this.#over, withinMs);
    if (this.#over) {
      throw this.#failure();
    }
  }

  /** Wait for its end; what it printed. */
  async ends(withinMs: number): Promise<string> {
    await until(() => this.#over, withinMs).catch(() => undefined);
    if (this.#code !== 0) {
      throw this.#failure();
    }
    return this.#said;
  }

  /** Ctrl-C. */
  async interrupt(): Promise<void> {
    if (!this.#over && this.#child.pid !== undefined) {
      process.kill(-this.#child.pid, 'SIGINT');
      await until(() => this.#over);
    }
  }

  #failure(): Error {
    return new Error(
      `${this.#over ? `ended with ${this.#code}` : 'did not end'}:\n${this.#script}\n${this.#said}`,
    );
  }
}
