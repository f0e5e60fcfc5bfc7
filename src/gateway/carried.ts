/**
 * What of a call's headers is kept when the call itself is laid aside.
 */
import { header, type HeaderBlock } from '../wire/headers.js';

const CARRIED = [
  header.call,
  header.deadline,
  header.ticket,
  header.grant,
  header.major,
  header.child,
  header.context,
  header.labels,
  header.priority,
  header.route,
  header.difficulty,
  header.intent,
  header.bodyRef,
  header.contentType,
  header.parts,
  header.traceparent,
  header.tracestate,
];

/** The headers that say something of the call, by name. */
export function carried(headers: Pick<HeaderBlock, 'get'>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of CARRIED) {
    const value = headers.get(name);
    if (value !== undefined) {
      kept[name] = value;
    }
  }
  return kept;
}
