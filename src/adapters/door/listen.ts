/**
 * An HTTP server of ours: bounded in what it waits for, and in how many it lets in.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIPv6, type AddressInfo } from 'node:net';
import { meshError } from '../../agent/index.js';
import { limits } from '../../wire/limits.js';

/** Where to listen. */
export interface Listening {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** One that listens. */
export interface OpenServer {
  /** `http://host:port`, without a path. */
  readonly origin: string;
  /** Let nobody in any more, wait for `finish`, then end what is left. */
  close(finish: () => Promise<void>): Promise<void>;
}

/** Open it. Throws port_in_use, usage (the address is none of this machine). */
export async function openServer(
  { host, port }: Listening,
  answer: (req: IncomingMessage, res: ServerResponse) => Promise<void>,
): Promise<OpenServer> {
  const server = createServer(
    { headersTimeout: limits.mcpHeadMs, requestTimeout: limits.mcpReceiveMs },
    (req, res) => void answer(req, res),
  );
  server.maxConnections = limits.mcpConnections;
  await listen(server, host, port);
  const taken = (server.address() as AddressInfo).port;
  return {
    origin: `http://${isIPv6(host) ? `[${host}]` : host}:${taken}`,
    close: async (finish) => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      await finish();
      server.closeAllConnections();
      await closed;
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (err: NodeJS.ErrnoException) =>
      reject(
        err.code === 'EADDRINUSE'
          ? meshError('port_in_use', { port }, err)
          : meshError('usage', { why: `--http ${host}:${port} cannot be used: ${err.message}` }, err),
      ),
    );
    server.listen(port, host, resolve);
  });
}
