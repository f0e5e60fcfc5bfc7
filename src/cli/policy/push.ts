/**
 * `mesh policy push`: put a policy in force.
 */
import { InvalidArgumentError, type Command } from 'commander';
import { compilePolicy } from '../../domain/policy.js';
import { meshError } from '../../wire/errors.js';
import type { Admin } from '../../wire/generated/messages.js';
import { viewOptions } from '../calls/ask.js';
import type { ContextOptions } from '../context.js';
import { asOperator } from '../operator.js';
import { paint, say, sayJson } from '../output.js';
import { here, textsOf } from './file.js';

interface PushOptions extends ContextOptions {
  readonly shadow?: boolean;
  readonly share?: number;
}

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
    .option('--shadow', 'do not put it in force: let gateways judge by it beside the live one, and count')
    .option('--share <part>', 'with --shadow: part of the calls that is judged by it (default: 1, all)', part)
    .addHelpText('after', HELP)
    .action(push);
}

const HELP = `
Examples:
  $ mesh policy diff candidate.yaml
  $ mesh policy push candidate.yaml --shadow     then: mesh policy shadow
  $ mesh policy push candidate.yaml`;

async function push(file: string, options: PushOptions): Promise<void> {
  const { text, files } = textsOf(file);
  const { digest } = compilePolicy(text, here(file), files);
  const admin = { policy: text, ...(Object.keys(files).length === 0 ? {} : { files: { ...files } }) };
  if (options.shadow === true) {
    return await pushShadow(options, { ...admin, share: options.share ?? 1 });
  }
  const pushed = await asOperator(options, [], (operator) => operator.command<Pushed>('policy', admin));
  if (pushed.digest !== digest) {
    throw meshError('config_invalid', { file: here(file), where: 'its text', why: 'it changed meanwhile' });
  }
  if (options.json === true) {
    return sayJson(pushed);
  }
  const before = pushed.before === undefined ? '' : ` in place of ${pushed.before}`;
  say(`${paint.green('In force:')} ${pushed.digest}${before}, ${pushed.rules} rules`);
}

async function pushShadow(options: PushOptions, admin: Admin): Promise<void> {
  const pushed = await asOperator(options, [], (operator) => operator.command<Pushed>('shadow', admin));
  if (options.json === true) {
    return sayJson(pushed);
  }
  say(`${paint.green('Beside the live one:')} ${pushed.digest}, ${pushed.rules} rules. It decides nothing;`);
  say('`mesh policy shadow` shows what it would decide otherwise.');
}

function part(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value > 0 && value <= 1)) {
    throw new InvalidArgumentError('It must be a number above 0 and up to 1.');
  }
  return value;
}
