/**
 * Identity as the server sees it: `callout.conf`, which its configuration includes. Empty, the server knows everybody
 * itself; filled, it knows only the parts of the mesh and asks identity about everybody else.
 */
import { join } from 'node:path';
import { meshError } from '../wire/errors.js';
import { calloutKeys, createCalloutSeeds, type CalloutKeys, type CalloutSeeds } from './callout.js';
import { places, readJson, textIfAny, writeWhole } from './folder.js';

const HEAD = '# Written by mesh; do not edit.';

/** Does the server of this folder ask identity who connects? */
export function asksIdentity(dir: string): boolean {
  return (textIfAny(join(dir, places.calloutConf)) ?? '').includes('auth_callout');
}

/** Let the server know everybody itself. */
export function writeNoCallout(dir: string): void {
  writeWhole(join(dir, places.calloutConf), `${HEAD} The server knows all users itself.\n`);
}

/** Let the server ask about everybody but these, by their public keys. The keys of the callout are made when missing. */
export function writeCallout(dir: string, known: readonly string[]): void {
  const { issuer, curve } = ensureCalloutKeys(dir);
  const lines = [
    `${HEAD} The server asks identity about everybody but auth_users.`,
    'authorization {',
    '  timeout: 3',
    '  auth_callout {',
    `    issuer: ${issuer.publicKey}`,
    `    xkey: ${curve.getPublicKey()}`,
    '    account: MESH',
    `    auth_users: [${known.join(', ')}]`,
    '  }',
    '}',
    '',
  ];
  writeWhole(join(dir, places.calloutConf), lines.join('\n'));
}

/** The keys of the callout, made when there are none. Throws `config_invalid`, `folder_unusable`. */
export function ensureCalloutKeys(dir: string): CalloutKeys {
  const file = join(dir, places.identityKeys);
  if (readJson(file) === undefined) {
    writeWhole(file, `${JSON.stringify({ version: 1, ...createCalloutSeeds() }, undefined, 2)}\n`);
  }
  return readCalloutKeys(dir);
}

/** The keys of the callout. Throws `config_missing`, `config_invalid`. */
export function readCalloutKeys(dir: string): CalloutKeys {
  const file = join(dir, places.identityKeys);
  const stored = readJson(file) as Partial<CalloutSeeds> | undefined;
  if (stored === undefined) {
    throw meshError('config_missing', { what: `${file} (mesh up --identity makes it)` });
  }
  if (typeof stored.issuer !== 'string' || typeof stored.curve !== 'string') {
    throw meshError('config_invalid', { file, where: '/', why: 'it is not {version, issuer, curve}' });
  }
  return calloutKeys({ issuer: stored.issuer, curve: stored.curve }, file);
}
