/**
 * The connection of the SDK and its proof: credentials with a key, a token, or a certificate.
 */
import { readFileSync } from 'node:fs';
import { connectBroker, type NatsConnection } from '../fabric/connection.js';
import { tlsFiles } from '../fabric/tls.js';
import { meshError } from '../wire/errors.js';
import { asToken, type Token as Name } from '../wire/names.js';
import type { ConnectOptions } from './options.js';
import { Token, tokenFile, type TokenSource } from './token.js';

/** A connection with what is needed to renew it. */
export interface Session {
  readonly nc: NatsConnection;
  readonly name: Name;
  readonly token: Token | undefined;
  /** The key of the connection; missing where a token or a certificate is the only proof. */
  readonly seed: string | undefined;
  /** Connect in the same way and leave again. Throws connection_failed, permission_denied. */
  readonly probe: () => Promise<void>;
}

interface Creds {
  readonly name: string;
  readonly seed: string;
  readonly url?: string;
}

/** Connect. Throws connection_failed, permission_denied, config_missing, and what a source of tokens throws. */
export async function openSession(options: ConnectOptions): Promise<Session> {
  const source = options.token ?? fileOf(process.env['MESH_TOKEN_FILE']);
  const tls = tlsFiles(options.tls);
  const given = options.name ?? process.env['MESH_NAME'];
  const creds = readCreds(
    options.creds ?? process.env['MESH_CREDS'],
    given,
    source !== undefined || tls?.certFile !== undefined,
  );
  const url = options.url ?? process.env['MESH_URL'] ?? creds?.url;
  if (url === undefined) {
    throw meshError('config_missing', { what: 'the url of the server (MESH_URL; mesh up prints it)' });
  }
  const name = asToken(creds?.name ?? given, 'the name to connect as');
  const token = source === undefined ? undefined : await Token.of(source);
  const how = {
    url,
    name,
    ...(creds === undefined ? {} : { seed: creds.seed }),
    ...(token === undefined ? {} : { token: () => token.value }),
    ...(tls === undefined ? {} : { tls }),
  };
  const probe = async (): Promise<void> => (await connectBroker({ ...how, label: `${name} renews` })).close();
  return { nc: await connectBroker({ ...how, patient: true }), name, token, seed: creds?.seed, probe };
}

function fileOf(file: string | undefined): TokenSource | undefined {
  return file === undefined ? undefined : tokenFile(file);
}

/** Credentials; none are needed where a name has another proof. */
function readCreds(
  creds: ConnectOptions['creds'],
  name: string | undefined,
  proven: boolean,
): Creds | undefined {
  if (typeof creds === 'object') {
    return creds;
  }
  if (creds === undefined) {
    if (name !== undefined && proven) {
      return undefined;
    }
    const what = proven
      ? 'the name that the proof stands for (MESH_NAME)'
      : 'the credentials file (MESH_CREDS; mesh agents add makes one)';
    throw meshError('config_missing', { what });
  }
  const inline = creds.trimStart().startsWith('{');
  try {
    return JSON.parse(inline ? creds : readFileSync(creds, 'utf8')) as Creds;
  } catch (err) {
    const what = `a readable credentials file ${inline ? 'as text' : creds} (mesh agents add makes one)`;
    // What JSON.parse says quotes the text, and that holds a key.
    throw meshError('config_missing', { what }, err instanceof SyntaxError ? undefined : err);
  }
}
