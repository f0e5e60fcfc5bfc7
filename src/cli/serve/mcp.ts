/**
 * `mesh serve mcp`: the mesh as an MCP server.
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { ServeOptions } from '../../adapters/serve-mcp/member.js';
import { packageFile } from '../../fabric/package.js';
import { meshError } from '../../wire/errors.js';
import type { Settings } from '../../domain/config/resolve.js';
import { CONNECTS, openContext, type ContextOptions } from '../context.js';
import { exitOfError, exits, note, sayError } from '../output.js';
import { withSettings } from '../settings.js';
import { stopRequest } from '../stop.js';
import { address, type Address } from './address.js';
import { DOORS, overHttp, type Running } from './over-http.js';

interface ServeMcpOptions extends ContextOptions {
  readonly http?: Address;
  readonly allowHost?: readonly string[];
  readonly allowOrigin?: readonly string[];
}

const SERVES = ['serve.names', ...DOORS] as const;

/** Add the command. */
export function register(serve: Command): void {
  withSettings(serve.command('mcp'), ...CONNECTS, 'users.caller', ...SERVES)
    .summary('an MCP server: capabilities are its tools')
    .description(
      'Serve the mesh to MCP clients. What a client may call are its tools; each call is a call of the mesh, made by one of its users. Over stdio that is --as, over HTTP the bearer token says who it is.',
    )
    .option('--http <address>', '[host:]port to listen on, loopback without a host', address)
    .option('--json', 'HTTP: print one JSON line when ready')
    .addHelpText('after', HELP)
    .action(serveMcp);
}

const HELP = `
Examples:
  $ mesh serve mcp                             stdio, as me: for the configuration of an MCP client
  $ mesh agents add desk --caller
  $ mesh serve token add desk                  prints the token of the client
  $ mesh serve mcp --http 4300                 http://127.0.0.1:4300/mcp

Nothing but MCP is written to stdout over stdio; notes go to stderr. There is no TLS: beyond this machine put a proxy
in front of it, and allow the name it is called by with --allow-host.`;

async function serveMcp(options: ServeMcpOptions): Promise<void> {
  const stopped = stopRequest();
  try {
    const run =
      options.http === undefined
        ? overStdio(options)
        : overHttp('MCP', options.http, options, ['serve.names'], async (terms, settings) => {
            const { HttpDoor } = await import('../../adapters/serve-mcp/http.js');
            const { Member } = await import('../../adapters/serve-mcp/member.js');
            return await HttpDoor.open({
              ...terms,
              join: async (user) => new Member(await terms.join(user), optionsOf(settings)),
            });
          });
    const { left, close } = await run;
    await Promise.race([stopped, left]);
    await close();
    process.exit(exits.completed); // whatever a library still holds must not keep it
  } catch (err) {
    sayError(err, options.json === true && options.http !== undefined);
    process.exit(exitOfError(err)); // a connection made on the way would keep the process
  }
}

function optionsOf(settings: Settings): ServeOptions {
  const { version } = JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string };
  return {
    names: settings.orDefault('serve.names'),
    timeoutMs: settings.orDefault('call.timeoutMs'),
    version,
    say: note,
  };
}

async function overStdio(options: ServeMcpOptions): Promise<Running> {
  if (options.allowHost !== undefined || options.allowOrigin !== undefined) {
    throw meshError('usage', { why: '--allow-host and --allow-origin go with --http' });
  }
  const { url, credentials, settings } = openContext(options, 'me', SERVES);
  const { connect } = await import('../../agent/index.js');
  const { Member } = await import('../../adapters/serve-mcp/member.js');
  const { serveStdio } = await import('../../adapters/serve-mcp/stdio.js');
  const member = new Member(await connect({ url, creds: credentials }), optionsOf(settings));
  const session = await serveStdio(member, { input: process.stdin, output: process.stdout, say: note });
  note(`MCP over stdio, as ${credentials.name} (${url})`);
  const close = async (): Promise<void> => {
    await session.close();
    await member.close();
  };
  return { left: session.left, close };
}
