/**
 * `mesh call`: make one call and print its result.
 */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { CallOptions, Mesh } from '../agent/index.js';
import type { Amounts } from '../domain/budget/amounts.js';
import { DIFFICULTIES, type Difficulty } from '../domain/routing/route.js';
import { readWish } from '../domain/routing/wish.js';
import { asMeshError, meshError, type MeshError } from '../wire/errors.js';
import type { Json } from '../wire/json.js';
import { asCapability } from '../wire/names.js';
import { priorityNames, type Priority } from '../wire/priority.js';
import { isCallId } from '../wire/ulid.js';
import { amountsOption } from './budget/amounts.js';
import { bodyOf, rawBytes } from './call/body.js';
import { callEachLine } from './call/each.js';
import { wholeNumber } from './calls/ask.js';
import { follow, questioner, sayOutcome } from './calls/follow.js';
import { grantText } from './grant/text.js';
import { CONNECTS, openContext, type ContextOptions } from './context.js';
import { exitOfError, exits, note, safe, say, sayError, sayJson } from './output.js';
import { withSettings } from './settings.js';

interface CallCommandOptions extends ContextOptions {
  readonly timeout?: number;
  readonly id?: string;
  readonly major?: number;
  readonly label?: Readonly<Record<string, string>>;
  readonly priority?: Priority;
  readonly context?: string;
  readonly intent?: string;
  readonly budget?: Amounts;
  readonly route?: string;
  readonly difficulty?: Difficulty;
  readonly grant?: string;
  readonly bytes?: boolean;
  readonly encoding?: 'json' | 'msgpack';
  readonly each?: string;
  readonly inFlight?: number;
  readonly ordered?: boolean;
  readonly stream?: boolean;
  readonly detach?: boolean;
}

const CALLS = ['call.timeoutMs', 'call.inFlight'] as const;

/** Add the command. */
export function register(program: Command): void {
  withSettings(program.command('call <capability> [body]'), ...CONNECTS, 'users.caller', ...CALLS)
    .summary('call a capability')
    .description(
      'Call a capability and print its result. The body is JSON; - reads it from stdin, @file from a file; without one it is null. A result of raw bytes goes to stdout as it is.',
    )
    .option('--id <ulid>', 'call id; the same id again gives the same outcome', callId)
    .option('--major <n>', 'major version of the capability', wholeNumber(0, 65_535))
    .addOption(
      new Option('--priority <word>', 'what goes first when not all can be served').choices(priorityNames),
    )
    .option('--label <key=value>', 'label that travels down the tree of calls (again for more)', addLabel)
    .option('--context <id>', 'ties calls together that belong to one matter', printable)
    .option('--intent <word>', 'what the call is for', printable)
    .option(
      '--budget <amounts>',
      'what it and all below it may spend: micros=5.00USD,tokens=2000',
      amountsOption,
    )
    .option('--route <wish>', 'what to choose by, and attributes: fastest, or cheapest,gpu=true', wish)
    .addOption(
      new Option('--difficulty <how>', 'how hard it is: whose proficiency it needs').choices(DIFFICULTIES),
    )
    .option('--grant <grant>', 'a grant made for who calls: its text, or @file')
    .option('--bytes', 'send the body as raw bytes, of any kind, from @file or -')
    .addOption(new Option('--encoding <how>', 'how a body crosses the wire').choices(['json', 'msgpack']))
    .option('--stream', 'print partial outputs as they come')
    .option('--detach', 'print the call id once the mesh has accepted the call, and do not wait')
    .option('--each <file>', 'one call for each line of a file of JSON lines, or of stdin with -')
    .option('--ordered', 'with --each: results in the order of the lines')
    .option('--json', 'print one JSON line: the outcome or the error')
    .addHelpText('after', HELP)
    .action(call);
}

const HELP = `
Examples:
  $ mesh call inventory.query '{"sku":"a-1"}'
  $ mesh call docs.report @request.json --timeout 60000 --label team=docs
  $ echo '{"sku":"a-1"}' | mesh call inventory.query - --as shop --json | jq .value
  $ mesh call llm.chat '{"text":"hello"}' --stream
  $ mesh call llm.chat '{"text":"hello"}' --route cheapest,region=eu --difficulty hard
  $ mesh calls wait "$(mesh call docs.report @request.json --detach --timeout 600000)"
  $ mesh call image.scale @cat.png --bytes > small.png
  $ mesh call inventory.query --each skus.ndjson --in-flight 200 --json > results.ndjson
  $ mesh call pay.invoice @invoice.json --id 01jd9zq0c3w8k5v7x2m4n6p8r0      a retry repeats the id

The result goes to stdout, an error to stderr; what a handler asks is asked here where stdin is a terminal.
Exits with 0 completed, 1 failed or cancelled, 2 usage, 3 refused, 4 expired or unknown; with --each the first of
1, 3 and 4 that one of the calls has. Ctrl-C asks the mesh to cancel. --each prints one line for each call, with the
number of its line; on a terminal a bar shows how far it is.`;

