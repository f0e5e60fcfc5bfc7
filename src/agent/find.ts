/**
 * Finding: control is asked which capabilities there are, and tells only what the asker may call.
 */
import type { NatsConnection } from '../fabric/connection.js';
import { headersOf } from '../fabric/raw.js';
import { fromBody, meshError } from '../wire/errors.js';
import type { ErrorBody, Find, Found } from '../wire/generated/messages.js';
import { subject } from '../wire/generated/subjects.js';
import { header } from '../wire/headers.js';
import { limits } from '../wire/limits.js';
import type { Token } from '../wire/names.js';

/** Ask. Throws what control answers, unavailable when none does, closed. */
export async function ask(nc: NatsConnection, me: Token, find: Find): Promise<Found> {
  const msg = await nc
    .request(subject.find({ from: me }), JSON.stringify(find), { timeout: limits.findMs })
    .catch((err: unknown) => {
      const facts = { waitedMs: limits.findMs, why: 'no control answered' };
      throw nc.isClosed() ? meshError('closed', {}, err) : meshError('unavailable', facts, err);
    });
  if (headersOf(msg).get(header.serviceErrorCode) !== undefined) {
    throw fromBody(msg.json<ErrorBody>());
  }
  return msg.json<Found>();
}
