/**
 * DEAD: calls the mesh gave up on, with all that is needed to run them again.
 */
import { encodeHeaders, header, type HeaderBlock } from '../wire/headers.js';
import { contentTypes } from '../wire/content.js';
import { ingress } from '../wire/generated/subjects.js';
import type { DeadRecord } from '../wire/generated/messages.js';
import { isCapability, type Capability } from '../wire/names.js';
import { birthOf, isCallId } from '../wire/ulid.js';
import type { Incoming } from '../chain/draft.js';
import { carried } from './carried.js';
import type { Core } from './core.js';
import type { OpenCall } from './open.js';

/** The record of a call whose attempts all failed. */
export function deadOf({ record, history }: OpenCall, why: string): DeadRecord {
  const { from, call, capability, major, context, labels, intent, bodyRef, type, replays, key } = record;
  const said: [string, string | undefined][] = [
    [header.major, major?.toString()],
    [header.context, context],
    [header.labels, labels === undefined ? undefined : labelText(labels)],
    [header.intent, intent],
    [header.bodyRef, bodyRef],
    [header.contentType, type === undefined ? undefined : contentTypes[type]],
  ];
  return {
    v: 1,
    from,
    call,
    capability,
    why,
    history,
    // The last of them is the agent that had it, who does not stand behind the call.
    chain: record.chain.slice(0, -1),
    headers: Object.fromEntries(
      said.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [[name, value]])),
    ),
    timeoutMs: Math.max(1, record.deadline - birthOf(call)),
    ...(replays === undefined ? {} : { replays }),
    ...(key === undefined ? {} : { key }),
    at: Date.now(),
  };
}

/** The record of a call that was never decided: it is kept as it came, with the ticket nobody has opened. */
export function deadOfUndecided(
  { from, capability, headers }: Incoming,
  call: string,
  why: string,
): DeadRecord {
  const said = carried(headers);
  const deadline = Number(said[header.deadline]);
  const born = isCallId(call) ? birthOf(call) : Number.NaN;
  return {
    v: 1,
    from,
    call,
    capability,
    why,
    history: [],
    headers: said,
    ...(deadline > born ? { timeoutMs: deadline - born } : {}),
    at: Date.now(),
  };
}

/** Read the record of a stored message. Only gateways can write there, so it is trusted. */
export function readDead(headers: HeaderBlock): DeadRecord | undefined {
  const text = headers.get(header.record);
  return text === undefined ? undefined : (JSON.parse(text) as DeadRecord);
}

/** Write a record to DEAD; `then` runs once it is durable, or could not be made so (the outcome must not wait). */
export function writeDead(core: Core, dead: DeadRecord, body: Uint8Array, then: () => void): void {
  const capability = isCapability(dead.capability) ? dead.capability : ('unreadable' as Capability);
  const headers = encodeHeaders([
    [header.msgId, `${dead.from}.${dead.call}`],
    [header.record, JSON.stringify(dead)],
  ]);
  core.pub.publish(ingress.dead(core.ingress, { capability }), body, headers, (ack) => {
    if (ack.kind !== 'stored' && ack.kind !== 'duplicate') {
      core.log.error({ call: `${dead.from}.${dead.call}`, ack }, 'the dead call could not be recorded');
    }
    then();
  });
}

function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}
