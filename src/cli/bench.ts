/**
 * `mesh bench`: the bench is a program of its own, so that nothing of it lies in the product; this passes arguments on.
 */
import { spawn } from 'node:child_process';
import type { Command } from 'commander';
import { packageFile } from '../fabric/package.js';
import { exits } from './output.js';

/** Add the command. */
export function register(program: Command): void {
  program
    .command('bench')
    .summary('measure the mesh beside a raw durable call')
    .description(
      'Measure the mesh beside a raw durable call, every process on its own. See mesh bench --help.',
    )
    .helpOption(false) // the bench has its own
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (_options: object, command: Command) => {
      process.exitCode = await runBench(command.args);
    });
}

function runBench(args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [packageFile('dist/bench/main.js'), ...args], { stdio: 'inherit' });
  // Ctrl-C reaches the child by itself, as it belongs to the same terminal; it must outlive its parent's default.
  const pass = (signal: NodeJS.Signals) => (signal === 'SIGINT' ? undefined : child.kill(signal));
  process.on('SIGINT', pass);
  process.on('SIGTERM', pass);
  return new Promise((resolve) => {
    child.once('error', () => resolve(exits.failed));
    child.once('exit', (code) => resolve(code ?? exits.failed));
  });
}
