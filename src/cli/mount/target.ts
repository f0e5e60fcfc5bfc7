/**
 * What `mesh mount mcp` is to mount: a command, or a server over HTTP.
 */
import type { McpCommand, McpEndpoint } from '../../adapters/mcp.js';
import { meshError } from '../../wire/errors.js';
import { settingParser } from '../settings.js';
import { secretIn } from './secrets.js';

/** What may be said of it. */
export interface TargetOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly bearerEnv?: string;
  readonly headerEnv?: Readonly<Record<string, string>>;
  readonly url?: string;
}

/** A thing to mount, and a sentence about it without secrets. */
export interface Target {
  readonly target: McpCommand | McpEndpoint;
  readonly description: string;
  /** Server of the mesh, if one was named. */
  readonly meshUrl: string | undefined;
}

const DESCRIPTION_CHARS = 200;
const isHttp = (text: string | undefined): text is string => /^https?:\/\//i.test(text ?? '');

/** Parser of `--url`: one of HTTP is what to mount, any other is judged like everywhere. */
export function meshUrlOr(text: string): unknown {
  return isHttp(text) ? text : settingParser('server.url')(text, undefined);
}

/** A url of HTTP is what to mount; any other is a server of the mesh. Throws usage, config_missing. */
export function targetOf(words: readonly string[], options: TargetOptions): Target {
  const { url, cwd, env, bearerEnv, headerEnv } = options;
  const [first] = words;
  const endpoint = isHttp(url) ? url : isHttp(first) ? first : undefined;
  const meshUrl = isHttp(url) ? undefined : url;
  if (endpoint === undefined) {
    refuse(first === undefined, 'there is nothing to mount: name a command, or the url of an MCP server');
    refuse(bearerEnv !== undefined || headerEnv !== undefined, '--bearer-env and --header-env go with a url');
    return { ...commandOf(words, options), meshUrl };
  }
  refuse(words.length > (isHttp(url) ? 0 : 1), 'it is either a command or a url');
  refuse(cwd !== undefined || env !== undefined, '--cwd and --env go with a command');
  const headers = Object.entries(headerEnv ?? {}).map(([name, variable]) => [name, secretIn(variable)]);
  const bearer = bearerEnv === undefined ? [] : [['Authorization', `Bearer ${secretIn(bearerEnv)}`]];
  const place = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  return {
    target: { endpoint, headers: Object.fromEntries([...headers, ...bearer]) as Record<string, string> },
    // The rest of a url may hold secrets.
    description: clip(`MCP server: ${place?.origin ?? ''}${place?.pathname ?? ''}`),
    meshUrl,
  };
}

function commandOf(words: readonly string[], { cwd, env }: TargetOptions): Omit<Target, 'meshUrl'> {
  const [command = '', ...args] = words;
  return {
    target: {
      command,
      args,
      onStderr: (text) => void process.stderr.write(text),
      ...(cwd === undefined ? {} : { cwd }),
      ...(env === undefined ? {} : { env }),
    },
    description: clip(`MCP server: ${words.join(' ')}`),
  };
}

function refuse(wrong: boolean, why: string): void {
  if (wrong) {
    throw meshError('usage', { why });
  }
}

function clip(text: string): string {
  return text.slice(0, DESCRIPTION_CHARS);
}
