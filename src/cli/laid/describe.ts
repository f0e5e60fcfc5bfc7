/**
 * A dead call on paper.
 */
import type { DeadRow } from '../../control/views/pages.js';
import { parseBodyRef } from '../../domain/body-ref.js';
import { bodyTypeOf, decodeValue } from '../../wire/content.js';
import { header } from '../../wire/headers.js';
import { limits } from '../../wire/limits.js';
import { duration } from '../calls/ask.js';
import { idOf } from '../calls/tree.js';
import { paint, safe, table } from '../output.js';

/** A body as control tells it. */
export interface Body {
  readonly bytes: number;
  /** Base64; a large one is cut. */
  readonly body: string;
}

/** The record, its attempts, and its body if that was asked for. */
export function describeDead(row: DeadRow, body: Body | undefined): string[] {
  const { capability, why, at, chain, headers = {}, timeoutMs, replays, history = [] } = row;
  const { [header.bodyRef]: _ref, ...said } = headers;
  const facts: string[][] = [
    ['given up', `${duration(Math.max(0, Date.now() - at))} ago: ${safe(why)}`],
    ['done for', chain === undefined ? 'unknown: it was never decided' : safe(chain.join(' → '))],
    ...(timeoutMs === undefined ? [] : [['had time', duration(timeoutMs)]]),
    ...Object.entries(said).map(([name, value]) => [name, safe(value)]),
    ...(replays === undefined ? [] : [['was a replay of', safe(replays)]]),
    ['body', whereBody(row)],
  ];
  return [
    `${paint.bold(safe(capability))} ${idOf(row)}`,
    ...table(facts).map((line) => `  ${line}`),
    '',
    history.length === 0 ? 'no attempt is on record' : 'attempts',
    ...table(history.map((one, i) => attempt(one, history[i - 1]?.at))),
    ...(body === undefined ? [] : ['', ...bodyLines(body, headers[header.contentType])]),
    '',
    `${paint.dim('what now:')} mend the cause, then mesh dead replay ${idOf(row)}`,
  ];
}

type Attempt = NonNullable<DeadRow['history']>[number];

function attempt({ agent, instance, at, why }: Attempt, before: number | undefined): string[] {
  const after = before === undefined ? new Date(at).toISOString() : `+${duration(at - before)}`;
  return [
    `  ${safe(agent)}${instance === undefined ? '' : paint.dim(`/${safe(instance)}`)}`,
    after,
    safe(why),
  ];
}

/** A body by reference does not lie in DEAD, and not for long anywhere else. */
function whereBody({ bytes, headers = {} }: DeadRow): string {
  const ref = parseBodyRef(headers[header.bodyRef]);
  return ref === undefined
    ? `${bytes} bytes`
    : `${ref.bytes} bytes by reference, kept until ${new Date(ref.until).toISOString()} at most`;
}

/** JSON and msgpack are laid out; what is neither is shown as it is. */
function bodyLines({ bytes, body }: Body, contentType: string | undefined): string[] {
  const raw = Buffer.from(body, 'base64');
  const cut = raw.length < bytes ? [paint.dim(`the first ${raw.length} of ${bytes} bytes`)] : [];
  return [...textOf(raw, contentType).split('\n').map(safe), ...cut];
}

function textOf(raw: Buffer, contentType: string | undefined): string {
  try {
    const type = bodyTypeOf(contentType);
    return type === 'bytes'
      ? 'raw bytes: --json has them in base64'
      : JSON.stringify(decodeValue(type, raw, limits.bodyCheckBytes), undefined, 2);
  } catch {
    return raw.toString();
  }
}
