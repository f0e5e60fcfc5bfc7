/**
 * Replies of a gateway. It answers only below the asker's own inbox: any other reply subject would make the gateway
 * speak, with its own rights, where the asker may not.
 */
import { rawHeaders } from '../fabric/raw.js';
import type { MeshError } from '../wire/errors.js';
import { encodeHeaders, header } from '../wire/headers.js';
import type { Core } from './core.js';

/** True when the reply subject lies below the inbox of this user. */
export function isOwnInbox(reply: string | undefined, from: string): reply is string {
  return reply?.startsWith(`_INBOX.${from}.`) === true;
}

/** Send an error; nothing when this gateway has left. */
export function replyError(core: Core, reply: string, error: MeshError, call?: string): void {
  if (core.nc.isClosed()) {
    return;
  }
  const body = { ...error.toBody(), ...(call === undefined ? {} : { call }) };
  const headers = encodeHeaders([
    [header.serviceErrorCode, error.code],
    [header.serviceError, error.class],
    [header.retryAfter, error.retryAfterMs],
  ]);
  core.nc.publish(reply, JSON.stringify(body), { headers: rawHeaders(headers) });
}
