/**
 * `mesh serve`: doors for clients that know nothing of the mesh.
 */
import type { Command } from 'commander';
import { register as registerLlm } from './serve/llm.js';
import { register as registerMcp } from './serve/mcp.js';
import { register as registerToken } from './serve/token.js';

/** Add the command and what it can do. */
export function register(program: Command): void {
  const serve = program
    .command('serve')
    .summary('the mesh as a server for others')
    .description('Doors for clients that know nothing of the mesh.');
  registerMcp(serve);
  registerLlm(serve);
  registerToken(serve);
}
