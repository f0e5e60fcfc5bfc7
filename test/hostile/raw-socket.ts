/**
 * A client that speaks to the server byte by byte.
 */
import { connect, type Socket } from 'node:net';
import { signerOf } from '../../src/fabric/keys.js';
import { until } from '../support/mesh.js';

export interface RawSocket {
  readonly socket: Socket;
  /** Everything the server said. */
  said(): string;
  /** The nonce that a proof must sign. */
  readonly nonce: string;
  closed(): boolean;
  /** Send bytes, and wait until the server said this, or closed. */
  tell(bytes: string, want: RegExp, withinMs?: number): Promise<boolean>;
  end(): void;
}

/** Open a socket and read the greeting. */
export async function openSocket(port: number): Promise<RawSocket> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  let over = false;
  socket.on('data', (chunk) => (text += chunk.toString())).on('error', () => undefined);
  socket.on('close', () => (over = true));
  await until(() => text.includes('\r\n'));
  const { nonce = '' } = JSON.parse(/INFO (\{.*\})/.exec(text)?.[1] ?? '{}') as { nonce?: string };
  return {
    socket,
    nonce,
    said: () => text,
    closed: () => over,
    tell: async (bytes, want, withinMs = 2_000) => {
      const from = text.length;
      socket.write(bytes);
      return until(() => want.test(text.slice(from)) || (over && 'closed'), withinMs)
        .then((how) => how !== 'closed' && want.test(text.slice(from)))
        .catch(() => false);
    },
    end: () => socket.destroy(),
  };
}

/** The connect line of a key, with the signature over this nonce. */
export function connectLine(seed: string, nonce: string, more: object = {}): string {
  const { publicKey, sign } = signerOf(seed);
  return `CONNECT ${JSON.stringify({ verbose: false, headers: true, nkey: publicKey, sig: sign(nonce), ...more })}\r\nPING\r\n`;
}
