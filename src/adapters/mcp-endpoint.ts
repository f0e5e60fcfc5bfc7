/**
 * An MCP server over streamable HTTP, as a place to mount.
 */
import {
  StreamableHTTPClientTransport,
  StreamableHTTPError,
} from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { limits } from '../wire/limits.js';
import { usage } from './mcp-error.js';
import { causeOf, wasAway } from './reach.js';

/** Where the server is. */
export interface McpEndpoint {
  /** `http://` or `https://`; user and password do not belong into it. */
  readonly endpoint: string;
  /** Sent with every request: authorization, for example. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** The place without what may be secret in it. Throws usage when it is none. */
export function placeOf({ endpoint }: McpEndpoint): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw usage('an MCP server over HTTP is named by a http:// or https:// url');
  }
  if (url.username !== '' || url.password !== '') {
    throw usage('the url holds a user or a password: say it in a header');
  }
  return url.origin + url.pathname;
}

/** A transport of the SDK to it. `onBreach` hears when a message is larger than the bound; it is not read on. */
export function endpointTransport(
  { endpoint, headers = {} }: McpEndpoint,
  onBreach: () => void,
): StreamableHTTPClientTransport {
  return new StreamableHTTPClientTransport(new URL(endpoint), {
    requestInit: { headers: { ...headers } },
    fetch: async (url, init) => bounded(await fetch(url, init), onBreach),
    reconnectionOptions: {
      initialReconnectionDelay: 1_000,
      maxReconnectionDelay: 30_000,
      reconnectionDelayGrowFactor: 1.5,
      maxRetries: 2,
    },
  });
}

/** A response whose single messages are bounded: events end with an empty line, a JSON body is one message. */
function bounded(response: Response, onBreach: () => void): Response {
  if (response.body === null || !response.ok) {
    return response;
  }
  let bytes = 0;
  const guard = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      const end = Math.max(
        Buffer.from(chunk).lastIndexOf('\n\n'),
        Buffer.from(chunk).lastIndexOf('\r\n\r\n'),
      );
      bytes = end < 0 ? bytes + chunk.length : chunk.length - end;
      if (bytes > limits.mcpReplyBytes) {
        onBreach();
        controller.error(new Error(`a message of more than ${limits.mcpReplyBytes} bytes`));
      } else {
        controller.enqueue(chunk);
      }
    },
  });
  const { status, statusText, headers } = response;
  return new Response(response.body.pipeThrough(guard), { status, statusText, headers });
}

/** The server was not there, or has forgotten the session: what was asked for never ran. */
export function neverArrived(err: unknown): boolean {
  return err instanceof StreamableHTTPError ? err.code === 404 : wasAway(err);
}

/** The connection broke: nobody knows how far the request came. */
export function brokeOff(err: unknown): boolean {
  return causeOf(err) !== undefined && !neverArrived(err);
}
