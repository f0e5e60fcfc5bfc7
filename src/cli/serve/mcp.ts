/**
 * `mesh serve mcp`: the mesh as an MCP server.
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { HttpDoor } from '../../adapters/serve-mcp/http.js';
import { Member, type ServeOptions } from '../../adapters/serve-mcp/member.js';
import { serveStdio } from '../../adapters/serve-mcp/stdio.js';
import { connect } from '../../agent/index.js';
import { packageFile } from '../../fabric/package.js';
import { credentialsFile, loadCredentials } from '../../fabric/users.js';
import { meshError } from '../../wire/errors.js';
import type { Settings } from '../../domain/config/resolve.js';
import { CONNECTS, folderOf, openContext, serverOf, type ContextOptions } from '../context.js';
import { exitOfError, exits, note, say, sayError, sayJson } from '../output.js';
import { readSettings, withSettings, type Flags } from '../settings.js';
import { readState } from '../state.js';
import { stopRequest } from '../stop.js';
import { address, isLoopback, isWildcard, type Address } from './address.js';
import { TokenBook } from './tokens.js';

interface ServeMcpOptions extends ContextOptions {
  readonly http?: Address;
  readonly allowHost?: readonly string[];
  readonly allowOrigin?: readonly string[];
}

const SERVES = ['serve.names', 'call.timeoutMs', 'serve.allowHosts', 'serve.allowOrigins'] as const;

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
    const run = options.http === undefined ? overStdio(options) : overHttp(options.http, options);
    const { left, close } = await run;
    await Promise.race([stopped, left]);
    await close();
    process.exit(exits.completed); // whatever a library still holds must not keep it
  } catch (err) {
    sayError(err, options.json === true && options.http !== undefined);
    process.exit(exitOfError(err)); // a connection made on the way would keep the process
  }
}

/** Something that runs until somebody leaves. */
interface Running {
  readonly left: Promise<void>;
  readonly close: () => Promise<void>;
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
  const member = new Member(await connect({ url, creds: credentials }), optionsOf(settings));
  const session = await serveStdio(member, { input: process.stdin, output: process.stdout, say: note });
  note(`MCP over stdio, as ${credentials.name} (${url})`);
  const close = async (): Promise<void> => {
    await session.close();
    await member.close();
  };
  return { left: session.left, close };
}

async function overHttp(at: Address, options: ServeMcpOptions): Promise<Running> {
  if ([options.as, options.creds, options.natsContext].some((one) => one !== undefined)) {
    const why = 'over HTTP the bearer token says who a client is, not --as, --creds or --nats-context';
    throw meshError('usage', { why });
  }
  const settings = readSettings(options as Flags, [...CONNECTS, ...SERVES]);
  const hosts = lower(settings.value('serve.allowHosts'));
  if (isWildcard(at) && hosts.length === 0) {
    throw meshError('usage', { why: `--http ${at.host}:${at.port} needs --allow-host <name>` });
  }
  const dir = folderOf(settings);
  serverAt(settings, dir);
  const tokens = new TokenBook(dir, note);
  const serving = optionsOf(settings);
  const door = await HttpDoor.open({
    ...at,
    allowed: {
      hosts: isWildcard(at) ? hosts : [...hosts, nameOf(at)],
      origins: lower(settings.value('serve.allowOrigins')),
    },
    who: (bearer) => tokens.who(bearer),
    join: async (user) => {
      const creds = loadCredentials(credentialsFile(dir, user));
      return new Member(await connect({ url: serverAt(settings, dir), creds }), serving);
    },
  });
  tell(door.url, at, tokens.size, options.json === true);
  const close = async (): Promise<void> => {
    tokens.stop();
    await door.close();
  };
  return { left: new Promise(() => undefined), close };
}

/** The server of now: a mesh that was started again may have another port. Throws not_running. */
function serverAt(settings: Settings, dir: string): string {
  const server = serverOf(settings, readState(dir));
  if (server === undefined) {
    throw meshError('not_running', { folder: dir });
  }
  return server.url;
}

function lower(names: readonly string[] = []): string[] {
  return names.map((name) => name.toLowerCase());
}

function nameOf({ host }: Address): string {
  return host.includes(':') ? `[${host}]` : host.toLowerCase();
}

function tell(url: string, at: Address, tokens: number, json: boolean): void {
  if (json) {
    sayJson({ ready: true, url, pid: process.pid });
  } else {
    say(`MCP at ${url}`);
  }
  if (tokens === 0) {
    note('nobody may come in yet: mesh serve token add <user>');
  }
  if (!isLoopback(at)) {
    note('others can reach this machine: tokens cross the network in clear text unless a proxy adds TLS');
  }
}
