/**
 * `mesh mount llm`: a model of a provider as a capability.
 */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { checkBaseUrl, mountLlm, type LlmOptions, type MountedLlm } from '../../adapters/llm/mount.js';
import { TOKEN_FIELDS } from '../../adapters/llm/request.js';
import { connect } from '../../agent/index.js';
import { meshError } from '../../wire/errors.js';
import { CONNECTS, openContext, type Context } from '../context.js';
import { note, paint } from '../output.js';
import { withSettings, type Flags } from '../settings.js';
import { collectPair } from './options.js';
import { contextFor, runMount } from './run.js';
import { checkedSecret, secretFrom, secretIn } from './secrets.js';

interface MountLlmOptions extends Flags {
  readonly as: string;
  readonly name: string;
  readonly model: string;
  readonly baseUrl?: string;
  readonly provider?: string;
  readonly keyEnv?: string;
  readonly keyFile?: string;
  readonly headerEnv?: Readonly<Record<string, string>>;
  readonly tokensField?: LlmOptions['tokensField'];
  readonly costMicros?: number;
  readonly proficiency?: 'novice' | 'competent' | 'expert';
  readonly idempotent?: boolean;
  readonly json?: boolean;
}

const SETTINGS = ['mount.concurrency', 'mount.maxTokens', 'mount.finishMs'] as const;
const OPENAI = 'https://api.openai.com/v1';

/** Add the command. */
export function register(mount: Command): void {
  withSettings(mount.command('llm'), ...CONNECTS, ...SETTINGS)
    .summary('mount a model: chat completions become a capability')
    .description(
      'Serve a model of a provider that speaks the chat completions protocol of OpenAI as a capability, until Ctrl-C. The key of the provider stays in this process. What the provider says that a call used is what the call used; list the agent under meters in the policy, and it counts as measured. Needs the credentials of an agent (mesh agents add) that the policy lets serve the capability.',
    )
    .requiredOption('--model <model>', 'the model, as the provider calls it')
    .option('--as <capability>', 'the capability', 'llm.chat')
    .option('--name <user>', 'agent whose credentials to use', 'llm')
    .option('--base-url <url>', `where /chat/completions is (default: $OPENAI_BASE_URL, else ${OPENAI})`)
    .option('--provider <name>', 'name of the provider on the card (default: the host of its url)')
    .option('--key-env <variable>', 'the variable that holds the key')
    .option('--key-file <file>', 'the file that holds the key; nobody else may be able to read it')
    .option('--header-env <name=variable>', 'a header more, and the variable that holds it', collectPair)
    .addOption(
      new Option(
        '--tokens-field <name>',
        'what the provider calls the bound of an answer (default: max_completion_tokens for OpenAI, else max_tokens)',
      ).choices(TOKEN_FIELDS),
    )
    .option('--cost-micros <n>', 'price of one call on the card, in millionths of a US dollar', wholeNumber)
    .addOption(
      new Option('--proficiency <level>', 'how good it is').choices(['novice', 'competent', 'expert']),
    )
    .option('--idempotent', 'a lost attempt may be made again, here or elsewhere: it costs twice')
    .option('--json', 'print one JSON line when ready')
    .addHelpText('after', HELP)
    .action((options: MountLlmOptions) =>
      runMount(options.json === true, () => start(options), { facts, report }),
    );
}

const HELP = `
Examples:
  $ mesh agents add llm
  $ OPENAI_API_KEY=… mesh mount llm --model gpt-4o-mini --key-env OPENAI_API_KEY
  $ mesh mount llm --model qwen3 --base-url http://127.0.0.1:11434/v1 --max-tokens 2000
  $ mesh mount llm --as llm.strong --name strong --model gpt-5 --key-file ~/.openai.key
  $ mesh call llm.chat '{"messages":[{"role":"user","content":"Say hello."}]}' --stream

Callers ask for at most --max-tokens. A cancelled call reads the answer on for --finish, because the usage stands at
its end; what a provider does not say is charged as the most that it can be.`;

async function start(options: MountLlmOptions): Promise<MountedLlm> {
  const url = checkBaseUrl(options.baseUrl ?? process.env['OPENAI_BASE_URL'] ?? OPENAI);
  const secrets = secretsOf(options);
  if (url.protocol === 'http:' && secrets.key !== undefined && !isHere(url)) {
    note('the key crosses the network in clear text: the url of the provider is not https');
  }
  const { as: capability, name, model, provider = url.host, tokensField } = options;
  const { url: server, credentials, settings } = contextOf(name, options);
  const mesh = await connect({
    url: server,
    creds: credentials,
    description: `The model ${model} of ${provider}.`,
    concurrency: settings.orDefault('mount.concurrency'),
  });
  return await mountLlm(mesh, {
    ...secrets,
    capability,
    model,
    provider,
    baseUrl: url.href,
    maxTokens: settings.orDefault('mount.maxTokens'),
    finishMs: settings.orDefault('mount.finishMs'),
    tokensField: tokensField ?? (url.host === 'api.openai.com' ? 'max_completion_tokens' : 'max_tokens'),
    card: cardOf(options),
  });
}

function secretsOf({
  keyEnv,
  keyFile,
  headerEnv = {},
}: MountLlmOptions): Pick<LlmOptions, 'key' | 'headers'> {
  if (keyEnv !== undefined && keyFile !== undefined) {
    throw meshError('usage', { why: 'the key is in a variable or in a file: --key-env or --key-file' });
  }
  const headers = Object.entries(headerEnv).map(([name, variable]) => [
    name,
    checkedSecret(secretIn(variable), variable),
  ]);
  return {
    key: keyEnv === undefined ? keyFile && secretFrom(keyFile) : checkedSecret(secretIn(keyEnv), keyEnv),
    headers: Object.fromEntries(headers) as Record<string, string>,
  };
}

function cardOf({ costMicros, proficiency, idempotent }: MountLlmOptions): NonNullable<LlmOptions['card']> {
  return {
    ...(costMicros === undefined ? {} : { costMicros }),
    ...(proficiency === undefined ? {} : { proficiency }),
    ...(idempotent === undefined ? {} : { idempotent }),
  };
}

function contextOf(user: string, options: MountLlmOptions): Context {
  const { as: _, name: __, ...flags } = options; // --as names the capability here, not the user
  return contextFor(user, () => openContext(flags, user, SETTINGS));
}

function isHere({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}

function facts({ capability, model, provider }: MountedLlm): object {
  return { ready: true, capability, model, provider, pid: process.pid };
}

function report({ capability, model, provider }: MountedLlm): string[] {
  return [`${paint.green(model)} of ${provider} is mounted as ${capability}`, 'Ctrl-C ends the mount.'];
}

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) {
    throw new InvalidArgumentError('It must be a whole number from 0 to 10^15.');
  }
  return Number(text);
}
