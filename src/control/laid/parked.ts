/**
 * Parked calls at an operator's wish: tried now, or ended. Any control process can do it; the supervisor finds out by
 * itself that the call is gone.
 */
import { rawHeaders } from '../../fabric/raw.js';
import { getLast } from '../../fabric/reader.js';
import { meshError } from '../../wire/errors.js';
import { subject } from '../../wire/generated/subjects.js';
import type { Wake } from '../../wire/generated/messages.js';
import { encodeHeaders, header } from '../../wire/headers.js';
import { asToken, type Token } from '../../wire/names.js';
import type { Control } from '../core.js';

/**
 * What became of it: `ended` when it was refused or had expired, `held` when still nobody is free, `gone` when it went
 * on by itself meanwhile.
 */
export interface Woken {
  readonly state: 'released' | 'cancelled' | 'ended' | 'held' | 'gone';
}

const ANSWER_MS = 5_000;

/** Try a parked call now, or end it as cancelled. Throws not_found, name_invalid, unavailable. */
export async function wakeNow(
  control: Control,
  { from, call }: { readonly from: string; readonly call: string },
  by: Token,
  cancelled: boolean,
): Promise<Woken> {
  const at = `mesh.v1.parked.*.${from}.${asToken(call, 'call')}`;
  const stored = await getLast(control.nc, 'PARKED', at);
  if (stored === undefined) {
    throw meshError('not_found', { what: 'the parked call', name: `${from}.${call}` });
  }
  const wake: Wake = { seq: stored.seq, by, ...(cancelled ? { cancelled } : {}) };
  const headers = rawHeaders(encodeHeaders([[header.instance, control.id]]));
  const reply = await control.nc
    .request(subject.wake(), JSON.stringify(wake), { timeout: ANSWER_MS, headers })
    .catch((err: unknown) => {
      throw meshError('unavailable', { waitedMs: ANSWER_MS, why: 'no gateway answers' }, err);
    });
  switch (reply.string()) {
    case 'decided':
      return { state: cancelled ? 'gone' : 'released' };
    case 'ended':
      return { state: cancelled ? 'cancelled' : 'ended' };
    case 'held':
      return { state: 'held' };
    case 'gone':
      return { state: 'gone' };
    default:
      throw meshError('unavailable', { waitedMs: 0, why: 'the gateway could not tell what became of it' });
  }
}
