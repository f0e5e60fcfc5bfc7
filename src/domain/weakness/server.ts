/**
 * Checks of the server: its version, whom it lets in, how it listens, when it flushes.
 */
import type { Facts } from './facts.js';
import type { Said } from './finding.js';
import { isAtLeast, OLDEST, SAFE } from './version.js';

const NEWER = `install nats-server ${SAFE} or newer, and restart the mesh`;

/** What is wanted of a version. */
export const VERSION_WANT = `${SAFE} or newer; ${OLDEST} to develop with`;

/** The server we are connected to. */
export function serverVersion({ server, dev }: Facts): Said[] {
  return server === undefined ? [] : [versionSaid(server.version, dev === true)];
}

/** The binary that `mesh up` would start: what runs is another check. */
export function binaryVersion({ binary }: Facts): Said[] {
  return binary === undefined ? [] : [versionSaid(binary, true)];
}

function versionSaid(version: string, dev: boolean): Said {
  if (isAtLeast(version, SAFE)) {
    return { state: 'fine', found: version };
  }
  return isAtLeast(version, OLDEST) && dev
    ? { state: 'warn', found: `${version}, good to develop with`, fix: NEWER }
    : { state: 'refuse', found: version, fix: NEWER };
}

/** Nobody comes in without a name of the mesh. */
export function strangers({ strangers: seen }: Facts): Said[] {
  return (seen ?? []).map(({ shows, let: isLet }) => ({
    what: `a stranger with ${shows}`,
    state: isLet ? 'refuse' : 'fine',
    found: isLet ? 'is let in' : 'is refused',
    fix: 'take no_auth_user out of the configuration, list the users of the mesh, and restart the server: a reload does not do it',
  }));
}

/** What leaves the machine is encrypted. */
export function tls({ server }: Facts): Said[] {
  if (server === undefined) {
    return [];
  }
  const { loopback, tls: only } = server;
  const found = only ? 'TLS only' : loopback ? 'loopback' : 'connections without TLS, from a network';
  const fix = 'give the server a tls block (deploy/nats-server.tls.conf), and say tls:// in every url';
  return [{ state: only || loopback ? 'fine' : 'refuse', found, fix }];
}

/** A power loss loses nothing. */
export function flush({ sync, monitored, dev }: Facts): Said[] {
  const how = monitored === undefined ? sync : monitored.syncAlways ? 'always' : 'default';
  const fix =
    dev === true
      ? 'start with mesh up --sync always'
      : 'say sync_interval: "always" in the configuration; mesh doctor --monitor reads what is in force';
  const found = {
    always: 'always',
    default: 'every two minutes, good to develop with',
    unknown: 'unknown: the server is not ours',
  };
  return how === undefined ? [] : [{ state: how === 'always' ? 'fine' : 'warn', found: found[how], fix }];
}

const AUTH_TIMEOUT_MAX_S = 10;
const CONTROL_LINE_MAX = 8_192;

/** What an outsider can do to the server before it has proven anything. */
export function doors({ monitored }: Facts): Said[] {
  if (monitored === undefined) {
    return [];
  }
  const { listensTo, loopback, authTimeoutS, maxControlLine, listeners, plain } = monitored;
  const said = (what: string, fine: boolean, found: string, fix: string): Said => ({
    what,
    state: fine ? 'fine' : 'warn',
    found,
    fix,
  });
  return [
    said('monitoring', loopback, `listens to ${listensTo}`, 'say http: "127.0.0.1:8222"'),
    said(
      'time to prove a name',
      authTimeoutS <= AUTH_TIMEOUT_MAX_S,
      `${authTimeoutS} s`,
      'say authorization { timeout: 3 }',
    ),
    said(
      'longest line before a name is proven',
      maxControlLine <= CONTROL_LINE_MAX,
      `${maxControlLine} bytes`,
      'say max_control_line: 4KB',
    ),
    said(
      'other listeners',
      listeners.length === 0,
      listeners.length === 0 ? 'none' : listeners.join(', '),
      'take them out: the mesh uses none of them',
    ),
    said(
      'listeners without TLS',
      plain.length === 0,
      plain.length === 0 ? 'none' : plain.join(', '),
      'give each a tls block',
    ),
  ];
}
