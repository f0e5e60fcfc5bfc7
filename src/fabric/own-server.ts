/**
 * Is the server one to develop with? That is not said but found: the one that `mesh up` started on this folder, with
 * the configuration it wrote there, on loopback.
 */
import { join } from 'node:path';
import { places, textIfAny } from './folder.js';
import { serverPid } from './server.js';

/** Does the url name this machine only? */
export function isLoopback(url: string): boolean {
  const host = hostOf(url)?.hostname ?? '';
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Does the url name the server that runs on this folder as `mesh up` starts it? */
export function isOwnServer(dir: string, url: string): boolean {
  const conf = textIfAny(join(dir, places.serverConf)) ?? '';
  const port = /^listen: "127\.0\.0\.1:(\d+)"/m.exec(conf)?.[1];
  return isLoopback(url) && hostOf(url)?.port === port && serverPid(dir) !== undefined;
}

function hostOf(url: string): URL | undefined {
  try {
    // A scheme that URL knows: it reads the ports of others as they are, and leaves out none.
    return new URL(url.includes('://') ? url.replace(/^\w+:/, 'nats:') : `nats://${url}`);
  } catch {
    return undefined;
  }
}
