/**
 * Dead calls: finding one where it is said to lie, showing its body, discarding it.
 */
import { deleteBySeq, getFromLeader, type Stored } from '../../fabric/reader.js';
import { meshError } from '../../wire/errors.js';
import type { DeadRecord } from '../../wire/generated/messages.js';
import { header } from '../../wire/headers.js';
import type { Token } from '../../wire/names.js';
import type { Control } from '../core.js';
import { forgetId, nameOf } from './claim.js';

/** Which dead call an operator means, and where it was seen. */
export interface Named {
  readonly from: string;
  readonly call: string;
  readonly seq: number;
}

/** What is told of a body at most: base64 of it must fit into a reply. */
const BODY_BYTES = 512 * 1024;

/** The dead call in a stored message. Only gateways can write there, so it is trusted. */
export function deadIn(m: Stored): DeadRecord | undefined {
  const text = m.headers.get(header.record);
  return text === undefined ? undefined : (JSON.parse(text) as DeadRecord);
}

/** The call that is meant, if it lies there still. Throws not_found. */
export async function findDead(
  control: Control,
  { from, call, seq }: Named,
): Promise<{ record: DeadRecord; body: Uint8Array }> {
  const stored = await getFromLeader(control.nc, 'DEAD', seq);
  const record = stored === undefined ? undefined : deadIn(stored);
  if (stored === undefined || record?.from !== from || record.call !== call) {
    throw meshError('not_found', { what: 'the dead call', name: `${from}.${call}` });
  }
  return { record, body: stored.body };
}

/** The body of a dead call, in base64; `bytes` is its size, also where less is told. Throws not_found. */
export async function bodyOf(control: Control, named: Named): Promise<{ bytes: number; body: string }> {
  const { body } = await findDead(control, named);
  return { bytes: body.length, body: Buffer.from(body.subarray(0, BODY_BYTES)).toString('base64') };
}

/** Remove a dead call for good. Throws not_found. */
export async function discard(control: Control, named: Named, by: Token): Promise<{ state: 'discarded' }> {
  await findDead(control, named);
  await removeDead(control, named);
  control.log.warn({ by, call: nameOf(named) }, 'a dead call was discarded');
  return { state: 'discarded' };
}

/** It does not lie in DEAD any more, whoever has removed it. */
export async function removeDead(control: Control, named: Named): Promise<void> {
  await deleteBySeq(control.nc, 'DEAD', named.seq);
  await forgetId(control, named);
}
