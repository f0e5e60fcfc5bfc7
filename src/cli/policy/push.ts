/**
 * `mesh policy push`: put a policy in force.
 */
import type { Command } from 'commander';
import { compilePolicy } from '../../domain/policy.js';
import { meshError } from '../../wire/errors.js';
import { viewOptions } from '../calls/ask.js';
import type { ContextOptions } from '../context.js';
import { asOperator } from '../operator.js';
import { paint, say, sayJson } from '../output.js';
import { here, textsOf } from './file.js';

interface Pushed {
  readonly digest: string;
  readonly rules: number;
  readonly before?: string;
}

/** Add the command. */
export function registerPush(policy: Command): void {
  viewOptions(policy.command('push <file>'))
    .summary('put a policy in force')
    .description(
      'Check a policy file, with those of its owners, and put it in force: control stores it, and every gateway takes it between two calls. It stays in force until another is pushed, or the file that control follows changes.',
    )
    .addHelpText('after', HELP)
    .action(push);
}

const HELP = `
Examples:
  $ mesh policy diff candidate.yaml
  $ mesh policy push candidate.yaml`;

async function push(file: string, options: ContextOptions): Promise<void> {
  const { text, files } = textsOf(file);
  const { digest } = compilePolicy(text, here(file), files);
  const hasFiles = Object.keys(files).length > 0;
  const pushed = await asOperator(options, [], (operator) =>
    operator.command<Pushed>('policy', { policy: text, ...(hasFiles ? { files: { ...files } } : {}) }),
  );
  if (pushed.digest !== digest) {
    throw meshError('config_invalid', { file: here(file), where: 'its text', why: 'it changed meanwhile' });
  }
  if (options.json === true) {
    return sayJson(pushed);
  }
  const before = pushed.before === undefined ? '' : ` in place of ${pushed.before}`;
  say(`${paint.green('In force:')} ${pushed.digest}${before}, ${pushed.rules} rules`);
}