async function call(
  capability: string,
  body: string | undefined,
  options: CallCommandOptions,
): Promise<void> {
  const json = options.json === true;
  try {
    checkUsage(body, options);
    const value = options.bytes === true ? rawBytes(body) : bodyOf(body);
    const { url, credentials, settings } = openContext(options, 'me', CALLS);
    const timeout = settings.orDefault('call.timeoutMs');
    const { connect } = await import('../agent/index.js');
    const mesh = await connect({ url, creds: credentials });
    try {
      if (options.each === undefined) {
        await makeCall(mesh, asCapability(capability), value, { ...options, timeout });
      } else {
        const inFlight = settings.orDefault('call.inFlight');
        await makeCalls(mesh, asCapability(capability), options.each, { ...options, timeout, inFlight });
      }
    } finally {
      await mesh.close();
    }
  } catch (err) {
    fail(asMeshError(err, `mesh call ${capability}`), json);
  }
}

async function makeCall(
  mesh: Mesh,
  capability: string,
  body: Json | Uint8Array,
  options: CallCommandOptions,
): Promise<void> {
  const json = options.json === true;
  const how = callOptions(options);
  if (options.detach === true) {
    const id = await mesh.send(capability, body, { ...how, watched: options.stream === true });
    return json ? sayJson({ call: id }) : say(id);
  }
  const abort = cancelOnSignal();
  const onQuestion = questioner();
  const live = { ...how, signal: abort.signal, ...(onQuestion === undefined ? {} : { onQuestion }) };
  try {
    if (options.stream === true) {
      await follow(mesh.stream(capability, body, live), json);
    } else {
      sayOutcome(await mesh.callForOutcome(capability, body, live), json);
    }
  } finally {
    abort.done();
  }
}

async function makeCalls(
  mesh: Mesh,
  capability: string,
  file: string,
  options: CallCommandOptions,
): Promise<void> {
  const abort = cancelOnSignal();
  const { inFlight, ordered, json } = options;
  const many = {
    ...callOptions(options),
    ...(inFlight === undefined ? {} : { inFlight }),
    ...(ordered === undefined ? {} : { ordered }),
    signal: abort.signal,
  };
  try {
    process.exitCode = await callEachLine(mesh, capability, file, many, json === true);
  } finally {
    abort.done();
  }
}

/** Throws usage for options that do not go together. */
function checkUsage(
  body: string | undefined,
  { each, id, bytes, inFlight, ordered, stream, detach }: CallCommandOptions,
): void {
  const why =
    each !== undefined && (stream === true || detach === true)
      ? '--each waits for the outcomes of its calls: no --stream or --detach beside it'
      : each !== undefined && (body !== undefined || id !== undefined || bytes === true)
        ? '--each takes its bodies from a file: no body, --id or --bytes beside it'
        : each === undefined && (inFlight !== undefined || ordered === true)
          ? '--in-flight and --ordered go with --each'
          : bytes === true && body !== '-' && body?.startsWith('@') !== true
            ? '--bytes takes the body from @file or -'
            : undefined;
  if (why !== undefined) {
    throw meshError('usage', { why });
  }
}

/** The call id is told with an error: `mesh calls show` and a retry need it. */
function fail(err: MeshError, json: boolean): void {
  process.exitCode = exitOfError(err);
  if (json) {
    sayJson({ ...(err.status === undefined ? {} : { status: err.status }), error: err.toBody() });
    return;
  }
  sayError(err, false);
  if (err.call !== undefined) {
    note(`call: ${safe(err.call)}`);
  }
}

function callOptions(given: CallCommandOptions): CallOptions {
  const { id, timeout, major, label, priority, context, intent, encoding, grant } = given;
  const { budget, route, difficulty } = given;
  return {
    ...(encoding === undefined ? {} : { encoding }),
    ...(id === undefined ? {} : { id }),
    ...(timeout === undefined ? {} : { timeoutMs: timeout }),
    ...(major === undefined ? {} : { major }),
    ...(label === undefined ? {} : { labels: label }),
    ...(priority === undefined ? {} : { priority }),
    ...(context === undefined ? {} : { context }),
    ...(intent === undefined ? {} : { intent }),
    ...(budget === undefined ? {} : { budget }),
    ...(route === undefined ? {} : { route }),
    ...(difficulty === undefined ? {} : { difficulty }),
    ...(grant === undefined ? {} : { grant: grantText(grant) }),
  };
}

/** Ctrl-C cancels the call, whose outcome is still waited for; a second one ends at once. */
function cancelOnSignal(): { readonly signal: AbortSignal; done(): void } {
  const abort = new AbortController();
  const onSignal = (): void => {
    if (abort.signal.aborted) {
      process.exit(exits.failed);
    }
    note('cancelling …');
    abort.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    signal: abort.signal,
    done: () => {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}

function callId(text: string): string {
  if (!isCallId(text)) {
    throw new InvalidArgumentError('It must be a lowercase ULID: 26 characters, time first.');
  }
  return text;
}

const LABEL = /^([a-z0-9_-]{1,64})=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,128})$/;

function addLabel(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, key, value] = LABEL.exec(text) ?? [];
  if (key === undefined || value === undefined) {
    throw new InvalidArgumentError('It must be key=value: a name, and printable ASCII without , and =.');
  }
  return { ...before, [key]: value };
}

function wish(text: string): string {
  try {
    readWish(text, undefined);
  } catch (err) {
    throw new InvalidArgumentError(asMeshError(err, '--route').sentence);
  }
  return text;
}

function printable(text: string): string {
  if (!/^[\x20-\x7e]{1,128}$/.test(text)) {
    throw new InvalidArgumentError('It must be 1 to 128 printable ASCII characters.');
  }
  return text;
}
