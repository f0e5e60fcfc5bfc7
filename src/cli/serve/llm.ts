/**
 * `mesh serve llm`: the mesh as a provider of models.
 */
import type { Command } from 'commander';
import { LlmDoor } from '../../adapters/serve-llm/door.js';
import { CONNECTS, type ContextOptions } from '../context.js';
import { exitOfError, exits, sayError } from '../output.js';
import { withSettings } from '../settings.js';
import { stopRequest } from '../stop.js';
import { address, type Address } from './address.js';
import { DOORS, overHttp } from './over-http.js';

interface ServeLlmOptions extends ContextOptions {
  readonly http: Address;
}

/** Add the command. */
export function register(serve: Command): void {
  withSettings(serve.command('llm'), ...CONNECTS, ...DOORS)
    .summary('a provider of models: capabilities are its models')
    .description(
      'Serve the mesh to clients that speak the chat completions protocol of OpenAI. The models of a client are the chat capabilities that its user may call; each request is a call of the mesh, made by the user that its key (a token of mesh serve token) stands for.',
    )
    .requiredOption('--http <address>', '[host:]port to listen on, loopback without a host', address)
    .option('--json', 'print one JSON line when ready')
    .addHelpText('after', HELP)
    .action(serveLlm);
}

const HELP = `
Examples:
  $ mesh agents add desk --caller
  $ mesh serve token add desk                  prints the key of the client
  $ mesh serve llm --http 4301                 http://127.0.0.1:4301/v1
  $ OPENAI_BASE_URL=http://127.0.0.1:4301/v1 OPENAI_API_KEY=mesh_… node your-program.js

The name of a model is that of its capability, for example llm.chat. There is no TLS: beyond this machine put a proxy
in front of it, and allow the name it is called by with --allow-host.`;

async function serveLlm(options: ServeLlmOptions): Promise<void> {
  const stopped = stopRequest();
  try {
    const { close } = await overHttp('Models', options.http, options, [], (terms, settings) =>
      LlmDoor.open({ ...terms, timeoutMs: settings.value('call.timeoutMs') }),
    );
    await stopped;
    await close();
    process.exit(exits.completed); // whatever a library still holds must not keep it
  } catch (err) {
    sayError(err, options.json === true);
    process.exit(exitOfError(err)); // a connection made on the way would keep the process
  }
}
